import {
  type Call,
  Fault,
  type Rows,
  ShardFencedError,
  slotCount,
  slotRange,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'

import { mergeRows, type OrderBy } from './merge.ts'
import { ownerOf, readableStates } from './ownership.ts'
import type { ShardInfo, SlotMap } from './topology.ts'

/** A query that every shard of a keyspace is asked, because no key says where its rows are. */
export type ScatterQuery = {
  /**
   * The SELECT for one shard, with ORDER BY and LIMIT; it must name its columns. `isOwned` makes the condition that
   * keeps out rows which another shard serves: put it in WHERE, with the table's key column.
   */
  readonly select: (isOwned: (keyColumn: string) => string) => Statement
  /** What the SELECT orders by, with a column that is unique: pages are then exact. */
  readonly order: readonly OrderBy[]
  readonly limit: number
  /** A shard that cannot be asked fails all, or is left out and named. */
  readonly unreachable: 'fail' | 'skip'
}

export type Scattered = {
  readonly rows: Rows
  /** Shards that could not be asked, by name; empty when the answer is whole. */
  readonly missing: readonly string[]
}

/** What a shard must own for the map to be right about it. */
type Share = {
  readonly shard: ShardInfo
  /** Parts of the key space, ascending, without the holes that others serve. */
  readonly parts: readonly (readonly [lo: string, hi: string])[]
  /** Where its pieces begin that must be there: slots and overrides. */
  readonly slots: number
  readonly overrides: readonly string[]
}

const known = new WeakMap<SlotMap, readonly Share[]>()

/** Whose rows of every part of the key space are read where. One pass over all slots, once for each map. */
function sharesOf(map: SlotMap): readonly Share[] {
  const shares = known.get(map) ?? computeShares(map)
  known.set(map, shares)
  return shares
}

function computeShares(map: SlotMap): readonly Share[] {
  const shares = new Map(
    map.shards.map((shard) => [
      shard.name,
      { shard, parts: [] as [string, string][], slots: 0, overrides: [] as string[] },
    ]),
  )
  for (let slot = 0; slot < slotCount; slot += 1) {
    const { from, to } = slotRange(slot)
    for (const piece of map.pieces(from, to)) {
      const share = shares.get(piece.place.shard.name)
      if (share === undefined) continue
      if (piece.from === from) share.slots += 1
      else if (map.begins(piece.from)) share.overrides.push(piece.from)
      const open = share.parts.at(-1)
      if (open !== undefined && open[1] === piece.from) open[1] = piece.to
      else share.parts.push([piece.from, piece.to])
    }
  }
  return [...shares.values()]
}

/**
 * Counts what tells whether the shard serves just what the map says: nothing outside of its parts, all within, and
 * none of them elsewhere. Then pages of several shards fit together, however slots move between two of them.
 */
function agreement({ parts, overrides }: Share): Statement {
  return {
    sql: `SELECT (SELECT count(*) FROM _slot_owner WHERE state IN ${readableStates}) AS readable,
  count(*) FILTER (WHERE o.state IN ${readableStates}) AS inside,
  count(*) FILTER (WHERE o.state NOT IN ${readableStates}) AS elsewhere,
  count(*) FILTER (WHERE o.state IN ${readableStates} AND length(o.lo) = 3) AS slots,
  count(*) FILTER (WHERE o.state IN ${readableStates} AND o.lo IN (SELECT value FROM json_each(?))) AS overrides
FROM json_each(?) AS part CROSS JOIN _slot_owner AS o ON o.lo >= part.value ->> 0 AND o.lo < part.value ->> 1`,
    args: [JSON.stringify(overrides), JSON.stringify(parts)],
  }
}

function checkAgreement(share: Share, rows: Rows | undefined): void {
  const [readable = 0, inside = 0, elsewhere = 0, slots = 0, overrides = 0] = (
    rows?.rows[0] ?? []
  ).map(Number)
  const agrees =
    readable === inside &&
    elsewhere === 0 &&
    slots === share.slots &&
    overrides === share.overrides.length
  if (agrees) return
  const fence = { key: '000', slot: 0, epoch: 0, state: 'unknown' as const, peer: undefined }
  throw new ShardFencedError(share.shard.name, fence)
}

const isOwned = (keyColumn: string): string => `${ownerOf(keyColumn, 'state')} IN ${readableStates}`

/** Asks all shards of `map`; the caller tries again on a newer map when a fence says that it is old. */
export async function scatterOver(
  query: ScatterQuery,
  {
    map,
    open,
    inWaves,
  }: {
    readonly map: SlotMap
    readonly open: (shard: ShardInfo) => SqlShard
    readonly inWaves: <T>(items: readonly T[], work: (item: T) => Promise<void>) => Promise<void>
  },
  call: Call,
): Promise<Scattered> {
  const statement = query.select(isOwned)
  const sets = new Map<string, Rows>()
  const missing: string[] = []
  const shares = sharesOf(map)
  await inWaves(shares, async (share) => {
    const shard = open(share.shard)
    try {
      const [agreed, rows] = await shard.batch([agreement(share), statement], 'read', call)
      checkAgreement(share, agreed)
      if (rows !== undefined) sets.set(shard.name, rows)
    } catch (error) {
      const isOut = error instanceof Fault && error.kind === 'unavailable'
      if (!isOut || error instanceof ShardFencedError || query.unreachable === 'fail') throw error
      missing.push(shard.name)
    }
  })
  const ordered = shares.flatMap(({ shard }) => sets.get(shard.name) ?? [])
  return { rows: mergeRows(ordered, query), missing: missing.toSorted() }
}
