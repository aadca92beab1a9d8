import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'

import type { ShardInfo, SlotMap } from '../topology.ts'

/** Statements that a router made, with what the map that it went by said. */
type Routed = { readonly statements: readonly Statement[]; readonly version: number }

export type RoutedWrite = Routed & {
  /** The shards that were asked for this write so far, by name; those that did not own the keys, too. */
  readonly visited: ReadonlySet<string>
}

export type RoutedRead = Routed & {
  /** The epoch of the piece that each statement asks for. */
  readonly epochs: readonly number[]
}

/** The way of a router's reads and writes to a shard. */
export type Lane = {
  /** Whether `map` is too old to go by; asked once before each operation. */
  wantsNewer(this: void, map: SlotMap): boolean
  read(this: void, shard: ShardInfo, read: RoutedRead, call: Call): Promise<readonly Rows[]>
  write(this: void, shard: ShardInfo, write: RoutedWrite, call: Call): Promise<readonly Rows[]>
}

/** Everything goes to the primary. */
export function primaryLane(open: (info: ShardInfo) => SqlShard): Lane {
  return {
    wantsNewer: () => false,
    read: (info, { statements }, call) => open(info).batch(statements, 'read', call),
    write: (info, { statements }, call) => open(info).batch(statements, 'write', call),
  }
}
