import type { TableShape } from '@stoa/sharding'

/** What moves: whole slots, or the keys `lo <= key < hi` of one slot (an owner's prefix, or a part of one owner). */
export type MoveScope =
  | { readonly kind: 'slots'; readonly slots: readonly number[] }
  | { readonly kind: 'range'; readonly lo: string; readonly hi: string }

/** A move from one database of a keyspace to another, as it is asked for. */
export type MoveRequest = {
  /** Chosen by the caller, so that asking twice starts one move: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
  readonly id: string
  readonly keyspace: string
  readonly scope: MoveScope
  /** Names of databases in the topology. */
  readonly source: string
  readonly target: string
  /** Every sharded table of the keyspace, the shared ones among them: a table that is not named stays behind. */
  readonly shapes: readonly TableShape[]
  /**
   * After the hand-over the target captures its writes and the source follows them, until `complete`; meanwhile
   * `reverse` hands back without another copy. Default: false, the source is cleaned at once.
   */
  readonly hold?: boolean
}

/**
 * How far a move is. Until `cutover` it can be aborted; in that phase the source decides. At `holding` it rests until it
 * is completed (`cleaning`) or reversed (`reversing`, `withdrawing`); `done`, `aborted` and `reversed` end it.
 */
export type MovePhase =
  | 'planned'
  | 'copying'
  | 'checking'
  | 'cutover'
  | 'holding'
  | 'cleaning'
  | 'done'
  | 'aborting'
  | 'aborted'
  | 'reversing'
  | 'withdrawing'
  | 'reversed'

/** Keys `lo <= key < hi`. */
export type Span = { readonly lo: string; readonly hi: string }

/** A part of the scope that another database owns, and goes on to. */
export type Hole = Span & { readonly epoch: number; readonly peer: string }

/** All that a coordinator needs to go on with a move, as it was fixed when the move was started. */
export type MoveSpec = {
  readonly scope: MoveScope
  readonly source: string
  readonly target: string
  readonly shapes: readonly TableShape[]
  readonly hold: boolean
  /** What changes hands: rows of `_slot_owner`. Of a range that was no piece of its own, one that is split off. */
  readonly pieces: readonly Span[]
  readonly holes: readonly Hole[]
  /** Pieces, by where they begin, that the target gave away once and now forgets. */
  readonly leftovers: readonly string[]
  /** Where the rows are: the pieces without the holes, joined where they touch. */
  readonly intervals: readonly Span[]
  /** Whether the source splits the range off the piece that holds it. */
  readonly isSplit: boolean
  /** Whether the range comes back into a piece that the target serves, and can be dissolved in it. */
  readonly isHome: boolean
  /** `_slot_owner` of both databases within the scope, as JSON: the move begins only while they are so. */
  readonly sourceOwners: string
  readonly targetOwners: string
  /** The columns that are copied, by table. */
  readonly columns: Readonly<Record<string, readonly string[]>>
  /** All columns and capture triggers, as one text: both databases must have these until the end. */
  readonly schema: string
  /** Higher than any epoch in the scope: the one at which the target serves. After a reversal it is one more. */
  readonly epoch: number
  /** Where the capture of each database stood before the move. */
  readonly sourceSeq: number
  readonly targetSeq: number
  readonly sourceIncarnation: string
  readonly targetIncarnation: string
  /** Rows in the scope when it was planned, by table. */
  readonly rows: Readonly<Record<string, number>>
}

/** A move as the row `reshard_job` of `meta` says: what to do next. What has happened the two databases say. */
export type Move = {
  readonly id: string
  readonly keyspace: string
  readonly phase: MovePhase
  readonly spec: MoveSpec
  /** One more with each change: coordinators compare and set it. */
  readonly version: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly updatedAt: number
  /** Why it was aborted or went back, for people. */
  readonly note: string | undefined
}

/** What a move would do, found by asking both databases. Nothing was changed. */
export type MovePlan = {
  readonly spec: MoveSpec
  /** Rows to copy. */
  readonly rows: number
  /** Row writes that a provider bills, indexes left out: a row is inserted at the target and deleted at the source. */
  readonly writes: number
}

/** What has just happened. Rates and the time that is left follow from several of these. */
export type MoveProgress = {
  readonly move: string
  readonly phase: MovePhase
  /** Milliseconds since 1970. */
  readonly at: number
  /** Rows copied, compared or cleaned since the last event. */
  readonly copied?: number
  readonly compared?: number
  readonly cleaned?: number
  /** Changes captured at the owner and not yet replayed in the copy. */
  readonly lag?: number
  /** How long writes waited, in milliseconds: from just before the freeze until the new owner served. */
  readonly pauseMs?: number
}

/** A row that is not the same in both databases. */
export type Difference = {
  readonly table: string
  /** The primary key, as a JSON array; bytes in it as hexadecimal digits. */
  readonly key: string
  readonly how: 'missing' | 'extra' | 'changed'
}

/** The outcome of comparing both copies row by row. */
export type Verification = {
  readonly compared: number
  readonly differences: readonly Difference[]
}

/** True when a move has ended, in whatever way. */
export function isOver({ phase }: Pick<Move, 'phase'>): boolean {
  return phase === 'done' || phase === 'aborted' || phase === 'reversed'
}

/** True when nothing happens until somebody decides: a move has ended, or holds. */
export function isAtRest(move: Pick<Move, 'phase'>): boolean {
  return move.phase === 'holding' || isOver(move)
}
