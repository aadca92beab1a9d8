import {
  type BatchMode,
  type Call,
  Fault,
  isFault,
  keyText,
  type RouteKey,
  type Rows,
  ShardFencedError,
  slotOfKey,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

import { auditStatements } from './audit.ts'
import { readableStates } from './ownership.ts'
import { type Scattered, scatterOver, type ScatterQuery } from './scatter.ts'
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
  /** Refuses statements that bind no value of the key they are routed by: for development and tests. */
  readonly audit?: boolean
  /** Statements that ride at the end of the next write to a shard, for free; lost when that batch fails. */
  riders?(shard: string): readonly Statement[]
}

/** One query of a batch of reads, for the rows of one key. */
export type Query = { readonly key: RouteKey; readonly statement: Statement }

/**
 * A keyspace, routed: each operation goes to the shard that owns its key, and only there takes effect. Give the key of
 * the rows (an owner's prefix, an id) where there is one: a bare slot does not see that a part of it lives elsewhere.
 */
export type Router = {
  /**
   * Runs `statements` as one transaction in the shard of `key`, behind the fence. One round trip.
   *
   * @throws ShardFencedError when the key stayed frozen, or nobody owned up to it; and as {@link SqlShard.batch}.
   */
  write(key: RouteKey, statements: readonly Statement[], call: Call): Promise<readonly Rows[]>
  /** As `write` over several keys of one shard: their rows commit together. @see {@link Router.groups} */
  writeAll(
    keys: readonly RouteKey[],
    statements: readonly Statement[],
    call: Call,
  ): Promise<readonly Rows[]>
  /**
   * Runs one SELECT in the shard that owns `key`, checked in the same statement. One round trip.
   *
   * `statement` must name its columns; with ORDER BY it must have LIMIT.
   */
  read(key: RouteKey, statement: Statement, call: Call): Promise<Rows>
  /** Runs queries of many keys: one round trip for each shard touched, at most five shards at a time. */
  readMany(queries: readonly Query[], call: Call): Promise<readonly Rows[]>
  /**
   * Runs a query over the keys `from <= key < to` of one slot, which may be spread over several shards: `select` is
   * asked for the part that each serves. The rows come in key order of the parts; merge them by what they are ordered
   * by. One round trip for each shard touched, at most five at a time.
   */
  readRange(
    range: { readonly from: string; readonly to: string },
    select: (part: { readonly from: string; readonly to: string }) => Statement,
    call: Call,
  ): Promise<readonly Rows[]>
  /**
   * Asks every shard of the keyspace, and merges. Exact while slots move: a shard that serves other keys than the map
   * says is asked again by a newer map. One round trip for each shard, at most five at a time.
   *
   * @throws ShardFencedError when the shards and the map would not agree; and as {@link SqlShard.batch}.
   */
  scatter(query: ScatterQuery, call: Call): Promise<Scattered>
  /** `items` by the shard that has their keys now, so that each group can be one batch. */
  groups<T>(
    items: readonly T[],
    keyOf: (item: T) => RouteKey,
    call: Call,
  ): Promise<readonly (readonly T[])[]>
  /** The name of the shard that has `key` now, by the map. */
  shardOf(key: RouteKey, call: Call): Promise<string>
  /** Every shard of the keyspace, for sweeps. */
  shards(call: Call): Promise<readonly SqlShard[]>
}

/** Six requests may wait for headers in a Worker; one stays free for the cache and the queue. */
const shardsAtOnce = 5

/** Asks the shard itself whether it owns the keys at the epochs and incarnation that the map believes. */
function guard(placements: readonly Placement[], { incarnation }: ShardInfo): Statement {
  const keys = placements.map(({ key, epoch }) => [keyText(key), epoch])
  return {
    sql: 'INSERT INTO _guard (key, epoch, incarnation) SELECT value ->> 0, value ->> 1, ? FROM json_each(?)',
    args: [incarnation, JSON.stringify(keys)],
  }
}

/** A query over the keys from `key` to `to`. */
type RangeQuery = Query & { readonly to?: string }

const pieceOfKey = 'lo >= ? AND lo <= ? AND ? < hi'
/** A part that is not this shard's comes before the piece in which the range begins: it begins later. */
const pieceOfRange = `lo >= ? AND lo < ? AND ? < hi AND (lo <= ? OR state NOT IN ${readableStates})`

/**
 * Wraps a SELECT so that it says in the same row set whether the shard owns the key: a row always comes back, with
 * the state first and a mark that tells an empty result from a row of nulls.
 */
function owned({ key, to, statement }: RangeQuery): Statement {
  const from = keyText(key)
  const slot = from.slice(0, 3)
  return {
    sql: `SELECT o.state, o.epoch, o.peer, q.* FROM (SELECT 1) LEFT JOIN (SELECT state, epoch, peer FROM _slot_owner
WHERE ${to === undefined ? pieceOfKey : pieceOfRange} ORDER BY lo DESC LIMIT 1) o
LEFT JOIN (SELECT 1 AS hit, t.* FROM (${statement.sql}) t) q ON o.state IN ${readableStates}`,
    args: [slot, ...(to === undefined ? [from, from] : [to, from, from]), ...statement.args],
  }
}

const readable: ReadonlySet<SqlValue> = new Set(['serving', 'migrating', 'frozen'])

function unwrap(rows: Rows, query: Query, shard: string): Rows {
  const [first] = rows.rows
  const [state, epoch, peer] = first ?? []
  if (!readable.has(state ?? null)) {
    throw new ShardFencedError(shard, {
      slot: slotOfKey(query.key),
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

  write(key: RouteKey, statements: readonly Statement[], call: Call): Promise<readonly Rows[]> {
    return this.writeAll([key], statements, call)
  }

  async writeAll(
    keys: readonly RouteKey[],
    statements: readonly Statement[],
    call: Call,
  ): Promise<readonly Rows[]> {
    const distinct = [...new Set(keys)]
    if (this.#options.audit === true) auditStatements(distinct, statements)
    return this.#fenced(call, async (map) => {
      const placements = distinct.map((key) => map.place(key))
      const [first, ...others] = placements
      if (first === undefined) throw new RangeError('Cannot write: no key was named')
      const stray = others.find((each) => each.shard.name !== first.shard.name)
      if (stray !== undefined) throw new SplitWriteError(first.key, stray.key)
      const riders = this.#options.riders?.(first.shard.name) ?? []
      const batch = [guard(placements, first.shard), ...statements, ...riders]
      const rows = await this.#shard(first.shard).batch(batch, 'write', call)
      return rows.slice(1, 1 + statements.length)
    })
  }

  async read(key: RouteKey, statement: Statement, call: Call): Promise<Rows> {
    const [rows] = await this.readMany([{ key, statement }], call)
    if (rows === undefined) throw new Error('Cannot read: the shard gave no rows for the statement')
    return rows
  }

  async readMany(queries: readonly Query[], call: Call): Promise<readonly Rows[]> {
    if (this.#options.audit === true)
      for (const { key, statement } of queries) auditStatements([key], [statement])
    return this.#fenced(call, (map) => this.#ask(queries, map, call))
  }

  async #ask(queries: readonly RangeQuery[], map: SlotMap, call: Call): Promise<readonly Rows[]> {
    const results: Rows[] = []
    const byShard = Map.groupBy(
      queries.keys(),
      (index) => map.place(queries[index]?.key ?? 0).shard,
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
  }

  async readRange(
    { from, to }: { readonly from: string; readonly to: string },
    select: (part: { readonly from: string; readonly to: string }) => Statement,
    call: Call,
  ): Promise<readonly Rows[]> {
    return this.#fenced(call, (map) => {
      const parts = map.pieces(from, to)
      const queries = parts.map((part) => ({
        key: part.from,
        to: part.to,
        statement: select(part),
      }))
      return this.#ask(queries, map, call)
    })
  }

  scatter(query: ScatterQuery, call: Call): Promise<Scattered> {
    const open = (info: ShardInfo) => this.#shard(info)
    return this.#fenced(call, (map) => scatterOver(query, { map, open, inWaves }, call))
  }

  async groups<T>(
    items: readonly T[],
    keyOf: (item: T) => RouteKey,
    call: Call,
  ): Promise<readonly (readonly T[])[]> {
    const map = await this.#options.slots.current(call)
    return [...Map.groupBy(items, (item) => map.place(keyOf(item)).shard.name).values()]
  }

  async shardOf(key: RouteKey, call: Call): Promise<string> {
    const map = await this.#options.slots.current(call)
    return map.place(key).shard.name
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
  constructor(one: RouteKey, other: RouteKey) {
    super(
      `Cannot write keys ${keyText(one)} and ${keyText(other)} in one batch: they are in different shards`,
    )
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
