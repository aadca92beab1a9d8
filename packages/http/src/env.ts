import { z } from 'zod'

/** A binding or variable of the deployment is missing or wrong. Says which and why, and never its value. */
export class InvalidEnvError extends Error {
  override readonly name = 'InvalidEnvError'
}

const secret = z.string().min(16, 'must have at least 16 characters')
const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/$/, ''))

/** Addresses, each followed by its token, with white space between them all. */
const databases = z
  .string()
  .transform((text) => {
    const words = text.trim().split(/\s+/)
    return Array.from({ length: Math.ceil(words.length / 2) }, (_, index) => ({
      url: words[index * 2],
      token: words[index * 2 + 1],
    }))
  })
  .pipe(z.array(z.object({ url, token: z.string() })))

/** What every service needs of its deployment. Locally `npm start` sets these; `.dev.vars` and `wrangler secret` elsewhere. */
export const platformEnv = z.object({
  /** The address of the gateway as the queue sees it: signatures of deliveries are checked against it. */
  PUBLIC_URL: url,
  /** The `meta` database, which says where all others are. */
  META_URL: url,
  LIBSQL_TOKEN: z.string().min(1),
  REDIS_URL: url,
  REDIS_TOKEN: z.string().min(1),
  /** The databases that caches are spread over, as `url token url token`. Default: the one of `REDIS_URL`. */
  CACHE_DATABASES: databases.optional(),
  /**
   * The databases in which increments wait for their drain, as `url token url token`; add to the end. They must never
   * evict, and hold no cache. Default: the one of `REDIS_URL`.
   */
  COUNTING_LOGS: databases.optional(),
  QSTASH_URL: url,
  QSTASH_TOKEN: z.string().min(1),
  QSTASH_CURRENT_SIGNING_KEY: z.string().min(1),
  QSTASH_NEXT_SIGNING_KEY: z.string().min(1),
  /** Tokens of the deployment for its staff and its import jobs. */
  OPERATOR_TOKEN: secret,
  IMPORT_TOKEN: secret,
  /** Keys the fingerprints of idempotent requests; may be rotated: repeats of what was asked before are then refused. */
  STOA_SECRET: secret,
})

export type PlatformEnv = z.output<typeof platformEnv>

/** Reads `env` once. @throws InvalidEnvError naming each variable that is missing or wrong. */
export function readEnv<T extends z.ZodType>(schema: T, env: unknown): z.output<T> {
  const parsed = schema.safeParse(env)
  if (parsed.success) return parsed.data
  const why = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new InvalidEnvError(`Cannot start with this environment: ${why.join('; ')}`)
}
