import { ImpossiblePlanError } from './faults.ts'

/** What a node may hold: at least `least`, at most `most`, else in proportion to `weight`. All whole but the weight. */
export type Claimant = {
  readonly name: string
  readonly weight: number
  readonly least: number
  readonly most: number
  /** What it holds now: of equally fair shares the one that moves less is taken. */
  readonly holds: number
}

/** Below this, a part of a slot is an error of floating point and no part. */
const grain = 1e-6

/**
 * How many of `total` slots each claimant is to hold, in the order given. The fair part of each is its weight times
 * one factor common to all, kept between its `least` and `most`; the share is that part rounded down or up.
 *
 * Whom the rounding favours: first those who would else have to give a slot away, then the largest remainder, then the
 * first name. So no shares that are as fair need fewer moves, and shares that are kept already stay as they are.
 *
 * O(n²) in the number of claimants.
 *
 * @throws ImpossiblePlanError when the `least` together exceed `total`, or the `most` fall short of it.
 */
export function sharesOf(total: number, claimants: readonly Claimant[]): readonly number[] {
  const least = claimants.reduce((sum, claimant) => sum + claimant.least, 0)
  const most = claimants.reduce((sum, claimant) => sum + claimant.most, 0)
  const torn = claimants.find((claimant) => claimant.least > claimant.most)
  if (torn !== undefined)
    throw new ImpossiblePlanError(
      `${torn.least} slots are bound to "${torn.name}", which takes ${torn.most}`,
    )
  if (least > total)
    throw new ImpossiblePlanError(`${least} slots are bound, and there are ${total}`)
  if (most < total)
    throw new ImpossiblePlanError(`the nodes take ${most} slots, and there are ${total}`)
  const parts = partsOf(total, claimants)
  const shares = parts.map((part) => Math.floor(part + grain))
  const spare = total - shares.reduce((sum, share) => sum + share, 0)
  const favoured = claimants
    .map(({ name, holds }, index) => {
      const share = shares[index] ?? 0
      return { index, name, kept: holds > share, rest: (parts[index] ?? 0) - share }
    })
    .filter(({ rest }) => rest > grain)
    .toSorted(
      (one, other) =>
        Number(other.kept) - Number(one.kept) ||
        differs(other.rest, one.rest) ||
        (one.name < other.name ? -1 : 1),
    )
  for (const { index } of favoured.slice(0, spare)) shares[index] = (shares[index] ?? 0) + 1
  return shares
}

function differs(one: number, other: number): number {
  return Math.abs(one - other) < grain ? 0 : one - other
}

/**
 * The fair parts. Those that a bound cuts are settled round by round, always those on the heavier side of the error:
 * their bound holds in the end too, which those on the other side may yet leave.
 */
function partsOf(total: number, claimants: readonly Claimant[]): readonly number[] {
  const parts: number[] = []
  let open = [...claimants.entries()]
  let left = total
  while (open.length > 0) {
    const weight = open.reduce((sum, [, claimant]) => sum + claimant.weight, 0)
    const wanted = open.map(([index, { weight: own, least, most }]) => {
      const part = (left * own) / weight
      const kept = Math.min(Math.max(part, least), most)
      return { index, kept, error: kept - part }
    })
    const error = wanted.reduce((sum, each) => sum + each.error, 0)
    const settles = (each: number) => Math.abs(error) < grain || (error > 0 ? each > 0 : each < 0)
    const settled = wanted.filter((each) => settles(each.error))
    for (const { index, kept } of settled) {
      parts[index] = kept
      left -= kept
    }
    open = open.filter(([index]) => parts[index] === undefined)
  }
  return parts
}
