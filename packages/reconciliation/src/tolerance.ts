import type { Entry, FieldValue } from './entry.ts'

/** How far two numbers may lie apart and still agree. The wider of the two bounds holds. */
export type Tolerance = {
  /** In the unit of the field. */
  readonly absolute?: number
  /** Of the larger one, in millionths. */
  readonly perMillion?: number
}

/** Fields that are compared: to the letter, or as numbers within a tolerance. */
export type FieldRules = Readonly<Record<string, 'exact' | Tolerance>>

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

/** How far apart two whole numbers are; exact at any size. @throws RangeError when one is not whole. */
export function distance(one: number | bigint, other: number | bigint): bigint {
  return magnitude(BigInt(one) - BigInt(other))
}

/** Whether two whole numbers agree within `tolerance`. */
export function isWithin(
  one: number | bigint,
  other: number | bigint,
  { absolute = 0, perMillion = 0 }: Tolerance,
): boolean {
  const apart = distance(one, other)
  const larger = [one, other].map((value) => magnitude(BigInt(value)))
  const most = larger.reduce((a, b) => (a > b ? a : b), 0n)
  return apart <= BigInt(absolute) || apart * 1_000_000n <= most * BigInt(perMillion)
}

function isWhole(value: FieldValue): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
}

function agrees(one: FieldValue, other: FieldValue, rule: 'exact' | Tolerance): boolean {
  if (one === other) return true
  if (!isWhole(one) || !isWhole(other)) return false
  return rule === 'exact' ? BigInt(one) === BigInt(other) : isWithin(one, other, rule)
}

/** The names of the fields in which two entries do not agree; a field that is missing counts as null. */
export function differingFields(one: Entry, other: Entry, rules: FieldRules): readonly string[] {
  return Object.entries(rules)
    .filter(([name, rule]) => !agrees(one.fields[name] ?? null, other.fields[name] ?? null, rule))
    .map(([name]) => name)
}

/** A whole number of a field, or 0 where there is none. */
export function wholeOf(entry: Entry | undefined, name: string): number | bigint {
  const value = entry?.fields[name] ?? null
  return isWhole(value) ? value : 0
}

/** `value` as an exact number, or the largest there is: an amount that no budget covers. */
export function toAmount(value: number | bigint): number {
  const positive = magnitude(BigInt(value))
  return positive > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(positive)
}
