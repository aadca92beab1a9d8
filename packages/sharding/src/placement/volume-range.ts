import type { PlacementAlgorithm } from './algorithm.ts'
import { ranged } from './boundary-range.ts'
import { InvalidPlacementError } from './faults.ts'

export type VolumeRangeOptions = {
  readonly from: number
  readonly below: number
  /** How many numbers a node gets; the last one gets what is left. */
  readonly volume: number
}

/** More ranges than this are a slip of a digit, not a plan. */
const rangesMax = 16_384

/**
 * Numbers from `from` to below `below` in ranges of equal `volume`: the first node has what is below `from`, the last what is
 * from `below` on, so there are two nodes more than ranges. O(log ranges).
 *
 * @throws InvalidPlacementError when a number is not whole, the range is empty, or it has more than 16,384 volumes.
 */
export function volumeRange({
  from,
  below,
  volume,
}: VolumeRangeOptions): PlacementAlgorithm<number> {
  const count = Math.ceil((below - from) / volume)
  const whole = [from, below, volume, below - from].every(Number.isSafeInteger)
  if (!(whole && volume > 0 && count >= 1 && count <= rangesMax))
    throw new InvalidPlacementError(
      'volume range',
      `${from} to ${below} in volumes of ${volume} is not between 1 and ${rangesMax} ranges`,
    )
  const starts = Array.from({ length: count }, (_, index) => from + index * volume)
  return ranged('volume range', [...starts, below])
}
