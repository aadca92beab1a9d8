import type { Span } from './job.ts'
import { intervalsOf } from './spans.ts'

/** A piece as the primary has it. */
export type PrimaryPiece = Span & {
  readonly epoch: number
  readonly state: string
  readonly peer: string | null
}

/**
 * Why a replica cannot be read in a piece, or has more than it should: the rows are wanted, or being copied; or they are
 * to be deleted. Null: it has all, or none.
 */
export type MirrorJob = 'wanted' | 'copying' | 'leaving' | null

/** A piece as the replica has it. `frozen`: it has all rows. */
export type MirrorPiece = PrimaryPiece & { readonly job: MirrorJob }

const readable: ReadonlySet<string> = new Set(['serving', 'migrating', 'frozen'])

/** Whether the primary answers reads there, so that its rows change only where they are captured. */
export function isReadable({ state }: PrimaryPiece): boolean {
  return readable.has(state)
}

/** The keys of `piece` that lie in no piece inside it. */
export function ownKeys(piece: Span, all: readonly Span[]): readonly Span[] {
  const inside = all.filter(({ lo, hi }) => lo > piece.lo && hi <= piece.hi)
  return intervalsOf([piece], inside)
}

function without(spans: readonly Span[], cuts: readonly Span[]): readonly Span[] {
  return cuts.reduce<readonly Span[]>(
    (left, cut) =>
      left.flatMap(({ lo, hi }) => {
        if (cut.hi <= lo || hi <= cut.lo) return [{ lo, hi }]
        const before = lo < cut.lo ? [{ lo, hi: cut.lo }] : []
        const after = cut.hi < hi ? [{ lo: cut.hi, hi }] : []
        return [...before, ...after]
      }),
    spans,
  )
}

function overlaps(spans: readonly Span[], others: readonly Span[]): boolean {
  return spans.some(({ lo, hi }) => others.some((other) => other.lo < hi && lo < other.hi))
}

function sameSpans(one: readonly Span[], other: readonly Span[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function slotOf({ lo }: Span): string {
  return lo.slice(0, 3)
}

function stateOf(piece: PrimaryPiece, job: MirrorJob): string {
  if (piece.state === 'handed_off') return 'handed_off'
  return isReadable(piece) && job === null ? 'frozen' : 'importing'
}

export type Turn = {
  /** Every piece of some slots, at the primary. */
  readonly pieces: readonly PrimaryPiece[]
  /** Every piece of the same slots, at the replica. */
  readonly mirror: readonly MirrorPiece[]
  /** Keys in which rows may have changed uncaptured since the replica last looked. */
  readonly gaps: readonly Span[]
}

/** The pieces of one slot as the replica is to have them. */
function mirrorOfSlot({ pieces, mirror, gaps }: Turn): readonly MirrorPiece[] {
  const ownOf = (wanted: (piece: MirrorPiece) => boolean) =>
    mirror.filter(wanted).flatMap((piece) => ownKeys(piece, mirror))
  const held = without(
    ownOf(({ state }) => state === 'frozen'),
    gaps,
  )
  const empty = ownOf(({ state, job }) => state !== 'frozen' && job === null)
  const copying = new Map(
    mirror
      .filter(({ job }) => job === 'copying')
      .map((piece) => [piece.lo, ownKeys(piece, mirror)] as const),
  )
  return pieces.map((piece) => {
    const own = ownKeys(piece, pieces)
    const jobOf = (): MirrorJob => {
      if (!isReadable(piece)) return without(own, empty).length === 0 ? null : 'leaving'
      if (without(own, held).length === 0) return null
      const isSame = sameSpans(copying.get(piece.lo) ?? [], own) && !overlaps(own, gaps)
      return isSame ? 'copying' : 'wanted'
    }
    const job = jobOf()
    return { ...piece, state: stateOf(piece, job), job }
  })
}

/** The pieces of some slots as the replica is to have them. */
export function turnMirror({ pieces, mirror, gaps }: Turn): readonly MirrorPiece[] {
  const before = Map.groupBy(mirror, slotOf)
  return [...Map.groupBy(pieces, slotOf)].flatMap(([slot, own]) =>
    mirrorOfSlot({ pieces: own, mirror: before.get(slot) ?? [], gaps }),
  )
}

/** The pieces of a replica that has nothing yet, and may have anything. */
export function firstMirror(pieces: readonly PrimaryPiece[]): readonly MirrorPiece[] {
  return pieces.map((piece) => {
    const job = isReadable(piece) ? 'wanted' : 'leaving'
    return { ...piece, state: stateOf(piece, job), job }
  })
}
