import { slotText } from '@stoa/kernel'

/**
 * How the stats service keeps the id of a counted object: its slot as text, the rest as bytes. Said here once more, so that
 * a mistake there cannot hide.
 */
export type CountKey = { readonly slot: string; readonly id: Uint8Array }

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Times of rows count from 2020 in 40 bits, ten bytes with owner and tail; another byte tells other times apart. */
const epoch = BigInt(Date.UTC(2020))
const [timeBits, ownerBits, tailBits] = [40n, 10n, 30n]
const keyBytes = 10
const erasBefore = 2
const slotsPerBucket = 64

function valueOf(text: string): bigint {
  return Array.from(text).reduce((value, digit) => value * 32n + BigInt(digits.indexOf(digit)), 0n)
}

function spell(value: bigint, length: number): string {
  const places = Array.from({ length }, (_, at) => BigInt(5 * (length - 1 - at)))
  return places.map((place) => digits.charAt(Number((value >> place) & 31n))).join('')
}

export function countKeyOf(id: string): CountKey {
  const since = valueOf(id.slice(5, 14)) - epoch
  const era = Number(since >> timeBits)
  const time = BigInt.asUintN(Number(timeBits), since)
  const owned = (time << ownerBits) | valueOf(id.slice(3, 5))
  const key = (owned << tailBits) | valueOf(id.slice(14))
  const bytes = Array.from({ length: keyBytes }, (_, at) =>
    Number((key >> BigInt(8 * (keyBytes - 1 - at))) & 255n),
  )
  return {
    slot: id.slice(0, 3),
    id: Uint8Array.from(era === 0 ? bytes : [...bytes, era + erasBefore]),
  }
}

export function idOfCount({ slot, id }: CountKey): string {
  const key = id.slice(0, keyBytes).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
  const era = BigInt((id[keyBytes] ?? erasBefore) - erasBefore)
  const time = (key >> (ownerBits + tailBits)) + (era << timeBits) + epoch
  return slot + spell(key >> tailBits, 2) + spell(time, 9) + spell(key, 6)
}

/** The slot under which the rows of a whole bucket lie: the first of its 64. */
export function bucketSlotOf(slot: string): string {
  const value = Number(valueOf(slot))
  return slotText(value - (value % slotsPerBucket))
}
