import type { Random } from '@stoa/kernel'

import type { Summary } from './space-saving.ts'

/** The deltas of one kind, flat: an id, one delta for each of `metrics`, the next id, and so on. */
export type KindDeltas = {
  readonly kind: string
  readonly metrics: readonly string[]
  readonly flat: readonly (string | number)[]
}

/** Who was seen at one object in one period: a hash of 53 bits each. */
export type SeenHashes = {
  readonly id: string
  readonly metric: string
  /** Start of the period, in milliseconds since 1970; 0 for all time. */
  readonly period: number
  readonly hashes: readonly number[]
}

/** What one isolate heard for a leaderboard in one window. */
export type BoardDelta = {
  readonly board: string
  readonly start: number
  readonly summary: Summary
}

/** What one isolate hands to one log at once, under an id that it made itself and never gives to anything else. */
export type Flush = {
  readonly id: string
  readonly counts: readonly KindDeltas[]
  readonly seen: readonly SeenHashes[]
  readonly boards: readonly BoardDelta[]
}

const timeLength = 9
const flushForm = /^[0-9a-z]{9}[0-9a-f]{12}[0-9a-z]+$/

/** The producer's part of a flush id: 48 random bits, once an isolate. */
export function newProducer(random: Random): string {
  return [...random.bytes(6)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Time first, so that old ids of a bucket are one range. */
export function flushId(time: number, producer: string, sequence: number): string {
  return flushTimeText(time) + producer + sequence.toString(36)
}

/** The least flush id of `time`: what is below it is older. */
export function flushTimeText(time: number): string {
  return Math.max(0, Math.floor(time)).toString(36).padStart(timeLength, '0')
}

/** When the flush was frozen, by its producer's clock; `undefined` for what is no flush id. */
export function flushTime(id: string): number | undefined {
  return flushForm.test(id) ? Number.parseInt(id.slice(0, timeLength), 36) : undefined
}

/** Objects of one flush: an entry of a log stays below 100 kB. */
const objectsMax = 2_000

/** What was counted, in flushes of a size that a log and a database take. */
export function cutFlush({
  counts,
  seen,
  boards,
}: Omit<Flush, 'id'>): readonly Omit<Flush, 'id'>[] {
  const pieces = counts.flatMap(({ kind, metrics, flat }) => {
    const size = objectsMax * (metrics.length + 1)
    return Array.from({ length: Math.ceil(flat.length / size) }, (_, index) => ({
      kind,
      metrics,
      flat: flat.slice(index * size, (index + 1) * size),
    }))
  })
  const objects = counts.reduce(
    (sum, { flat, metrics }) => sum + flat.length / (metrics.length + 1),
    0,
  )
  if (objects <= objectsMax) return [{ counts: pieces, seen, boards }]
  const [first, ...others] = pieces
  const rest = others.map((piece) => ({ counts: [piece], seen: [], boards: [] }))
  return [{ counts: first === undefined ? [] : [first], seen, boards }, ...rest]
}

export function encodeFlush({ counts, seen, boards }: Flush): string {
  return JSON.stringify({ c: counts, s: seen, b: boards })
}

/** The flush in an entry of a log, or why it is none: it is kept aside, and never guessed at. */
export function decodeFlush(id: string, text: string): Flush | { readonly unreadable: string } {
  if (flushTime(id) === undefined) return { unreadable: 'its id is none' }
  try {
    const { c, s, b } = JSON.parse(text) as { c: unknown; s: unknown; b: unknown }
    if (isListOf(c, isKindDeltas) && isListOf(s, isSeen) && isListOf(b, isBoard))
      return { id, counts: c, seen: s, boards: b }
    return { unreadable: 'its form is unknown' }
  } catch {
    return { unreadable: 'it is no JSON' }
  }
}

function isListOf<T>(value: unknown, isOne: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isOne)
}

function isKindDeltas(value: unknown): value is KindDeltas {
  if (!isRecord(value)) return false
  const { kind, metrics, flat } = value
  if (typeof kind !== 'string' || !isListOf(metrics, isText) || !Array.isArray(flat)) return false
  const stride = metrics.length + 1
  return (
    flat.length % stride === 0 &&
    flat.every((one, index) => (index % stride === 0 ? isId(one) : Number.isSafeInteger(one)))
  )
}

function isSeen(value: unknown): value is SeenHashes {
  if (!isRecord(value)) return false
  const { id, metric, period, hashes } = value
  return isId(id) && isText(metric) && isWhole(period) && isListOf(hashes, isWhole)
}

function isBoard(value: unknown): value is BoardDelta {
  if (!isRecord(value) || !isRecord(value['summary'])) return false
  const { board, start, summary } = value
  const { floor, items } = summary
  return isText(board) && isWhole(start) && isWhole(floor) && isListOf(items, isItem)
}

function isItem(value: unknown): value is readonly [string, number, number] {
  return Array.isArray(value) && isText(value[0]) && isWhole(value[1]) && isWhole(value[2])
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/.test(value)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
