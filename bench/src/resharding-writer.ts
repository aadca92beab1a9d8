import { type Call, isFault, rootCall, slotText, type SqlShard, type Statement } from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

/** Half of the slots: those that move. */
export const movingSlots = 8_192

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const words = 'many words '.repeat(12)
const rowsPerSeed = 20_000
/** Writes at once when nothing holds them back; and the most that wait at once: a database takes 128 requests. */
const lanes = 8
const waitingMax = 96
const tickMs = 4

/** Every eighth product lives where nothing moves. */
export function isMoving(n: number): boolean {
  return n % 8 !== 7
}

function slotOf(n: number): number {
  return ((n * 7_919) % movingSlots) + (isMoving(n) ? 0 : movingSlots)
}

export function idOf(n: number): string {
  return `${slotText(slotOf(n))}00${String(n).padStart(15, '0')}`
}

/** Fills a database with its products among the first `count`: with those that move, or with the others. */
export async function seed(
  shard: SqlShard,
  { count, moving }: { readonly count: number; readonly moving: boolean },
  call: Call,
): Promise<void> {
  const slot = `(n * 7919 % ${movingSlots} + ${moving ? 0 : movingSlots})`
  const digit = (shift: number) => `substr('${alphabet}', (${slot} >> ${shift} & 31) + 1, 1)`
  const sql = `INSERT INTO product (id, sku, title, description, category, price_minor, currency, version, created_at)
SELECT ${digit(10)} || ${digit(5)} || ${digit(0)} || '00' || printf('%015d', n), 'sku-' || n, 'Thing ' || n, ?, 'cat-1', 0, 'EUR', 1, n
FROM (SELECT value AS n FROM generate_series(?, ?)) WHERE (n % 8 <> 7) = ?`
  for (let from = 0; from < count; from += rowsPerSeed) {
    const to = Math.min(count, from + rowsPerSeed) - 1
    await shard.batch([{ sql, args: [words, from, to, moving ? 1 : 0] }], 'write', call)
  }
}

export const productColumns = [
  'id',
  'sku',
  'title',
  'description',
  'category',
  'price_minor',
  'currency',
  'seller',
  'version',
  'created_at',
] as const

/** A product as acknowledged; `unsure` counts the writes of which nobody knows. */
type Known = { version: number; price: number; unsure: number }

/** A write: when it was due and when it was answered, in milliseconds since 1970. */
export type Sample = {
  readonly due: number
  readonly answered: number
  readonly slot: number
  readonly isOk: boolean
}

/** What was acknowledged, and what nobody knows of. */
export type Told = {
  known(this: void, n: number): Readonly<Known>
  /** The product of each write that was acknowledged, by the number of the write. */
  readonly receipts: ReadonlyMap<number, number>
  readonly unsure: ReadonlySet<number>
  /** Products that are there for certain. */
  count(this: void): number
}

export type Writer = {
  readonly samples: readonly Sample[]
  /** What failed, by its message. */
  readonly failures: ReadonlyMap<string, number>
  readonly told: Told
  /** Writes a second when each of a few lanes writes as soon as it was answered. */
  saturate(this: void, ms: number): Promise<number>
  /** Writes at a rate, whatever is answered, until it is told to stop. */
  start(this: void, perSecond: number): () => Promise<void>
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function statementsOf(
  n: number,
  { isNew, price, seq }: { readonly isNew: boolean; readonly price: number; readonly seq: number },
): readonly Statement[] {
  const key = idOf(n)
  const product = isNew
    ? {
        sql: `INSERT INTO product (id, sku, title, description, category, price_minor, currency, version, created_at)
VALUES (?, ?, ?, ?, 'cat-1', ?, 'EUR', 1, ?)`,
        args: [key, `sku-${n}`, `Thing ${n}`, words, price, n],
      }
    : {
        sql: 'UPDATE product SET version = version + 1, price_minor = ? WHERE id = ?',
        args: [price, key],
      }
  const receipt = {
    sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, created_at, expires_at)
VALUES (?, 'p', 'POST', '/', ?, ?, 1, 2)`,
    args: [key, `w${seq}`, `f${seq}`],
  }
  return [product, receipt]
}

/** A client of the keyspace that knows what it was told. */
export function createWriter(router: Router, seeded: number): Writer {
  const known = new Map<number, Known>()
  const busy = new Set<number>()
  const receipts = new Map<number, number>()
  const unsure = new Set<number>()
  const samples: Sample[] = []
  const failures = new Map<string, number>()
  let made = seeded
  let seq = 0

  const choose = (): { readonly n: number; readonly isNew: boolean } => {
    if (seq % 4 === 0) {
      made += 1
      return { n: made - 1, isNew: true }
    }
    for (;;) {
      const n = Math.floor(Math.random() * seeded)
      if (!busy.has(n)) return { n, isNew: false }
    }
  }
  const note = (n: number, change: (before: Known) => Known): void => {
    known.set(n, change(known.get(n) ?? { version: n < seeded ? 1 : 0, price: 0, unsure: 0 }))
  }
  const write = async (due: number): Promise<void> => {
    seq += 1
    const mine = seq
    const { n, isNew } = choose()
    busy.add(n)
    const statements = statementsOf(n, { isNew, price: mine, seq: mine })
    let isOk = true
    try {
      await router.write(idOf(n), statements, rootCall(`w${mine}`))
      note(n, (before) => ({ ...before, version: before.version + 1, price: mine }))
      receipts.set(mine, n)
    } catch (error) {
      if (!isFault(error)) throw error
      isOk = false
      note(n, (before) => ({ ...before, unsure: before.unsure + 1 }))
      unsure.add(mine)
      failures.set(error.message, (failures.get(error.message) ?? 0) + 1)
    }
    busy.delete(n)
    samples.push({ due, answered: now(), slot: slotOf(n), isOk })
  }

  const saturate = async (ms: number): Promise<number> => {
    const first = samples.length
    const started = now()
    const lane = async () => {
      while (now() - started < ms) await write(now())
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return ((samples.length - first) * 1_000) / (now() - started)
  }

  const start = (perSecond: number): (() => Promise<void>) => {
    const started = now()
    const waiting = new Set<Promise<void>>()
    let due = 0
    const tick = () => {
      const until = ((now() - started) * perSecond) / 1_000
      for (; due < until; due += 1) {
        if (waiting.size >= waitingMax) continue
        const one = write(started + (due * 1_000) / perSecond)
        waiting.add(one)
        void one.finally(() => waiting.delete(one))
      }
    }
    const timer = setInterval(tick, tickMs)
    return async () => {
      clearInterval(timer)
      await Promise.all(waiting)
    }
  }

  const told: Told = {
    known: (n) => known.get(n) ?? { version: n < seeded ? 1 : 0, price: 0, unsure: 0 },
    receipts,
    unsure,
    count: () => made - [...known].filter(([n, one]) => n >= seeded && one.version === 0).length,
  }
  return { samples, failures, told, saturate, start }
}
