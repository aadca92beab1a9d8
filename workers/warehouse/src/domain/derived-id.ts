import { parseId, xxh32 } from '@stoa/kernel'

/** Crockford's digits, as every id is spelled with. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Three hashes with different seeds: two of 14 characters agree by chance once in 2^70 pairs. */
const seeds = [1, 2, 3]

/** A cell is told by the place of its product and its lane. */
const cellLength = 6
const idLength = 20

/** Twenty-five bits of a hash in five characters. */
function spell(hash: number): string {
  return [0, 5, 10, 15, 20].map((shift) => digits.charAt((hash >>> shift) & 31)).join('')
}

/**
 * An id in the cell `owner` that is the same whenever it is made of the same `parts`, so that a row made twice is one
 * row. What other ids say of their time is here a hash: these ids do not sort by time.
 *
 * @throws InvalidIdError when `owner` is no id.
 */
export function derivedId(owner: string, parts: readonly string[]): string {
  const text = parts.join('|')
  const hash = seeds.map((seed) => spell(xxh32(text, seed))).join('')
  return (parseId(owner).slice(0, cellLength) + hash).slice(0, idLength)
}

/** The id of what became of `order` at `cell`, and so the key of what is told of it there. */
export function reservationId(cell: string, order: string): string {
  return derivedId(cell, ['reservation', cell, order])
}
