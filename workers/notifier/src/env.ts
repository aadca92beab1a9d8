import { platformEnv, readEnv } from '@stoa/http'
import { z } from 'zod'

const loopback = /^https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?:\/|$)/

const notifierEnv = platformEnv
  .extend({
    /** For local development alone: lets webhooks go to `http://127.0.0.1` and `http://localhost`, on any port. */
    ALLOW_LOOPBACK_WEBHOOKS: z
      .enum(['true', 'false'])
      .default('false')
      .transform((text) => text === 'true'),
  })
  .refine((env) => !env.ALLOW_LOOPBACK_WEBHOOKS || loopback.test(env.PUBLIC_URL), {
    path: ['ALLOW_LOOPBACK_WEBHOOKS'],
    message: 'must not be "true" unless PUBLIC_URL is on this machine too',
  })

export type Config = z.output<typeof notifierEnv>

/** @throws InvalidEnvError naming each variable that is missing or wrong. */
export function readConfig(env: unknown): Config {
  return readEnv(notifierEnv, env)
}
