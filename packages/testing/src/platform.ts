import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { localCaches, localLogs, localProvider, provision } from '@stoa/cli'
import {
  clientEnv,
  devTokens,
  type Local,
  type ServerName,
  startLocal,
  supervise,
} from '@stoa/local'

export type PlatformOptions = {
  readonly shardsPerKeyspace?: number
  /** Where the queue delivers: the gateway's address. */
  readonly publicUrl?: string
  readonly redisEngine?: 'auto' | 'server' | 'in-process'
  /** The servers as processes of their own, which may be killed and come back. */
  readonly supervised?: boolean
}

/** Tokens of the staff and the import job in tests; no deployment has these. */
export const testTokens = {
  operator: 'test-operator-token-0000',
  importer: 'test-importer-token-0000',
} as const

/** The local servers with every shard provisioned, and the variables that a worker needs to use them. */
export type Platform = {
  readonly local: Pick<Local, 'ports'>
  /** Kills a server with SIGKILL, in the midst of what it does; only of a supervised platform. */
  readonly kill: (server: ServerName) => void
  readonly env: Readonly<Record<string, string>>
  close(this: void): Promise<void>
}

/** The variables of a deployment on local servers. */
export function workerEnv(
  ports: Local['ports'],
  { metaUrl, publicUrl }: { readonly metaUrl: string; readonly publicUrl: string },
): Record<string, string> {
  const env = clientEnv(ports)
  return {
    PUBLIC_URL: publicUrl,
    META_URL: metaUrl,
    LIBSQL_TOKEN: devTokens.libsql,
    REDIS_URL: env['UPSTASH_REDIS_REST_URL'] ?? '',
    REDIS_TOKEN: devTokens.redis,
    QSTASH_URL: env['QSTASH_URL'] ?? '',
    QSTASH_TOKEN: devTokens.qstash,
    QSTASH_CURRENT_SIGNING_KEY: devTokens.qstashCurrentKey,
    QSTASH_NEXT_SIGNING_KEY: devTokens.qstashNextKey,
    OPERATOR_TOKEN: testTokens.operator,
    IMPORT_TOKEN: testTokens.importer,
    STOA_SECRET: 'test-secret-0000000000000000',
    PAYMENTS_PROVIDER: env['PAYMENTS_PROVIDER'] ?? '',
    SANDBOX_URL: env['SANDBOX_URL'] ?? '',
    SANDBOX_KEY: devTokens.psp,
    SANDBOX_CALLBACK_SECRET: devTokens.pspCallbacks,
  }
}

type Servers = {
  readonly ports: Local['ports']
  readonly kill: Platform['kill']
  readonly close: () => Promise<void>
}

function refuseToKill(server: ServerName): never {
  throw new Error(`Cannot kill ${server}: it is in this process`)
}

async function openServers(redisEngine: 'auto' | 'server' | 'in-process'): Promise<Servers> {
  const { ports, close } = await startLocal({ redisEngine })
  return { ports, kill: refuseToKill, close }
}

async function superviseServers(redisEngine: 'auto' | 'server' | 'in-process'): Promise<Servers> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-supervised-'))
  const ports = { libsql: 0, redis: 0, qstash: 0, psp: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine })
  return {
    ports: servers.ports,
    kill: (server) => {
      const pid = servers.pid(server)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    },
    close: async () => {
      await servers.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Starts the platform on free ports and a temporary folder. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const { shardsPerKeyspace = 2, publicUrl = 'http://127.0.0.1:9', redisEngine = 'auto' } = options
  const open = options.supervised === true ? superviseServers : openServers
  const { ports, kill, close } = await open(redisEngine)
  try {
    const provider = localProvider(`http://127.0.0.1:${ports.libsql}`, devTokens.libsql)
    const { metaUrl } = await provision({ provider, shardsPerKeyspace })
    const env = workerEnv(ports, { metaUrl, publicUrl })
    const redisUrl = `http://127.0.0.1:${ports.redis}`
    const CACHE_DATABASES = await localCaches(redisUrl, devTokens.redis)
    const COUNTING_LOGS = await localLogs(redisUrl, devTokens.redis)
    return { local: { ports }, kill, env: { ...env, CACHE_DATABASES, COUNTING_LOGS }, close }
  } catch (error) {
    await close()
    throw error
  }
}
