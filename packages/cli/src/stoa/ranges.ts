import { parseSlot, slotCount, slotRange } from '@stoa/kernel'

import { BadCommandError, OverlappingRangesError } from './faults.ts'

/** Keys `lo <= key < hi` of one slot. */
export type KeySpan = { readonly lo: string; readonly hi: string }

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const ownerForm = /^[0-9A-F][0-9A-HJKMNP-TV-Z]{4}/
const keyForm = /^[0-9A-F][0-9A-HJKMNP-TV-Z]{4,}$/

/** Slots from `0-99,200`. @throws BadCommandError, OverlappingRangesError */
export function parseSlots(text: string): readonly number[] {
  const slots = new Map<number, string>()
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? []
    const [from, to] = [Number(first), Number(last)]
    if (!(from <= to && to < slotCount))
      throw new BadCommandError(
        `Cannot read "${part}" in --slots: write 0-99,200, from 0 to ${slotCount - 1}`,
      )
    for (let slot = from; slot <= to; slot += 1) {
      const before = slots.get(slot)
      if (before !== undefined) throw new OverlappingRangesError(before, part)
      slots.set(slot, part)
    }
  }
  return [...slots.keys()].toSorted((one, other) => one - other)
}

/** Slots as `0-99,200`, the other way round. */
export function slotsText(slots: readonly number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const slot of slots.toSorted((one, other) => one - other)) {
    const last = ranges.at(-1)
    if (last?.to === slot - 1) last.to = slot
    else ranges.push({ from: slot, to: slot })
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/** The first key that does not begin with `prefix`, within its slot. */
function afterPrefix(prefix: string): string {
  const slotEnd = slotRange(parseSlot(prefix.slice(0, 3))).to
  for (let at = prefix.length - 1; at >= 3; at -= 1) {
    const digit = digits.indexOf(prefix.charAt(at))
    if (digit >= 0 && digit < digits.length - 1)
      return (prefix.slice(0, at) + digits.charAt(digit + 1)).padEnd(prefix.length, '0')
  }
  return slotEnd
}

/** The keys of an owner: five characters, or an id of the owner or of what it owns. @throws BadCommandError */
export function parseOwner(text: string): KeySpan {
  const key = text.replace(/^[a-z]+_/, '')
  const prefix = ownerForm.exec(key)?.[0]
  if (prefix === undefined || (key.length !== 5 && key.length !== 20))
    throw new BadCommandError(
      `Cannot read "${text}" in --owner: it is an id, or the five characters that ids begin with`,
    )
  return { lo: prefix, hi: afterPrefix(prefix) }
}

/** Key ranges from `LO..HI,LO..HI`. @throws BadCommandError, OverlappingRangesError */
export function parseKeyRanges(text: string): readonly KeySpan[] {
  const spans = text.split(',').map((part): KeySpan => {
    const [lo = '', hi = ''] = part.trim().split('..')
    if (!keyForm.test(lo) || hi <= lo || hi > slotRange(parseSlot(lo.slice(0, 3))).to)
      throw new BadCommandError(
        `Cannot read "${part}" in --range: write LO..HI, keys of one slot of five characters or more`,
      )
    return { lo, hi }
  })
  const sorted = spans.toSorted((one, other) => (one.lo < other.lo ? -1 : 1))
  for (const [at, span] of sorted.entries()) {
    const next = sorted[at + 1]
    if (next !== undefined && next.lo < span.hi)
      throw new OverlappingRangesError(`${span.lo}..${span.hi}`, `${next.lo}..${next.hi}`)
  }
  return sorted
}

/** `span` cut at `cuts`. @throws BadCommandError when these are not ascending keys inside it. */
export function cutAt({ lo, hi }: KeySpan, cuts: readonly string[]): readonly KeySpan[] {
  const borders = [lo, ...cuts, hi]
  return borders.slice(1).map((border, at) => {
    const before = borders[at] ?? lo
    if (border <= before)
      throw new BadCommandError(
        `Cannot cut "${lo}" to "${hi}" at "${cuts.join(',')}": cuts ascend, inside the range`,
      )
    return { lo: before, hi: border }
  })
}

/** Whole slots as ranges of keys, joined where they touch. */
export function spansOfSlots(slots: readonly number[]): readonly KeySpan[] {
  const spans: { lo: string; hi: string }[] = []
  for (const slot of slots.toSorted((one, other) => one - other)) {
    const { from, to } = slotRange(slot)
    const last = spans.at(-1)
    if (last?.hi === from) last.hi = to
    else spans.push({ lo: from, hi: to })
  }
  return spans
}
