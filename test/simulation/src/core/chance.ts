import { type Random, seededRandom } from '@stoa/kernel'

/** Every decision of a run comes from one of these, so that a seed is a whole life. */
export type Chance = Random & {
  /** At least 0, below 1. */
  fraction(): number
  /** True with `probability`; draws nothing when that is 0, so that a fault turned off leaves no trace. */
  happens(probability: number): boolean
  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** An exponential wait with the mean `ms`, at most twenty times that. */
  wait(ms: number): number
  /** A source of its own, whose draws do not shift those of this one. */
  fork(): Chance
}

export function createChance(seed: number): Chance {
  const random = seededRandom(seed)
  const fraction = () => random.uint32() / 2 ** 32
  const whole = (below: number) => Math.floor(fraction() * below)
  return {
    ...random,
    fraction,
    whole,
    happens: (probability) => probability > 0 && fraction() < probability,
    pick: (items) => items[whole(items.length)] ?? items[0],
    wait: (ms) => Math.min(20, -Math.log(1 - fraction())) * ms,
    fork: () => createChance(random.uint32()),
  }
}
