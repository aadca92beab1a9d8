import {
  type Call,
  Fault,
  keyText,
  type Random,
  type RouteKey,
  type Rows,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'

import { auditStatements } from './audit.ts'
import { type FencedOptions, whenOwned } from './fenced.ts'
import { guard, owned, type RangeQuery, unwrap } from './owned.ts'
import { type Lane, primaryLane } from './replicas/lane.ts'
import { createReplicaPool, type ReplicaOptions, type ReplicaPool } from './replicas/pool.ts'
import { type Session, type SessionOptions, sessionLane } from './replicas/session.ts'
import { type Scattered, scatterOver, type ScatterQuery } from './scatter.ts'
import type { ShardInfo, SlotMap } from './topology.ts'

export type Slots = {
  /** The slot map; no promise of it when it is in memory, for that costs each read. */
  current(call: Call): SlotMap | Promise<SlotMap>
  /** Reads it anew: the fence has just proved the cached one old. */
  refresh(call: Call): Promise<SlotMap>
}

export type RouterOptions = {
  readonly slots: Slots
  /** A client of a shard; called once for each and kept. */
  open(shard: ShardInfo): SqlShard
  /** Waits; a test owns the time. */
  readonly sleep: (ms: number, call: Call) => Promise<void>
  /** Spreads the waits of many callers. Default: none, for a life that is to be the same again. */
  readonly random?: Random
  /** Refuses statements that bind no value of the key they are routed by: for development and tests. */
  readonly audit?: boolean
  /** Statements that ride at the end of the next write to a shard, for free; lost when that batch fails. */
  riders?(shard: string): readonly Statement[]
  /** Lets sessions read at the replicas that the topology names. Default: every read goes to a primary. */
  readonly replicas?: ReplicaOptions
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
  /**
   * The same keyspace for one session, as a request or a visitor: its `read`, `readMany` and `readRange` may be answered
   * by replicas that are new enough, and see what the session has written. Costs nothing.
   *
   * @throws RangeError when `maxStaleMs` is not from 0 to 60,000.
   */
  session(options?: SessionOptions): Session
}

/** Six requests may wait for headers in a Worker; one stays free for the cache and the queue. */
const shardsAtOnce = 5

/** Clients of databases, one each. */
function opener(options: RouterOptions): (info: ShardInfo) => SqlShard {
  const opened = new Map<string, SqlShard>()
  // Each read asks: the same description again is found without its names being put together.
  const described = new WeakMap<ShardInfo, SqlShard>()
  return (info) => {
    const known = described.get(info)
    if (known !== undefined) return known
    const key = `${info.name}|${info.url}`
    const shard = opened.get(key) ?? options.open(info)
    opened.set(key, shard)
    described.set(info, shard)
    return shard
  }
}

/** What a router and its sessions share. */
type Shared = {
  readonly options: RouterOptions
  readonly open: (info: ShardInfo) => SqlShard
  readonly pool: ReplicaPool | undefined
}

class Routed implements Router {
  readonly #shared: Shared
  readonly #options: RouterOptions
  readonly #lane: Lane
  readonly #fencing: FencedOptions

  constructor(shared: Shared, lane: Lane) {
    const { slots, sleep, random } = shared.options
    this.#shared = shared
    this.#options = shared.options
    this.#lane = lane
    this.#fencing = {
      current: (call) => {
        const newest = (map: SlotMap) => (lane.wantsNewer(map) ? slots.refresh(call) : map)
        const map = slots.current(call)
        return map instanceof Promise ? map.then(newest) : newest(map)
      },
      refresh: (call) => slots.refresh(call),
      sleep,
      ...(random === undefined ? {} : { random }),
    }
  }

  #shard(info: ShardInfo): SqlShard {
    return this.#shared.open(info)
  }

  session(options: SessionOptions = {}): Session {
    const { open, pool } = this.#shared
    const { lane, token } = sessionLane(options, { open, pool })
    return { router: new Routed(this.#shared, lane), token }
  }

  #fenced<T>(call: Call, attempt: (map: SlotMap) => Promise<T>): Promise<T> {
    return whenOwned(this.#fencing, attempt, call)
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
    const visited = new Set<string>()
    return this.#fenced(call, async (map) => {
      const placements = distinct.map((key) => map.place(key))
      const [first, ...others] = placements
      if (first === undefined) throw new RangeError('Cannot write: no key was named')
      const stray = others.find((each) => each.shard.name !== first.shard.name)
      if (stray !== undefined) throw new SplitWriteError(first.key, stray.key)
      const riders = this.#options.riders?.(first.shard.name) ?? []
      const batch = [guard(placements, first.shard), ...statements, ...riders]
      visited.add(first.shard.name)
      const write = { statements: batch, version: map.version, visited }
      const rows = await this.#lane.write(first.shard, write, call)
      return rows.slice(1, 1 + statements.length)
    })
  }

  read(key: RouteKey, statement: Statement, call: Call): Promise<Rows> {
    const query = { key, statement }
    return this.#fenced(call, async (map) => {
      if (this.#options.audit === true) auditStatements([key], [statement])
      const statements = [owned(query)]
      const { shard, epoch } = map.place(key)
      const read = { statements, epochs: [epoch], version: map.version }
      const [rows] = await this.#lane.read(shard, read, call)
      if (rows === undefined)
        throw new Error('Cannot read: the shard gave no rows for the statement')
      return unwrap(rows, query, shard.name)
    })
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
    const { version } = map
    await inWaves([...byShard], async ([shard, indexes]) => {
      const asked = indexes.flatMap((index) => queries[index] ?? [])
      const epochs = asked.map(({ key }) => map.place(key).epoch)
      const read = { statements: asked.map(owned), epochs, version }
      const answers = await this.#lane.read(shard, read, call)
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
  const open = opener(options)
  const pool =
    options.replicas === undefined ? undefined : createReplicaPool(options.replicas, open)
  return new Routed({ options, open, pool }, primaryLane(open))
}
