/** Ticks of a minute since 1970: what all relays agree on without a word. */
export function tickOf(now: number): number {
  return Math.floor(now / 60_000)
}

const goldenRatio = (Math.sqrt(5) - 1) / 2

/**
 * `items` from another place on each tick, so that a tick that ends early does not always leave out the same. The places
 * of consecutive ticks lie far apart and evenly.
 */
export function rotated<T>(items: readonly T[], tick: number): readonly T[] {
  const start = Math.floor(((tick * goldenRatio) % 1) * items.length)
  return [...items.slice(start), ...items.slice(0, start)]
}
