import { type PlatformEnv, platformEnv, readEnv } from '@stoa/http'

export type Config = PlatformEnv

/** @throws InvalidEnvError naming each variable that is missing or wrong. */
export function readConfig(env: unknown): Config {
  return readEnv(platformEnv, env)
}
