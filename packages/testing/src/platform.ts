import { localProvider, provision } from '@stoa/cli'
import { clientEnv, devTokens, type Local, startLocal } from '@stoa/local'

export type PlatformOptions = {
  readonly shardsPerKeyspace?: number
  /** Where the queue delivers: the gateway's address. */
  readonly publicUrl?: string
  readonly redisEngine?: 'auto' | 'server' | 'in-process'
}

/** Tokens of the staff and the import job in tests; no deployment has these. */
export const testTokens = {
  operator: 'test-operator-token-0000',
  importer: 'test-importer-token-0000',
} as const

/** The three local servers with every shard provisioned, and the variables that a worker needs to use them. */
export type Platform = {
  readonly local: Local
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
  }
}

/** Starts the platform on free ports and a temporary folder. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const { shardsPerKeyspace = 2, publicUrl = 'http://127.0.0.1:9', redisEngine = 'auto' } = options
  const local = await startLocal({ redisEngine })
  try {
    const provider = localProvider(`http://127.0.0.1:${local.ports.libsql}`, devTokens.libsql)
    const { metaUrl } = await provision({ provider, shardsPerKeyspace })
    return { local, env: workerEnv(local.ports, { metaUrl, publicUrl }), close: local.close }
  } catch (error) {
    await local.close()
    throw error
  }
}
