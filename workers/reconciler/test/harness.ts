import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import type { Fetcher } from '@stoa/kernel'
import {
  createIds,
  type ManualClock,
  manualClock,
  rootCall,
  secureRandom,
  slotOfText,
  slotText,
  type SqlValue,
  type Statement,
  systemClock,
} from '@stoa/kernel'
import { answerSession } from '@stoa/testing/sessions'
import { afterAll, inject } from 'vitest'
import { z } from 'zod'

import { createReconcilerService, type ReconcilerService } from '../src/app.ts'
import type { MoneyEntry } from '../src/domain/money.ts'
import type { Mending, Repairs } from '../src/domain/repairs.ts'

export const env = inject('stoaEnv')
const libsqlUrl = new URL(env['META_URL'] ?? '').origin
export const call = rootCall('test')
export const ids = createIds({ clock: systemClock, random: secureRandom })

/** An id at a place of its own, like that of any root entity. */
export function newId(): string {
  return ids.root(crypto.randomUUID())
}

const config = z
  .object({
    META_URL: z.string(),
    LIBSQL_TOKEN: z.string(),
    QSTASH_URL: z.string(),
    QSTASH_TOKEN: z.string(),
    PUBLIC_URL: z.string(),
  })
  .parse(env)

const deferred: Promise<unknown>[] = []
afterAll(() => Promise.allSettled(deferred))
const defer = (work: Promise<unknown>) => void deferred.push(work)

const opened = new Map<string, KeyspaceAccess>()

/** A service's own door to its databases: what it has written is there, right or wrong. */
export function keyspace(name: string): KeyspaceAccess {
  const known =
    opened.get(name) ?? openServiceKeyspace(name, config, { defer, report: () => undefined })
  opened.set(name, known)
  return known
}

export async function write(name: string, key: string, ...statements: readonly Statement[]) {
  await keyspace(name).router.write(key, statements, call)
}

/** Writes past what the schema allows, as only the mover may: how else would a table be wrong? */
export async function force(name: string, key: string, ...statements: readonly Statement[]) {
  const mover = (value: string | null): Statement => ({
    sql: 'UPDATE _fence SET mover = ? WHERE id = 1',
    args: [value],
  })
  await write(name, key, mover('test'), ...statements, mover(null))
}

export async function select(
  name: string,
  sql: string,
  ...args: readonly SqlValue[]
): Promise<readonly (readonly SqlValue[])[]> {
  const shards = await keyspace(name).router.shards(call)
  const answers = await Promise.all(
    shards.map((shard) => shard.batch([{ sql, args }], 'read', call)),
  )
  return answers.flatMap(([rows]) => rows?.rows ?? [])
}

// As the stats service finds the database of its hot view.
const [hotUrl = env['REDIS_URL'] ?? '', hotToken = env['REDIS_TOKEN'] ?? ''] =
  env['CACHE_DATABASES']?.split(' ') ?? []
export const hot = upstashRedis({ name: 'hot', url: hotUrl, token: hotToken })

/** Shows a counted object so, or no more. */
export async function show(key: string, text: string | undefined): Promise<void> {
  const command = text === undefined ? ['DEL', key] : ['SET', key, text]
  await hot.run(command, call, { idempotent: true })
}

/** Spoils the next requests to the databases that match. @see packages/local */
export async function spoil(rule: object): Promise<void> {
  const response = await fetch(`${libsqlUrl}/_local/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  })
  if (!response.ok) throw new Error(await response.text())
}

export async function unspoil(): Promise<void> {
  await fetch(`${libsqlUrl}/_local/faults`, { method: 'DELETE' })
}

const dayMs = 86_400_000
const today = Math.floor(Date.now() / dayMs) * dayMs

/**
 * When the worlds of each file begin, in days before today. All look at the same databases: what is of a later time is
 * not settled yet for an earlier world, and is nothing to it. So those that must find nothing of others' come first.
 */
const eras = { kills: 800, breaks: 400, mutants: 300, api: 100, tiers: 50 } as const

/** A moment in the days of a file. */
export function momentOf(era: keyof typeof eras, hours: number): number {
  return today - eras[era] * dayMs + hours * 3_600_000
}

export type World = {
  readonly clock: ManualClock
  service: ReconcilerService
  /** The same with an empty memory, as after a death. */
  restart(this: void): void
  /** What the provider has moved, and will tell in the statement of the day. */
  readonly provided: MoneyEntry[]
  /** What repairs were asked for, each once for its key; they mend by `mend`. */
  readonly mended: Mending[]
  mend: (mending: Mending) => Promise<void>
  /** It gives no statement then. */
  isProviderDown: boolean
  /** Requests to neighbours. */
  readonly asked: string[]
  /** Ticks until nothing is left to do now. */
  settle(this: void): Promise<void>
}

/** Repairs for whatever a double is to do. */
export const doubled = [
  'orders/redrive_payment',
  'orders/refund_unknown',
  'orders/refund_duplicate',
  'statement/replay_paid',
  'statement/refund_unknown',
  'payment_tries/finish_transaction',
  'stock_tries/finish_transaction',
  'hold_tries/finish_transaction',
  'orders_deadlines/finish_transaction',
  'payments_deadlines/finish_transaction',
  'ledger/republish_order',
  'payments_to_orders/resend_events',
  'stock/rebuild_reserved',
  'deliveries/rearm_delivery',
  'profile_followers/recount',
  'profile_following/recount',
  'profile_posts/recount',
  'counted_posts/recount',
  'handles/copy_twin',
  'emails/copy_twin',
  'skus/copy_twin',
  'hot_member/refill_hot_view',
  'hot_product/refill_hot_view',
  'hot_post/refill_hot_view',
]

/** A reconciler with hands of its own, over the databases of all services. */
export async function startWorld(
  at: number,
  {
    real = [],
    comparisons,
    services,
  }: {
    readonly real?: readonly string[]
    readonly comparisons?: readonly string[]
    /** The services behind, where they are not doubles. */
    readonly services?: (name: string) => Fetcher | undefined
  } = {},
): Promise<World> {
  // Feeds begin anew with it: another world's may be of another year.
  for (const name of ['ledger', 'provider']) {
    const slot = slotText(slotOfText(name))
    await write('reconciler', slot, { sql: 'DELETE FROM feed WHERE slot = ?', args: [slot] })
  }
  const clock = manualClock(at)
  const known = new Set<string>()
  const provided: MoneyEntry[] = []
  const mended: Mending[] = []
  const asked: string[] = []
  const repairs: Repairs = Object.fromEntries(
    doubled
      .filter((name) => !real.includes(name))
      .map((name) => [
        name,
        async (mending: Mending) => {
          if (known.has(mending.idempotencyKey)) return
          known.add(mending.idempotencyKey)
          mended.push(mending)
          await world.mend(mending)
        },
      ]),
  )
  const neighbour =
    (name: string): Fetcher =>
    async (request) => {
      const { pathname } = new URL(request.url)
      if (!pathname.startsWith('/internal/') && name === 'users') return answerSession(request)
      asked.push(`${name} ${request.method} ${pathname}`)
      const service = services?.(name)
      if (service !== undefined) return service(request)
      return Response.json({ taken: 0, finished: 0, stuck: [] })
    }
  const statements = {
    ofDay: async (day: string) => {
      if (world.isProviderDown) throw new Error('There is no statement yet')
      return provided.filter(({ at: moved }) => new Date(moved).toISOString().startsWith(day))
    },
  }
  const start = () => {
    const options = {
      clock,
      repairs,
      statements,
      ...(comparisons === undefined ? {} : { comparisons }),
    }
    return createReconcilerService(env, { defer, fetcher: neighbour }, options)
  }
  const world: World = {
    clock,
    service: start(),
    restart: () => {
      world.service = start()
    },
    provided,
    isProviderDown: false,
    mended,
    asked,
    mend: async () => undefined,
    settle: async () => {
      for (;;) {
        const { repaired, resolved, review, waiting } = await world.service.sweep()
        if (repaired + resolved + review + waiting === 0) return
      }
    },
  }
  return world
}

export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export async function ask(
  { service }: Pick<World, 'service'>,
  [method, path]: readonly [string, string],
  options: { readonly body?: unknown; readonly token?: string; readonly key?: string } = {},
): Promise<Answer> {
  const { body, token = env['OPERATOR_TOKEN'] ?? '', key } = options
  const headers = new Headers({ authorization: `Bearer ${token}` })
  if (body !== undefined) headers.set('content-type', 'application/json')
  if (key !== undefined) headers.set('idempotency-key', key)
  const init =
    body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
  const response = await service.fetch(new Request(`http://reconciler${path}`, init))
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}

const dated = {
  discrepancy: 'first_seen_at',
  discrepancy_journal: 'at',
  repair_grant: 'at',
  money_entry: 'at',
} as const

/** Everything of some days that a second run may not change. */
export async function dump(from: number, days = 30): Promise<string> {
  const rows = await Promise.all(
    Object.entries(dated).map(([table, column]) => {
      const sql = `SELECT * FROM ${table} WHERE ${column} BETWEEN ? AND ?`
      return select('reconciler', sql, from - 3 * dayMs, from + days * dayMs)
    }),
  )
  return JSON.stringify(rows.map((each) => each.map((row) => JSON.stringify(row)).toSorted()))
}

/** Round trips to the databases of the call with this id. */
export async function roundTrips(requestId: string): Promise<number> {
  const response = await fetch(`${libsqlUrl}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}
