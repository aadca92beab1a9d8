import { slotText } from '@stoa/kernel'

/**
 * How the stats service keeps the id of a counted object: its slot as text, the rest as two whole numbers. Said here once
 * more, so that a mistake there cannot hide.
 */
export type CountKey = { readonly slot: string; readonly hi: number; readonly lo: number }

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Times of rows count from 2037. */
const rowEpoch = 2_114_380_800_000
const slotsPerBucket = 64

function valueOf(text: string): number {
  return Array.from(text).reduce((value, digit) => value * 32 + digits.indexOf(digit), 0)
}

function spell(value: number, length: number): string {
  let [rest, text] = [value, '']
  for (let at = 0; at < length; at += 1) {
    text = digits.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

export function countKeyOf(id: string): CountKey {
  const [owner, time, tail] = [id.slice(3, 5), id.slice(5, 14), id.slice(14)].map(valueOf) as [
    number,
    number,
    number,
  ]
  const since = time - rowEpoch
  const lo = ((time % 4) << 30) | tail
  return { slot: id.slice(0, 3), hi: Math.floor(since / 4) * 1024 + owner, lo }
}

export function idOfCount({ slot, hi, lo }: CountKey): string {
  const owner = ((hi % 1024) + 1024) % 1024
  const time = ((hi - owner) / 1024) * 4 + rowEpoch + (lo >>> 30)
  return slot + spell(owner, 2) + spell(time, 9) + spell(lo & 0x3fffffff, 6)
}

/** The slot under which the rows of a whole bucket lie: the first of its 64. */
export function bucketSlotOf(slot: string): string {
  const value = valueOf(slot)
  return slotText(value - (value % slotsPerBucket))
}
