import type { Bytes } from '../bytes.ts'
import { ReplyError } from '../reply.ts'
import { span } from './command.ts'
import { doubleOf } from './numbers.ts'
import type { Scored, SortedSet } from './sorted-set.ts'

/** A range of a sorted set as two tests that turn from false to true along its order. */
export type Bounds = {
  /** Whether the entry is at or past the beginning. */
  readonly begun: (entry: Scored) => boolean
  /** Whether the entry is past the end. */
  readonly ended: (entry: Scored) => boolean
}

type Limit = { readonly value: number; readonly open: boolean }

function scoreLimit(text: Bytes): Limit {
  const open = text.startsWith('(')
  const value = doubleOf(open ? text.slice(1) : text)
  if (value === undefined) throw new ReplyError('ERR min or max is not a float')
  return { value, open }
}

/** @throws ReplyError when a bound is no float. */
export function scoreBounds(min: Bytes, max: Bytes): Bounds {
  const low = scoreLimit(min)
  const high = scoreLimit(max)
  return {
    begun: ({ score }) => (low.open ? score > low.value : score >= low.value),
    ended: ({ score }) => (high.open ? score >= high.value : score > high.value),
  }
}

type LexLimit = 'first' | 'last' | { readonly member: Bytes; readonly open: boolean }

function lexLimit(text: Bytes): LexLimit {
  if (text === '-') return 'first'
  if (text === '+') return 'last'
  if (text.startsWith('(') || text.startsWith('[')) {
    return { member: text.slice(1), open: text.startsWith('(') }
  }
  throw new ReplyError('ERR min or max not valid string range item')
}

function isPast(limit: LexLimit, member: Bytes, inclusive: boolean): boolean {
  if (limit === 'first') return true
  if (limit === 'last') return false
  return limit.open === inclusive ? member > limit.member : member >= limit.member
}

/** @throws ReplyError when a bound is none of `-`, `+`, `[member` and `(member`. */
export function lexBounds(min: Bytes, max: Bytes): Bounds {
  const low = lexLimit(min)
  const high = lexLimit(max)
  return {
    begun: ({ member }) => isPast(low, member, true),
    ended: ({ member }) => isPast(high, member, false),
  }
}

/** The half-open range of indexes inside the bounds. */
export function boundedSpan(
  scores: SortedSet,
  { begun, ended }: Bounds,
): readonly [number, number] {
  const from = scores.lowerBound(begun)
  return [from, Math.max(from, scores.lowerBound(ended))]
}

export type Window = { readonly offset: number; readonly count: number }

/** The entries inside the bounds, reversed if wanted, of which LIMIT leaves a window. */
export function boundedEntries(
  scores: SortedSet,
  bounds: Bounds,
  { reverse, limit }: { readonly reverse: boolean; readonly limit: Window },
): readonly Scored[] {
  const inside = scores.entries().slice(...boundedSpan(scores, bounds))
  const ordered = reverse ? inside.toReversed() : inside
  if (limit.offset < 0) return []
  const stop = limit.count < 0 ? undefined : limit.offset + limit.count
  return ordered.slice(limit.offset, stop)
}

/** The entries between two inclusive ranks that may count from the end. */
export function rankedEntries(
  scores: SortedSet,
  [start, stop]: readonly [number, number],
  reverse: boolean,
): readonly Scored[] {
  const [from, to] = span(start, stop, scores.size)
  if (!reverse) return scores.entries().slice(from, to)
  return scores
    .entries()
    .slice(scores.size - to, scores.size - from)
    .toReversed()
}
