import { InvalidIdError, slotText } from '@stoa/kernel'

/**
 * The same 20-character id in three shapes: text, three 32-bit words (in the isolate's buffer), and slot text with ten
 * bytes (in a row).
 */

/** How many slots make a bucket: the unit of dedupe, and so of a move. */
export const slotsPerBucket = 64
export const bucketCount = 256

/** Times of words and rows count from 2020, in 40 bits: to the year 2054. */
const epoch = 1_577_836_800_000
const two30 = 2 ** 30
const two32 = 2 ** 32
const two40 = 2 ** 40

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const values = new Uint8Array(128).fill(255)
for (let value = 0; value < 32; value += 1) values[digits.charCodeAt(value)] = value

/** An id, parsed once: keep it where the same object is counted again and again. */
export type Handle = {
  readonly id: string
  readonly slot: number
  readonly words: boolean
  readonly a: number
  readonly b: number
  readonly c: number
}

function digit(text: string, at: number): number {
  return values[text.charCodeAt(at)] ?? 255
}

/** Reads `count` digits, up to six, or a negative number when one is none. */
function digitsAt(text: string, from: number, count: number): number {
  let value = 0
  let bad = 0
  for (let at = from; at < from + count; at += 1) {
    const one = digit(text, at)
    bad |= one
    value = (value << 5) | one
  }
  return bad > 31 ? -1 : value
}

/** What an id says. */
export type Parts = {
  readonly slot: number
  readonly owner: number
  readonly time: number
  readonly tail: number
}

/** @throws InvalidIdError for any spelling but the canonical one. */
export function partsOf(id: string): Parts {
  const place = digitsAt(id, 0, 5)
  const high = digitsAt(id, 5, 3)
  const low = digitsAt(id, 8, 6)
  const tail = digitsAt(id, 14, 6)
  if (id.length !== 20 || place < 0 || high < 0 || low < 0 || tail < 0 || place >= 2 ** 24)
    throw new InvalidIdError()
  return { slot: place >>> 10, owner: place & 1023, time: high * two30 + low, tail }
}

/** The words of the last id that {@link parseWords} read: a hot loop makes no garbage. */
export const parsed = { slot: 0, words: false, a: 0, b: 0, c: 0 }

/** Reads `id` into {@link parsed}. @throws InvalidIdError */
export function parseWords(id: string): void {
  const place = digitsAt(id, 0, 5)
  const high = digitsAt(id, 5, 3)
  const low = digitsAt(id, 8, 6)
  const tail = digitsAt(id, 14, 6)
  if (id.length !== 20 || place < 0 || high < 0 || low < 0 || tail < 0 || place >= 2 ** 24)
    throw new InvalidIdError()
  const time = high * two30 + low - epoch
  parsed.slot = place >>> 10
  parsed.words = time >= 0 && time < two40
  parsed.a = (place << 8) | (time / two32)
  parsed.b = time | 0
  // The top bit tells a used entry from an empty one.
  parsed.c = tail | 0x80000000
}

/** As slotOfId, without a garbage: for what was checked to be an id. */
export function slotOf(id: string): number {
  return digitsAt(id, 0, 3)
}

/** @throws InvalidIdError */
export function handleOf(id: string): Handle {
  parseWords(id)
  return { id, ...parsed }
}

/** The id whose words these are. */
export function idOfWords(a: number, b: number, c: number): string {
  const time = (a & 255) * two32 + (b >>> 0) + epoch
  return idOfParts({ slot: a >>> 18, owner: (a >>> 8) & 1023, time, tail: c & 0x3fffffff })
}

/** The id that says this. */
export function idOfParts({ slot, owner, time, tail }: Parts): string {
  const high = Math.floor(time / two30)
  const low = time % two30
  return spell((slot << 10) | owner, 5) + spell(high, 3) + spell(low, 6) + spell(tail, 6)
}

function spell(value: number, length: number): string {
  let text = ''
  for (let shift = (length - 1) * 5; shift >= 0; shift -= 5) {
    text += digits.charAt((value >>> shift) & 31)
  }
  return text
}

/**
 * An id as a row keeps it. What follows the slot is bytes, here as hexadecimal digits: SQL makes bytes of them. They are
 * in the order of time, whoever owns them.
 */
export type RowKey = { readonly slot: string; readonly rest: string }

/** Digits of the bytes of a row from 2020 to 2054: 40 bits of time, 10 of owner, 30 of tail. Other times take two more. */
const restDigits = 20
export const restDigitsMax = 22
/** No time of an id is so many eras of 40 bits before 2020. */
const erasBefore = 2

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, '0')
}

/** @throws InvalidIdError */
export function rowKeyOf(id: string): RowKey {
  const { owner, time, tail } = partsOf(id)
  const era = Math.floor((time - epoch) / two40)
  const since = time - epoch - era * two40
  const rest = hex(since, 10) + hex(owner * two30 + tail, 10)
  return { slot: id.slice(0, 3), rest: era === 0 ? rest : rest + hex(era + erasBefore, 2) }
}

/** The bytes, as digits, below which all rows are of objects made before `time`, and no others of 2020 to 2054. */
export function leastRest(time: number): string {
  return hex(Math.max(0, Math.min(two40 - 1, Math.ceil(time - epoch))), 10)
}

/** The id of a row. */
export function idOfRow({ slot, rest }: RowKey): string {
  const part = (from: number, to: number) => Number.parseInt(rest.slice(from, to), 16)
  const era = rest.length > restDigits ? part(restDigits, restDigitsMax) - erasBefore : 0
  const place = part(10, restDigits)
  return idOfParts({
    slot: digitsAt(slot, 0, 3),
    owner: Math.floor(place / two30),
    time: part(0, 10) + epoch + era * two40,
    tail: place % two30,
  })
}

export function bucketOf(slot: number): number {
  return slot >>> 6
}

/** The slot text under which the rows of a whole bucket lie: that of its first slot. */
export function bucketKey(bucket: number): string {
  return slotText(bucket * slotsPerBucket)
}

/** First and last slot of a bucket, as text. */
export function bucketSlots(bucket: number): readonly [string, string] {
  return [bucketKey(bucket), slotText((bucket + 1) * slotsPerBucket - 1)]
}

/** The first slot of the cold page that holds `slot`. */
export function pageOf(slot: number, pagesPerBucket: number): number {
  const span = slotsPerBucket / pagesPerBucket
  return slot - (slot % span)
}
