import type { Clock } from './clock.ts'
import { decode32, encode32 } from './crockford.ts'
import { InvalidIdError } from './invalid-id.ts'
import type { Random } from './random.ts'
import { placeOfText } from './slot.ts'

/** Ids are 20 characters: 3 slot, 2 owner, 9 time, 6 tail. */
export const idLength = 20

const prefixLength = 5
const timeLength = 9
const tailLength = 6
const tailCount = 2 ** 30
/** 45 bits of milliseconds: ids last until the year 3084. */
const timeCount = 2 ** 45
const canonicalId = /^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/
const canonicalPrefix = /^[0-9A-F][0-9A-HJKMNP-TV-Z]{4}$/

/** Makes ids. One for each isolate: uniqueness within it rests on this object's memory. */
export type Ids = {
  /** An id whose place is the hash of `key`: the same key gives the same first five characters. */
  root(key: string): string
  /** An id at a place chosen by the caller. @throws InvalidIdError when `prefix` is not one. */
  rootAt(prefix: string): string
  /** An id in the place of `ownerId`: the two share their first five characters, and so their shard. */
  child(ownerId: string): string
}

/**
 * A maker of ids: canonical Crockford base32, upper case, owner first.
 *
 * Ids of one maker are distinct and, with the same prefix, ascend, even while the clock stands still or
 * goes back: the tail counts up within a millisecond, over all prefixes, from a random start, and a full
 * tail borrows the next millisecond. Ids of two makers collide only when prefix, millisecond and 30-bit
 * tail agree; a conflict on a fresh id means: make another. Ids are not secrets.
 */
export function createIds(source: { readonly clock: Clock; readonly random: Random }): Ids {
  let time = -1
  let tail = 0
  const next = (): string => {
    const now = Math.floor(source.clock.now())
    if (now > time) {
      time = now
      tail = source.random.uint32() % tailCount
    } else if (tail + 1 < tailCount) {
      tail += 1
    } else {
      time += 1
      tail = source.random.uint32() % tailCount
    }
    if (!(time >= 0 && time < timeCount)) {
      throw new RangeError(`Cannot make an id at ${time} ms: the time must be from 0 to 2^45 - 1`)
    }
    return encode32(time, timeLength) + encode32(tail, tailLength)
  }
  const rootAt = (prefix: string) => {
    if (!canonicalPrefix.test(prefix)) throw new InvalidIdError('prefix')
    return prefix + next()
  }
  return {
    root: (key) => prefixOfText(key) + next(),
    rootAt,
    child: (ownerId) => prefixOf(ownerId) + next(),
  }
}

/** The five characters, slot and owner, with which a root id made for `key` begins. */
export function prefixOfText(key: string): string {
  const { slot, owner } = placeOfText(key)
  return encode32(slot, 3) + encode32(owner, 2)
}

/**
 * `text` itself when it is a canonical id.
 *
 * @throws InvalidIdError otherwise: lower case, look-alikes, spaces, another length or version.
 */
export function parseId(text: string): string {
  if (!canonicalId.test(text)) throw new InvalidIdError()
  return text
}

/** The first five characters, which all things of one owner share. @throws InvalidIdError */
export function prefixOf(id: string): string {
  return parseId(id).slice(0, prefixLength)
}

/** When `id` was made: milliseconds since 1970, or a little later if its maker had to borrow. @throws InvalidIdError */
export function timeOf(id: string): number {
  return decode32(parseId(id).slice(prefixLength, prefixLength + timeLength)) ?? 0
}

/** `id` with its time first, so that ids of different owners sort by time. Reversible. @throws InvalidIdError */
export function timeKey(id: string): string {
  return parseId(id).slice(prefixLength) + id.slice(0, prefixLength)
}

/** The id of which `key` is the {@link timeKey}. @throws InvalidIdError */
export function idFromTimeKey(key: string): string {
  return parseId(key.slice(idLength - prefixLength) + key.slice(0, idLength - prefixLength))
}
