import type { Call, SqlShard } from '@stoa/kernel'
import type { Topology } from '@stoa/sharding'

import type { Move, MoveProgress } from './job.ts'
import type { MoveLimits, MoverOptions } from './options.ts'
import type { Safeguards } from './safeguards.ts'
import type { Table } from './tables.ts'

/** All that one `advance` works with. */
export type Context = {
  readonly move: Move
  readonly topology: Topology
  readonly source: SqlShard
  readonly target: SqlShard
  readonly tables: readonly Table[]
  readonly options: MoverOptions
  readonly limits: MoveLimits
  readonly safeguards: Safeguards
  /** Waits until so many more rows may be handled. */
  pace(rows: number): Promise<void>
  readonly call: Call
}

/** A direction: whose changes are replayed in whom, and what the copy becomes when it takes over. */
export type Flow = {
  readonly owner: SqlShard
  readonly ownerSide: 'source' | 'target'
  readonly copy: SqlShard
  /** The epoch at which the copy will serve. */
  readonly epoch: number
  /** Whether the old owner is to follow the new one. */
  readonly hold: boolean
}

export function forward({ source, target, move }: Context): Flow {
  const { epoch, hold } = move.spec
  return { owner: source, ownerSide: 'source', copy: target, epoch, hold }
}

export function backward({ source, target, move }: Context): Flow {
  return {
    owner: target,
    ownerSide: 'target',
    copy: source,
    epoch: move.spec.epoch + 1,
    hold: false,
  }
}

export function report(
  { move, options }: Context,
  event: Omit<MoveProgress, 'move' | 'phase' | 'at'>,
): void {
  options.progress?.({ move: move.id, phase: move.phase, at: options.clock.now(), ...event })
}
