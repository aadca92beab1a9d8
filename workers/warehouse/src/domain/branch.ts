import { type Call, Fault } from '@stoa/kernel'
import type { BranchOp, Outcome, Verdict } from '@stoa/transactions'

import { afterCell, entryOf } from './cell.ts'
import type { AskedCell } from './change.ts'
import { derivedId, reservationId } from './derived-id.ts'
import type { StockStore } from './ports.ts'
import { CellsMovedError } from './stock.ts'

export type StockOp = Extract<BranchOp, 'try' | 'confirm' | 'cancel'>

/** What an order wants of a product, as a branch of its saga. */
export type StockBranch = {
  readonly gid: string
  readonly branch: string
  readonly op: StockOp
  readonly order: string
  readonly product: string
  readonly quantity: number
}

/** A branch as one database is asked: its first cell decides for all of them, once for the order. */
export type AskedBranch = StockBranch & {
  /** Where the branch begins, and its barrier lies. */
  readonly isEntry: boolean
  /** Cells of one database, in the order of preference. */
  readonly cells: readonly [AskedCell, ...AskedCell[]]
  /** The cell that is asked when none of these has enough. */
  readonly next: string | undefined
}

/** What became of the order's wish at a cell. `next` is where a refused one went on. */
export type Reservation = {
  readonly state: 'reserved' | 'refused' | 'released'
  readonly next: string | undefined
}

/** What one database says: the outcome of the barrier where it has one, and the reservations of its cells by cell. */
export type Told = {
  readonly outcome: Outcome | undefined
  readonly reservations: ReadonlyMap<string, Reservation>
}

/** The reservations of a branch are not what its operations have left: rows were lost, or written by another hand. */
export class ReservationLostError extends Fault {
  override readonly name = 'ReservationLostError'
  override readonly code = 'reservation_lost'
  override readonly kind = 'failed_precondition'

  constructor({ op, order, product }: StockBranch) {
    super(`Cannot ${op} the stock of "${product}" for "${order}": its reservation is not there`)
  }
}

const movements = { try: 'reserve', confirm: 'confirm', cancel: 'release' } as const

type Way = {
  readonly at: string
  /** Cells that were asked on the way to `at`. */
  readonly tried: ReadonlySet<string>
  readonly places: readonly (readonly string[])[]
}

/** Asks `at`, and with it all other cells of the product in the same database that were not asked before. */
export function askAt(branch: StockBranch, { at, tried, places }: Way): AskedBranch {
  const { op, order, product } = branch
  const asked = (cell: string): AskedCell => {
    const movement = derivedId(cell, [movements[op], cell, order])
    return { cell, reservation: reservationId(cell, order), movement }
  }
  const near = new Set(places.find((place) => place.includes(at)))
  const others = afterCell(product, at).filter((cell) => cell !== at)
  // What was reserved may lie at any cell; only who still looks for stock skips those without.
  const beside = others.filter((cell) => near.has(cell) && (op !== 'try' || !tried.has(cell)))
  return {
    ...branch,
    isEntry: at === entryOf(product, order),
    cells: [asked(at), ...beside.map(asked)],
    next: others.find((cell) => !near.has(cell) && !tried.has(cell)),
  }
}

type Step = { readonly end: Reservation['state'] } | { readonly next: string }

/** Where the wish that was asked at `at` ended, or where it went on that is not known here. */
function follow(told: Told, at: string): Step {
  let cell = at
  for (;;) {
    const found = told.reservations.get(cell)
    if (found === undefined) return { next: cell }
    if (found.state !== 'refused' || found.next === undefined) return { end: found.state }
    cell = found.next
  }
}

function verdictAt(branch: StockBranch, state: Reservation['state']): Verdict {
  if (branch.op === 'try') {
    if (state === 'reserved') return { outcome: 'done' }
    return { outcome: 'refused', code: state === 'refused' ? 'out_of_stock' : 'hanging' }
  }
  if ((state === 'reserved') === (branch.op === 'confirm')) return { outcome: 'done' }
  throw new ReservationLostError(branch)
}

/** Whether a cancel came before its try, now or at an earlier time: there is nothing to give back, for ever. */
function isNothing({ outcome, reservations }: Told, entry: string): boolean {
  return outcome === 'void' || (outcome === 'duplicate' && !reservations.has(entry))
}

async function walk(
  { stock }: { readonly stock: Pick<StockStore, 'places' | 'ask'> },
  branch: StockBranch,
  call: Call,
): Promise<Verdict> {
  const places = await stock.places(branch.product, call)
  const tried = new Set<string>()
  let at = entryOf(branch.product, branch.order)
  for (;;) {
    const asked = askAt(branch, { at, tried, places })
    const told = await stock.ask(asked, call)
    if (told.outcome === 'hanging') return { outcome: 'refused', code: 'hanging' }
    if (isNothing(told, at)) return { outcome: 'done' }
    const step = follow(told, at)
    if ('end' in step) return verdictAt(branch, step.end)
    if (step.next === at) throw new ReservationLostError(branch)
    for (const { cell } of asked.cells) tried.add(cell)
    at = step.next
  }
}

/**
 * Reserves for an order, keeps what was reserved, or gives it back: each once, in whatever order, however often and
 * late it is asked. One round trip; one more for each other database in which the wish went on.
 *
 * A wish begins at the cell that the order's id hashes to, for ever the same one, and goes from a database without
 * enough to the next. Where it goes is written with the refusal, before anybody goes there: all attempts take one way,
 * and whoever gives back finds, at its end, what is reserved or the place where it would have been.
 *
 * @throws BranchOrderError, ReservationLostError, CellsMovedError.
 */
export async function runStockBranch(
  deps: { readonly stock: Pick<StockStore, 'places' | 'ask'> },
  branch: StockBranch,
  call: Call,
): Promise<Verdict> {
  try {
    return await walk(deps, branch, call)
  } catch (error) {
    // Now it is known where they are; what was written is found.
    if (!(error instanceof CellsMovedError)) throw error
    return walk(deps, branch, call)
  }
}
