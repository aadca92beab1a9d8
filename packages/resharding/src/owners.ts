import { slotRange, slotText } from '@stoa/kernel'

import { MoveConflictError } from './faults.ts'
import type { Condition } from './gate.ts'
import type { Hole, MoveScope, Span } from './job.ts'
import { intervalsOf } from './spans.ts'

/** A row of `_slot_owner`. */
export type OwnerRow = Span & {
  readonly epoch: number
  readonly state: string
  readonly peer: string | null
  readonly job: string | null
}

function listOf(where: string): string {
  return `(SELECT json_group_array(json_array(lo, hi, epoch, state, peer, job))
FROM (SELECT * FROM _slot_owner WHERE ${where} ORDER BY lo))`
}

/** All pieces of a database that touch the scope, as one JSON text: to plan on, and to compare with. */
export function ownersIn(scope: MoveScope): Condition {
  if (scope.kind === 'slots') {
    const slots = JSON.stringify(scope.slots.map(slotText))
    return { sql: listOf('substr(lo, 1, 3) IN (SELECT value FROM json_each(?))'), args: [slots] }
  }
  // A piece lies in one slot, so nothing before the slot's own text can hold the range.
  const slot = scope.lo.slice(0, 3)
  return { sql: listOf('lo >= ? AND lo < ? AND hi > ?'), args: [slot, scope.hi, scope.lo] }
}

/** Reads what {@link ownersIn} gave. */
export function parseOwners(text: string): readonly OwnerRow[] {
  const rows = JSON.parse(text) as readonly (readonly [
    string,
    string,
    number,
    string,
    string,
    string,
  ])[]
  return rows.map(([lo, hi, epoch, state, peer, job]) => ({ lo, hi, epoch, state, peer, job }))
}

/** How the pieces of both databases lie in the scope, and what of them changes hands. */
export type Arrangement = {
  readonly pieces: readonly Span[]
  readonly holes: readonly Hole[]
  /** Pieces, by where they begin, that the target forgets. */
  readonly leftovers: readonly string[]
  readonly intervals: readonly Span[]
  readonly isSplit: boolean
  readonly isHome: boolean
  readonly epoch: number
}

type Plan = {
  readonly id: string
  readonly scope: MoveScope
  readonly source: string
  readonly target: string
  readonly sourceOwners: string
  readonly targetOwners: string
}

function isWithin(inner: Span, outer: Span): boolean {
  return outer.lo <= inner.lo && inner.hi <= outer.hi
}

/** The whole pieces that the scope names. */
function spansOf(scope: MoveScope): readonly Span[] {
  if (scope.kind === 'range') return [{ lo: scope.lo, hi: scope.hi }]
  return scope.slots.map((slot) => {
    const { from, to } = slotRange(slot)
    return { lo: from, hi: to }
  })
}

function isFree(row: OwnerRow): boolean {
  return row.state === 'serving' && row.job === null
}

function describe({ lo, hi, state, job }: OwnerRow): string {
  return `"${lo}" to "${hi}" is ${state}${job === null ? '' : ` by "${job}"`}`
}

type Refuse = (shard: 'source' | 'target', why: string) => MoveConflictError

/** The range, when the scope is one: pieces may lie in it or around it, but not begin where it does, nor cross it. */
function checkBorders(whole: Span, rows: readonly OwnerRow[]): OwnerRow | undefined {
  return rows.find((row) => !isWithin(row, whole) && (!isWithin(whole, row) || row.lo === whole.lo))
}

/** What of the source changes hands, and what in it is elsewhere already. */
function sortOut(rows: readonly OwnerRow[], refuse: Refuse): Pick<Arrangement, 'pieces' | 'holes'> {
  const pieces: Span[] = []
  const holes: Hole[] = []
  for (const row of rows) {
    const { lo, hi, epoch, peer } = row
    if (isFree(row)) pieces.push({ lo, hi })
    else if (row.state === 'handed_off' && peer !== null) holes.push({ lo, hi, epoch, peer })
    else throw refuse('source', describe(row))
  }
  return { pieces, holes }
}

/** What the target knows of keys that come, from when it gave them away once: it must forget that. */
function leftoversOf(
  rows: readonly OwnerRow[],
  { pieces, holes }: Pick<Arrangement, 'pieces' | 'holes'>,
  refuse: Refuse,
): readonly string[] {
  const spans = [
    ...pieces.map(({ lo, hi }) => ({ lo, hi, comes: true })),
    ...holes.map(({ lo, hi }) => ({ lo, hi, comes: false })),
  ].toSorted((one, other) => (one.lo < other.lo ? -1 : 1))
  const bySlot = Map.groupBy(spans, ({ lo }) => lo.slice(0, 3))
  const coming = rows.filter(
    (row) => bySlot.get(row.lo.slice(0, 3))?.findLast((span) => isWithin(row, span))?.comes,
  )
  const busy = coming.find((row) => row.state !== 'handed_off' || row.job !== null)
  if (busy !== undefined) throw refuse('target', describe(busy))
  return coming.map(({ lo }) => lo)
}

/**
 * What a move of the scope takes along.
 *
 * @throws MoveConflictError when the source does not serve all of it, another move is at work in it, or its borders
 *   cross those of a piece.
 */
export function arrange(plan: Plan): Arrangement {
  const { scope } = plan
  const refuse: Refuse = (shard, why) => new MoveConflictError(plan.id, plan[shard], why)
  const sourceRows = parseOwners(plan.sourceOwners)
  const targetRows = parseOwners(plan.targetOwners)
  const wanted = spansOf(scope)
  const whole = scope.kind === 'range' ? wanted[0] : undefined
  for (const [shard, rows] of [
    ['source', sourceRows],
    ['target', targetRows],
  ] as const) {
    const crossed = whole === undefined ? undefined : checkBorders(whole, rows)
    if (crossed !== undefined) throw refuse(shard, `it crosses a piece: ${describe(crossed)}`)
  }
  const isInside = (row: OwnerRow) => whole === undefined || isWithin(row, whole)
  const { pieces, holes } = sortOut(sourceRows.filter(isInside), refuse)
  const isSplit = whole !== undefined && !sourceRows.some((row) => row.lo === whole.lo)
  const around = (rows: readonly OwnerRow[]) =>
    whole === undefined ? undefined : rows.findLast((row) => !isInside(row))
  const outer = isSplit ? around(sourceRows) : undefined
  if (outer !== undefined && !isFree(outer)) throw refuse('source', describe(outer))
  const taken = outer === undefined || whole === undefined ? pieces : [whole, ...pieces]
  const served = new Set(taken.map(({ lo, hi }) => `${lo} ${hi}`))
  const absent = wanted.find(({ lo, hi }) => !served.has(`${lo} ${hi}`))
  if (absent !== undefined)
    throw refuse('source', `"${absent.lo}" to "${absent.hi}" is not served; look at the topology`)
  const astray = holes.find(
    ({ peer, lo }) => peer === plan.target && !targetRows.some((row) => row.lo === lo),
  )
  if (astray !== undefined) throw refuse('target', `"${astray.lo}" is unknown, which it is to own`)
  const home = around(targetRows)
  return {
    pieces: taken,
    holes,
    leftovers: leftoversOf(targetRows.filter(isInside), { pieces: taken, holes }, refuse),
    intervals: intervalsOf(taken, holes),
    isSplit,
    isHome: home !== undefined && isFree(home),
    epoch: [...sourceRows, ...targetRows].reduce((most, { epoch }) => Math.max(most, epoch), 0) + 1,
  }
}
