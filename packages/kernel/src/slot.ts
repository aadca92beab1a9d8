import { decode32, encode32 } from './crockford.ts'
import { InvalidIdError } from './invalid-id.ts'
import { xxh32 } from './xxh32.ts'

/** How many slots there are, for ever: it is part of every id ever made. */
export const slotCount = 16_384

/** How many owners a slot can tell apart in an id. */
export const ownerCount = 1024

/** The place of a key: its slot, 0 to 16,383, and its owner bits, 0 to 1,023. */
export type Place = { readonly slot: number; readonly owner: number }

/**
 * Where a *text* lives: a handle, an e-mail, a slug, an idempotency scope. Hashes.
 *
 * Low 14 bits of XXH32 are the slot, the next 10 the owner. Never give it an id: an id lives where its
 * first characters say, see {@link slotOfId}.
 */
export function placeOfText(text: string): Place {
  const hash = xxh32(text)
  return { slot: hash & (slotCount - 1), owner: (hash >>> 14) & (ownerCount - 1) }
}

/** The slot of a *text*. @see {@link placeOfText} */
export function slotOfText(text: string): number {
  return xxh32(text) & (slotCount - 1)
}

/**
 * Where an *id* lives. Decodes its first three characters; never hashes.
 *
 * @throws InvalidIdError when `id` has not the length of an id or begins with no slot.
 */
export function slotOfId(id: string): number {
  if (id.length !== 20) throw new InvalidIdError()
  return parseSlot(id.slice(0, 3))
}

/** `slot` in three characters, `000` to `FZZ`: the form in which tables keep it, and in which ids begin. */
export function slotText(slot: number): string {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount) {
    throw new RangeError(`Cannot spell slot ${slot}: slots are whole numbers from 0 to 16383`)
  }
  return encode32(slot, 3)
}

/**
 * The slot that three canonical characters spell.
 *
 * @throws InvalidIdError for any other text.
 */
export function parseSlot(text: string): number {
  const slot = text.length === 3 ? decode32(text) : undefined
  if (slot === undefined || slot >= slotCount) throw new InvalidIdError()
  return slot
}

/** What decides where a row lives: a slot, or a key that begins with one (an owner's prefix, an id, a longer key). */
export type RouteKey = number | string

/** `key` as text: what a fence compares, and what a column named `slot` holds. */
export function keyText(key: RouteKey): string {
  return typeof key === 'number' ? slotText(key) : key
}

/**
 * The slot that `key` lies in.
 *
 * @throws InvalidIdError when it does not begin with one.
 */
export function slotOfKey(key: RouteKey): number {
  return typeof key === 'number' ? key : parseSlot(key.slice(0, 3))
}

/** The half-open range of keys `from <= key < to` that holds every id and every row of `slot`. */
export function slotRange(slot: number): { readonly from: string; readonly to: string } {
  return { from: slotText(slot), to: encode32(slot + 1, 3) }
}
