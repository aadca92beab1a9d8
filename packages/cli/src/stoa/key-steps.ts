import type { KeyRange, Keyspace, SlotMap } from '@stoa/sharding'

import { BadCommandError } from './faults.ts'
import type { KeySpan } from './ranges.ts'
import type { Step, Waves } from './wish.ts'

/** Where the keys of a keyspace are. */
export type Places = { readonly keyspace: Keyspace; readonly map: SlotMap }

/** A part of an owner's keys, and the shard that it is to be on. */
export type Part = KeySpan & { readonly to: string }

function isWithin({ from, to }: KeyRange, { lo, hi }: KeySpan): boolean {
  return lo <= from && to <= hi
}

function isSame({ from, to }: KeyRange, { lo, hi }: KeySpan): boolean {
  return from === lo && to === hi
}

/** The overrides inside `span` that lie in no other one inside it, in order. */
function childrenOf({ keyspace }: Places, span: KeySpan): readonly KeyRange[] {
  const inside = (keyspace.ranges ?? []).filter(
    (each) => isWithin(each, span) && !isSame(each, span),
  )
  const isOuter = (range: KeyRange) =>
    inside.every((other) => other === range || !isWithin(range, { lo: other.from, hi: other.to }))
  return inside.filter(isOuter).toSorted((one, other) => (one.from < other.from ? -1 : 1))
}

function isOverride({ keyspace }: Places, span: KeySpan): boolean {
  return (keyspace.ranges ?? []).some((each) => isSame(each, span))
}

/** What of `span` lies in none of `ranges`. */
function gapsIn({ lo, hi }: KeySpan, ranges: readonly KeyRange[]): readonly KeySpan[] {
  const starts = [lo, ...ranges.map(({ to }) => to)]
  const ends = [...ranges.map(({ from }) => from), hi]
  return starts
    .map((start, at) => ({ lo: start, hi: ends[at] ?? hi }))
    .filter((gap) => gap.lo < gap.hi)
}

function stepOf({ lo, hi }: KeySpan, from: string, to: string): readonly Step[] {
  return from === to ? [] : [{ from, to, scope: { kind: 'range', lo, hi } }]
}

/** Waves of the second kind run after all of the first. */
function after(first: readonly Step[], rest: Waves): Waves {
  return first.length === 0 ? rest : [first, ...rest]
}

/** Waves side by side: what they move has nothing in common. */
export function together(all: readonly Waves[]): Waves {
  const length = Math.max(0, ...all.map((waves) => waves.length))
  return Array.from({ length }, (_, at) => all.flatMap((waves) => waves[at] ?? []))
}

/**
 * The moves that bring all of `span` to one shard. An override goes first and its inner ones after it, so that each finds
 * its way home; where an inner one begins with the span, the span is no piece that could move, and its parts go.
 * `carried` are shards that gave an outer piece: what they have inside it went along.
 */
export function wavesTo(
  places: Places,
  span: KeySpan,
  { to, carried = [] }: { readonly to: string; readonly carried?: readonly string[] },
): Waves {
  const children = childrenOf(places, span)
  const isPiece = isOverride(places, span) || children.every(({ from }) => from !== span.lo)
  const inner = (given: readonly string[]) =>
    together(
      children.map(({ from: lo, to: hi }) => wavesTo(places, { lo, hi }, { to, carried: given })),
    )
  if (isPiece) {
    const owner = places.map.place(span.lo).shard.name
    const own = carried.includes(owner) ? [] : stepOf(span, owner, to)
    return after(own, inner(own.length > 0 ? [...carried, owner] : carried))
  }
  const gaps = gapsIn(span, children).flatMap((gap) =>
    stepOf(gap, places.map.place(gap.lo).shard.name, to),
  )
  return together([after(gaps, []), inner(carried)])
}

/** Where `span` is cut already. */
export function cutsIn(places: Places, span: KeySpan): readonly string[] {
  const borders = childrenOf(places, span).flatMap(({ from, to }) => [from, to])
  return [...new Set(borders)].filter((key) => span.lo < key && key < span.hi).toSorted()
}

/**
 * The moves that bring the parts of `span` to their shards: inner parts first, and last what is left of an override, so
 * that each row is copied once.
 *
 * @throws BadCommandError when the span is cut at other keys already, or what is left would have to stay and go.
 */
export function wavesApart(places: Places, span: KeySpan, parts: readonly Part[]): Waves {
  const children = childrenOf(places, span)
  const crossed = children.find((child) => !parts.some((part) => isSame(child, part)))
  if (crossed !== undefined)
    throw new BadCommandError(
      `Cannot cut "${span.lo}" there: "${crossed.from}" to "${crossed.to}" is apart already; bring it home with "move" first`,
    )
  const isChild = (part: Part) => children.some((child) => isSame(child, part))
  const moved = together(parts.filter(isChild).map((part) => wavesTo(places, part, part)))
  const rest = parts.filter((part) => !isChild(part))
  const isOwn = isOverride(places, span)
  const head = isOwn ? rest.find(({ lo }) => lo === span.lo) : undefined
  const carved = rest.filter((part) => part !== head)
  const ownerAt = (part: KeySpan) => places.map.place(part.lo).shard.name
  const steps = carved.flatMap((part) => stepOf(part, ownerAt(part), part.to))
  const first = together([after(steps, []), moved])
  if (head === undefined || ownerAt(head) === head.to) return first
  const owner = ownerAt(head)
  if (carved.some(({ to }) => to === owner))
    throw new BadCommandError(`Cannot spread "${span.lo}" so: name "${owner}", which has it, first`)
  return [...first, [...stepOf(span, owner, head.to)]]
}
