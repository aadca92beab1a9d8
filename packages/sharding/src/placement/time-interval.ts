import type { PlacementAlgorithm, PlacementKey } from './algorithm.ts'
import { ranged } from './boundary-range.ts'
import { InvalidPlacementError, UnplaceableKeyError } from './faults.ts'

export type TimeUnit = 'hour' | 'day' | 'month' | 'year'

export type TimeIntervalOptions = {
  /** The beginning of the first interval: milliseconds since 1970, or ISO 8601 in UTC. */
  readonly from: PlacementKey
  /** The end of the last interval, which may be cut short by it. */
  readonly below: PlacementKey
  readonly unit: TimeUnit
  /** How many units an interval has: 1 unless said. */
  readonly every?: number
}

/** A date, or a date with a time and a zone: a time without a zone means another one on every machine. */
const iso = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

const intervalsMax = 16_384

/**
 * Times in intervals of hours, days, months or years of UTC: the first node has what is before `from`, the last what
 * is from `below` on, so there are two nodes more than intervals. Keys are milliseconds since 1970 or ISO 8601 with a
 * zone. O(log intervals).
 *
 * @throws InvalidPlacementError when the times are none, the range is empty or has more than 16,384 intervals, or
 *   months begin after the 28th.
 */
export function timeInterval(options: TimeIntervalOptions): PlacementAlgorithm {
  const algorithm = 'time interval'
  const locate = ranged(algorithm, boundariesOf(algorithm, options))
  return (nodes) => {
    const placed = locate(nodes)
    return (key) => {
      const time = millisecondsOf(key)
      if (time === undefined) throw new UnplaceableKeyError(algorithm, key, 'it is no time')
      return placed(time)
    }
  }
}

function boundariesOf(algorithm: string, options: TimeIntervalOptions): readonly number[] {
  const { unit, every = 1 } = options
  const from = millisecondsOf(options.from)
  const below = millisecondsOf(options.below)
  if (from === undefined || below === undefined || below <= from)
    throw new InvalidPlacementError(
      algorithm,
      `no time is from ${options.from} to ${options.below}`,
    )
  if (!Number.isInteger(every) || every < 1)
    throw new InvalidPlacementError(algorithm, `every ${every} ${unit}s is no interval`)
  const calendar = unit === 'month' || unit === 'year'
  if (calendar && new Date(from).getUTCDate() > 28)
    throw new InvalidPlacementError(algorithm, 'not every month has the day on which it begins')
  const boundaries: number[] = []
  for (let time = from; time < below; time = later(from, boundaries.length * every, unit)) {
    boundaries.push(time)
    if (boundaries.length > intervalsMax)
      throw new InvalidPlacementError(algorithm, `there are more than ${intervalsMax} intervals`)
  }
  return [...boundaries, below]
}

function later(from: number, units: number, unit: TimeUnit): number {
  const date = new Date(from)
  switch (unit) {
    case 'hour':
      return from + units * 3_600_000
    case 'day':
      return from + units * 86_400_000
    case 'month':
      return date.setUTCMonth(date.getUTCMonth() + units)
    case 'year':
      return date.setUTCFullYear(date.getUTCFullYear() + units)
  }
}

function millisecondsOf(time: PlacementKey): number | undefined {
  const value = typeof time === 'string' && iso.test(time) ? Date.parse(time) : time
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
