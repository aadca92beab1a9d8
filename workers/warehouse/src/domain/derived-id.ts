import { prefixOf, xxh32 } from '@stoa/kernel'

/** Crockford's digits, as every id is spelled with. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Three hashes with different seeds: two of 15 characters agree by chance once in 2^75 pairs. */
const seeds = [1, 2, 3]

/** Twenty-five bits of a hash in five characters. */
function spell(hash: number): string {
  return [0, 5, 10, 15, 20].map((shift) => digits.charAt((hash >>> shift) & 31)).join('')
}

/**
 * A child of `owner` that is the same whenever it is made of the same `parts`, so that a row made twice is one row.
 * What other ids say of their time is here a hash: these ids do not sort by time.
 *
 * @throws InvalidIdError when `owner` is no id.
 */
export function derivedId(owner: string, parts: readonly string[]): string {
  const text = parts.join('|')
  return prefixOf(owner) + seeds.map((seed) => spell(xxh32(text, seed))).join('')
}

/** The id of the reservation of `product` for `order`, and so the key of its outcome. */
export function reservationId(product: string, order: string): string {
  return derivedId(product, ['reservation', product, order])
}
