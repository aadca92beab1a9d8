import { parseArgs } from 'node:util'

/** The public development token and keys of QStash: its clients know them, so they are no secret. */
export const devTokens = {
  libsql: 'stoa-local-libsql',
  redis: 'stoa-local-redis',
  redisReadOnly: 'stoa-local-redis-read-only',
  qstash: 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=',
  qstashCurrentKey: 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r',
  qstashNextKey: 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs',
  psp: 'stoa-local-psp-key',
  pspCallbacks: 'stoa-local-psp-callbacks',
} as const

export const serverNames = ['libsql', 'redis', 'qstash', 'psp'] as const
export type ServerName = (typeof serverNames)[number]

/** A port for each server. The payment provider's may be left out where nobody pays. */
export type Ports = Readonly<Record<Exclude<ServerName, 'psp'>, number>> & { readonly psp?: number }

export type LocalConfig = {
  readonly dataDir: string
  /** 0 takes a free one, and so does leaving it out. */
  readonly ports: Ports
  readonly redisEngine: 'auto' | 'server' | 'in-process'
}

/** A wrong flag or variable. The message names it, says what is wrong and what is allowed. */
export class InvalidConfigError extends Error {
  override readonly name = 'InvalidConfigError'
}

const defaultPorts = { libsql: 8791, redis: 8792, qstash: 8793, psp: 8794 } as const
const engines = ['auto', 'server', 'in-process'] as const

/** Reads a port number. @throws InvalidConfigError naming `source`. */
export function parsePort(text: string, source: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new InvalidConfigError(`${source} is "${text}": it must be a port from 0 to 65535`)
}

function parseEngine(text: string, source: string): LocalConfig['redisEngine'] {
  const found = engines.find((engine) => engine === text)
  if (found !== undefined) return found
  throw new InvalidConfigError(`${source} is "${text}": it must be one of ${engines.join(', ')}`)
}

type Env = Readonly<Record<string, string | undefined>>

type Source = { readonly flags: Env; readonly env: Env }

/** A setting's text and where it came from: the flag wins over the variable, the variable over the default. */
function setting(name: string, { flags, env }: Source): [string, string] | undefined {
  const flag = flags[name]
  if (flag !== undefined) return [flag, `--${name}`]
  const variable = `STOA_${name.toUpperCase().replaceAll('-', '_')}`
  const value = env[variable]
  return value === undefined || value === '' ? undefined : [value, variable]
}

function parseFlags(argv: readonly string[]): Env {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        'data-dir': { type: 'string' },
        'libsql-port': { type: 'string' },
        'redis-port': { type: 'string' },
        'qstash-port': { type: 'string' },
        'psp-port': { type: 'string' },
        'redis-engine': { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new InvalidConfigError(error instanceof Error ? error.message : String(error), {
      cause: error,
    })
  }
}

/**
 * The configuration from flags and `STOA_*` variables.
 *
 * @throws InvalidConfigError for a wrong value, an unknown flag, or `NODE_ENV=production`.
 */
export function readConfig(argv: readonly string[], env: Env): LocalConfig {
  refuseProduction(env)
  const source = { flags: parseFlags(argv), env }
  const port = (name: ServerName): number => {
    const found = setting(`${name}-port`, source)
    return found === undefined ? defaultPorts[name] : parsePort(...found)
  }
  const engine = setting('redis-engine', source)
  return {
    dataDir: setting('data-dir', source)?.[0] ?? '.stoa/local',
    ports: {
      libsql: port('libsql'),
      redis: port('redis'),
      qstash: port('qstash'),
      psp: port('psp'),
    },
    redisEngine: engine === undefined ? 'auto' : parseEngine(...engine),
  }
}

/** The emulators are for development and tests. @throws InvalidConfigError when `NODE_ENV` is `production`. */
export function refuseProduction(env: Env): void {
  if (env['NODE_ENV'] !== 'production') return
  throw new InvalidConfigError('NODE_ENV is "production": the local servers refuse to start there')
}

/** The variables that any program needs to use these servers, with the official clients where there are such. */
export function clientEnv(ports: Ports): Record<string, string> {
  const url = (name: ServerName) => `http://127.0.0.1:${ports[name] ?? 0}`
  return {
    LIBSQL_URL: url('libsql'),
    TURSO_DATABASE_URL: url('libsql'),
    TURSO_AUTH_TOKEN: devTokens.libsql,
    UPSTASH_REDIS_REST_URL: url('redis'),
    UPSTASH_REDIS_REST_TOKEN: devTokens.redis,
    QSTASH_URL: url('qstash'),
    QSTASH_TOKEN: devTokens.qstash,
    QSTASH_CURRENT_SIGNING_KEY: devTokens.qstashCurrentKey,
    QSTASH_NEXT_SIGNING_KEY: devTokens.qstashNextKey,
    ...(ports.psp === undefined ? {} : pspEnv(ports.psp)),
  }
}

/** The variables by which the payments service uses the provider of these servers. */
function pspEnv(port: number): Record<string, string> {
  return {
    PAYMENTS_PROVIDER: 'sandbox',
    SANDBOX_URL: `http://127.0.0.1:${port}`,
    SANDBOX_KEY: devTokens.psp,
    SANDBOX_CALLBACK_SECRET: devTokens.pspCallbacks,
  }
}
