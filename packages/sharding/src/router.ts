import {
  type BatchMode,
  type Call,
  Fault,
  isFault,
  type Rows,
  ShardFencedError,
  slotText,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

import { type Placement, type ShardInfo, type SlotMap } from './topology.ts'

/** How often a fenced operation asks for a newer topology, or waits for a frozen slot, before it gives up. */
const fencedTriesMax = 5
/** A freeze is to last 0.2 to 0.6 s; this is how long the first wait for it is, and by how much each next one grows. */
const frozenWaitMs = 150

export type Slots = {
  /** The slot map, from memory when it is there. */
  current(call: Call): Promise<SlotMap>
  /** Reads it anew: the fence has just proved the cached one old. */
  refresh(call: Call): Promise<SlotMap>
}

export type RouterOptions = {
  readonly slots: Slots
  /** A client of a shard; called once for each and kept. */
  open(shard: ShardInfo): SqlShard
  /** Waits; a test owns the time. */
  sleep(ms: number, call: Call): Promise<void>
  /** Statements that ride at the end of the next write to a shard, for free; lost when that batch fails. */
  riders?(shard: string): readonly Statement[]
}

/** One query of a batch of reads, for one slot. */
export type Query = { readonly slot: number; readonly statement: Statement }

/** A keyspace, routed: each operation goes to the shard that owns its slot, and only there takes effect. */
export type Router = {
  /**
   * Runs `statements` as one transaction in the shard of `slot`, behind the fence. One round trip.
   *
   * @throws ShardFencedError when the slot stayed frozen, or nobody owned up to it; and as {@link SqlShard.batch}.
   */
  write(slot: number, statements: readonly Statement[], call: Call): Promise<readonly Rows[]>
  /** As `write` over several slots of one shard: their rows commit together. @see {@link Router.groups} */
  writeAll(
    slots: readonly number[],
    statements: readonly Statement[],
    call: Call,
  ): Promise<readonly Rows[]>
  /**
   * Runs one SELECT in the shard that owns `slot`, checked in the same statement. One round trip.
   *
   * `statement` must name its columns; with ORDER BY it must have LIMIT.
   */
  read(slot: number, statement: Statement, call: Call): Promise<Rows>
  /** Runs queries of many slots: one round trip for each shard touched, at most five shards at a time. */
  readMany(queries: readonly Query[], call: Call): Promise<readonly Rows[]>
  /** The slots of `keys` by the shard that has them now, so that each group can be one batch. */
  groups<T>(
    items: readonly T[],
    slotOf: (item: T) => number,
    call: Call,
  ): Promise<readonly (readonly T[])[]>
  /** The name of the shard that has `slot` now, by the map. */
  shardOf(slot: number, call: Call): Promise<string>
  /** Every shard of the keyspace, for sweeps. */
  shards(call: Call): Promise<readonly SqlShard[]>
}

/** Six requests may wait for headers in a Worker; one stays free for the cache and the queue. */
const shardsAtOnce = 5

/** Asks the shard itself whether it owns the slot at the epoch and incarnation that the map believes. */
function guard({ slot, epoch, shard }: Placement): Statement {
  return {
    sql: 'INSERT INTO _guard (slot, epoch, incarnation) VALUES (?, ?, ?)',
    args: [slotText(slot), epoch, shard.incarnation],
  }
}

/**
 * Wraps a SELECT so that it says in the same row set whether the shard owns the slot: a row always comes back, with
 * the state first and a mark that tells an empty result from a row of nulls.
 */
function owned({ slot, statement }: Query): Statement {
  return {
    sql: `SELECT o.state, o.epoch, o.peer, q.* FROM (SELECT ? AS slot) s LEFT JOIN _slot_owner o ON o.slot = s.slot
LEFT JOIN (SELECT 1 AS hit, t.* FROM (${statement.sql}) t) q ON o.state IN ('serving', 'migrating', 'frozen')`,
    args: [slotText(slot), ...statement.args],
  }
}

const readable: ReadonlySet<SqlValue> = new Set(['serving', 'migrating', 'frozen'])

function unwrap(rows: Rows, query: Query, shard: string): Rows {
  const [first] = rows.rows
  const [state, epoch, peer] = first ?? []
  if (!readable.has(state ?? null)) {
    throw new ShardFencedError(shard, {
      slot: query.slot,
      epoch: Number(epoch ?? 0),
      state: state === 'importing' || state === 'handed_off' ? state : 'unknown',
      peer: typeof peer === 'string' ? peer : undefined,
    })
  }
  return {
    columns: rows.columns.slice(4),
    rows: rows.rows.filter((row) => row[3] === 1).map((row) => row.slice(4)),
    rowsAffected: 0,
  }
}

class Routed implements Router {
  readonly #options: RouterOptions
  readonly #open = new Map<string, SqlShard>()

  constructor(options: RouterOptions) {
    this.#options = options
  }

  #shard(info: ShardInfo): SqlShard {
    const key = `${info.name}|${info.url}`
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const opened = this.#options.open(info)
    this.#open.set(key, opened)
    return opened
  }

  /** Runs `attempt` on the map of now; a fence makes it wait or ask for a newer map, and try again. */
  async #fenced<T>(call: Call, attempt: (map: SlotMap) => Promise<T>): Promise<T> {
    let map = await this.#options.slots.current(call)
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt(map)
      } catch (error) {
        if (!isFault(error) || !(error instanceof ShardFencedError) || tries >= fencedTriesMax)
          throw error
        if (error.state === 'frozen') await this.#options.sleep(frozenWaitMs * tries, call)
        else if (tries > 1) await this.#options.sleep(frozenWaitMs, call)
        map = await this.#options.slots.refresh(call)
      }
    }
  }

  write(slot: number, statements: readonly Statement[], call: Call): Promise<readonly Rows[]> {
    return this.writeAll([slot], statements, call)
  }

  async writeAll(
    slots: readonly number[],
    statements: readonly Statement[],
    call: Call,
  ): Promise<readonly Rows[]> {
    const distinct = [...new Set(slots)]
    return this.#fenced(call, async (map) => {
      const placements = distinct.map((slot) => map.place(slot))
      const [first, ...others] = placements
      if (first === undefined) throw new RangeError('Cannot write: no slot was named')
      const stray = others.find((each) => each.shard.name !== first.shard.name)
      if (stray !== undefined) throw new SplitWriteError(first.slot, stray.slot)
      const guards = placements.map(guard)
      const riders = this.#options.riders?.(first.shard.name) ?? []
      const batch = [...guards, ...statements, ...riders]
      const rows = await this.#shard(first.shard).batch(batch, 'write', call)
      return rows.slice(guards.length, guards.length + statements.length)
    })
  }

  async read(slot: number, statement: Statement, call: Call): Promise<Rows> {
    const [rows] = await this.readMany([{ slot, statement }], call)
    if (rows === undefined) throw new Error('Cannot read: the shard gave no rows for the statement')
    return rows
  }

  async readMany(queries: readonly Query[], call: Call): Promise<readonly Rows[]> {
    return this.#fenced(call, async (map) => {
      const results: Rows[] = []
      const byShard = Map.groupBy(
        queries.keys(),
        (index) => map.place(queries[index]?.slot ?? 0).shard,
      )
      const groups = [...byShard].map(([info, indexes]) => ({ shard: this.#shard(info), indexes }))
      await inWaves(groups, async ({ shard, indexes }) => {
        const asked = indexes.flatMap((index) => queries[index] ?? [])
        const mode: BatchMode = 'read'
        const answers = await shard.batch(asked.map(owned), mode, call)
        for (const [position, index] of indexes.entries()) {
          const query = queries[index]
          const rows = answers[position]
          if (query !== undefined && rows !== undefined)
            results[index] = unwrap(rows, query, shard.name)
        }
      })
      return results
    })
  }

  async groups<T>(
    items: readonly T[],
    slotOf: (item: T) => number,
    call: Call,
  ): Promise<readonly (readonly T[])[]> {
    const map = await this.#options.slots.current(call)
    return [...Map.groupBy(items, (item) => map.place(slotOf(item)).shard.name).values()]
  }

  async shardOf(slot: number, call: Call): Promise<string> {
    const map = await this.#options.slots.current(call)
    return map.place(slot).shard.name
  }

  async shards(call: Call): Promise<readonly SqlShard[]> {
    const map = await this.#options.slots.current(call)
    return map.shards.map((info) => this.#shard(info))
  }
}

/** A write was to span two shards, because the map changed after its rows were grouped: group them anew. */
export class SplitWriteError extends Fault {
  override readonly name = 'SplitWriteError'
  override readonly code = 'split_write'
  override readonly kind = 'unavailable'
  override readonly retryable = true
  constructor(one: number, other: number) {
    super(`Cannot write slots ${one} and ${other} in one batch: they are in different shards`)
  }
}

/** Runs `work` on all items, at most five at a time; the first failure is thrown. */
export async function inWaves<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += shardsAtOnce) {
    await Promise.all(items.slice(start, start + shardsAtOnce).map(work))
  }
}

/** A router over one keyspace. */
export function createRouter(options: RouterOptions): Router {
  return new Routed(options)
}
