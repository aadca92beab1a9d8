import { parseSlot, slotCount, slotRange } from '@stoa/kernel'

import type { Span } from './job.ts'

/** A digit of an id, in order: where the keys of one slot can be cut. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

type Layer = Span & { readonly isInside: boolean }

/**
 * The keys of `pieces` without those of `holes`, joined where they touch. Of several that hold a key the one that begins
 * last counts, so a piece may lie in a hole that lies in a piece. O(n log n).
 */
export function intervalsOf(pieces: readonly Span[], holes: readonly Span[]): readonly Span[] {
  const layers: readonly Layer[] = [
    ...pieces.map(({ lo, hi }) => ({ lo, hi, isInside: true })),
    ...holes.map(({ lo, hi }) => ({ lo, hi, isInside: false })),
  ].toSorted((one, other) => (one.lo < other.lo ? -1 : 1))
  const found: { lo: string; hi: string }[] = []
  const open: Layer[] = []
  let from = ''
  const emit = (to: string, layer: Layer): void => {
    if (layer.isInside && from < to) {
      const last = found.at(-1)
      if (last?.hi === from) last.hi = to
      else found.push({ lo: from, hi: to })
    }
    from = to
  }
  const closeUntil = (key: string | undefined): void => {
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (key !== undefined && top.hi > key) return
      emit(top.hi, top)
      open.pop()
    }
  }
  for (const layer of layers) {
    closeUntil(layer.lo)
    const outer = open.at(-1)
    if (outer === undefined) from = layer.lo
    else emit(layer.lo, outer)
    open.push(layer)
  }
  closeUntil(undefined)
  return found
}

/** The slot in which `key` lies or which it begins; 16,384 for the end of the last. */
function slotAt(key: string): number {
  const text = key.slice(0, 3)
  return text === slotRange(slotCount - 1).to ? slotCount : parseSlot(text)
}

/** `span` cut at the borders of slots; a span within one slot at its next digit. */
function cut(span: Span): readonly Span[] {
  const first = slotAt(span.lo)
  const afterLast = slotAt(span.hi) + (span.hi.length > 3 ? 1 : 0)
  const borders =
    afterLast - first > 1
      ? Array.from({ length: afterLast - first }, (_, index) => slotRange(first + index).from)
      : Array.from(digits, (digit) => span.lo.slice(0, 3) + digit)
  const inner = borders.filter((border) => span.lo < border && border < span.hi)
  const starts = [span.lo, ...inner]
  return starts.map((lo, index) => ({ lo, hi: starts[index + 1] ?? span.hi }))
}

/** The same keys in at most `count` groups of about as many slots each. Nothing is read: rows lie evenly in slots. */
export function partsOf(spans: readonly Span[], count: number): readonly (readonly Span[])[] {
  if (count <= 1) return [spans]
  const units = spans.flatMap(cut)
  const size = Math.ceil(units.length / count)
  const groups = Array.from({ length: Math.ceil(units.length / size) }, (_, index) =>
    units.slice(index * size, (index + 1) * size),
  )
  return groups.map((group) => intervalsOf(group, []))
}
