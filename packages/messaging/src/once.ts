import {
  type Call,
  type Clock,
  Fault,
  keyText,
  type RouteKey,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import type { Committer, Work } from './committer.ts'

/** How long the answer of an idempotent request is kept at least. */
export const keptMs = 24 * 60 * 60 * 1_000

/** The same Idempotency-Key came with another request. */
export class KeyReusedError extends Fault {
  override readonly name = 'KeyReusedError'
  override readonly code = 'idempotency_key_reused'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot take the request: its Idempotency-Key was used for another one')
  }
}

/** Which request it is (who, what, under which key), and what it asked; `Once` of `@stoa/http` has this form. */
export type Once = {
  readonly principal: string
  readonly method: string
  readonly route: string
  readonly key: string
  readonly fingerprint: string
}

export type Answered<T> = { readonly reply: T; readonly replayed: boolean }

type Kept = { readonly fingerprint: string; readonly reply: string }

export type OnceRunner = {
  /**
   * Commits `work` and `reply` together, or answers the reply of the request that did. One round trip the first
   * time, two for a repeat.
   *
   * `key` is where the row of the request lies: in the shard of the work, and for a repeat the same one. For a new root
   * entity that is the prefix of its id.
   *
   * @throws KeyReusedError when the key came with another request; and as {@link Committer.commit}.
   */
  run<T>(
    once: Once,
    job: { readonly key: RouteKey; readonly work: Work; readonly reply: T },
    call: Call,
  ): Promise<Answered<T>>
  /** The reply kept for `once`, when it happened already. One round trip. @throws KeyReusedError */
  find<T>(once: Once, key: RouteKey, call: Call): Promise<T | undefined>
}

/**
 * The text from which a new root entity takes its place: `ids.root(scopeOf(once))` lies where the key's row does,
 * so that a retry finds there what the first try did.
 */
export function scopeOf({ principal, method, route, key }: Once): string {
  return [principal, method, route, key].join('|')
}

function insertKey(once: Once, row: { key: RouteKey; reply: unknown; now: number }): Statement {
  return {
    sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, response, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [
      keyText(row.key),
      once.principal,
      once.method,
      once.route,
      once.key,
      once.fingerprint,
      JSON.stringify(row.reply ?? null),
      row.now,
      row.now + keptMs,
    ],
  }
}

function isKeyTaken(error: unknown): boolean {
  return (
    error instanceof SqlConstraintError &&
    error.type === 'unique' &&
    error.constraint.includes('idempotency.')
  )
}

export function createOnceRunner(deps: {
  readonly router: Router
  readonly committer: Committer
  readonly clock: Clock
}): OnceRunner {
  const { router, committer, clock } = deps
  const kept = async (once: Once, key: RouteKey, call: Call): Promise<Kept | undefined> => {
    const query = {
      sql: `SELECT fingerprint, response FROM idempotency
WHERE slot = ? AND principal = ? AND method = ? AND route = ? AND key = ?`,
      args: [keyText(key), once.principal, once.method, once.route, once.key],
    }
    const { rows } = await router.read(key, query, call)
    const [row] = rows
    return row === undefined ? undefined : { fingerprint: String(row[0]), reply: String(row[1]) }
  }
  const find = async <T>(once: Once, key: RouteKey, call: Call): Promise<T | undefined> => {
    const found = await kept(once, key, call)
    if (found === undefined) return undefined
    if (found.fingerprint !== once.fingerprint) throw new KeyReusedError()
    // The row was written by `run` of the same scope, whose reply was a T.
    return JSON.parse(found.reply) as T
  }
  return {
    find,
    run: async (once, { key, work, reply }, call) => {
      const first = [insertKey(once, { key, reply, now: clock.now() }), ...(work.first ?? [])]
      try {
        await committer.commit({ ...work, keys: [key, ...work.keys], first }, call)
        return { reply, replayed: false }
      } catch (error) {
        if (!isKeyTaken(error)) throw error
        const earlier = await find<typeof reply>(once, key, call)
        if (earlier === undefined) throw error
        return { reply: earlier, replayed: true }
      }
    },
  }
}
