import type { Bytes } from '../bytes.ts'
import { ReplyError } from '../reply.ts'
import { mustBePositive, notFloat, notInteger } from './errors.ts'

export type Integer = number | bigint

export const maxInt64 = 2n ** 63n - 1n
export const minInt64 = -(2n ** 63n)

const canonical = /^(?:0|-?[1-9]\d{0,18})$/

/** A 64-bit integer as Redis reads one: no sign plus, no blanks, no leading zeros. */
export function integerOf(text: Bytes): Integer | undefined {
  if (!canonical.test(text)) return undefined
  const near = Number(text)
  if (Number.isSafeInteger(near)) return near
  const exact = BigInt(text)
  return exact > maxInt64 || exact < minInt64 ? undefined : exact
}

/** @throws ReplyError when `text` is no 64-bit integer. */
export function integer(text: Bytes): Integer {
  const value = integerOf(text)
  if (value === undefined) throw notInteger()
  return value
}

/** As {@link integer}, but rounded to a double: for counts, offsets and indexes. */
export function index(text: Bytes): number {
  return Number(integer(text))
}

/** As {@link index}, but never negative. */
export function count(text: Bytes): number {
  const value = index(text)
  if (value < 0) throw mustBePositive()
  return value
}

/** The sum in 64 bits, as a number while that is exact. @throws ReplyError when it overflows. */
export function addIntegers(left: Integer, right: Integer): Integer {
  if (typeof left === 'number' && typeof right === 'number') {
    const near = left + right
    if (Number.isSafeInteger(near)) return near
  }
  const exact = BigInt(left) + BigInt(right)
  if (exact > maxInt64 || exact < minInt64) {
    throw new ReplyError('ERR increment or decrement would overflow')
  }
  return narrow(exact)
}

/** `exact` as a number where that loses nothing. */
export function narrow(exact: bigint): Integer {
  const near = Number(exact)
  return Number.isSafeInteger(near) ? near : exact
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const infinite = /^[+-]?inf(?:inity)?$/i

/** A double as `strtod` reads it, without NaN and without the hexadecimal forms. */
export function doubleOf(text: Bytes): number | undefined {
  if (decimal.test(text)) return Number(text)
  if (infinite.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  return undefined
}

/** @throws ReplyError when `text` is no double. */
export function double(text: Bytes): number {
  const value = doubleOf(text)
  if (value === undefined) throw notFloat()
  return value
}

/** C's `%.<precision>g`. */
export function formatG(value: number, precision: number): string {
  if (Number.isNaN(value)) return '-nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits = '', power = '0'] = value.toExponential(precision - 1).split('e')
  const exponent = Number(power)
  if (exponent >= -4 && exponent < precision) {
    return trimZeros(value.toFixed(Math.min(100, Math.max(0, precision - 1 - exponent))))
  }
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${trimZeros(digits)}e${exponent < 0 ? '-' : '+'}${size}`
}

/** A score as Redis 7.0 writes it: 17 significant digits, so 0.1 is `0.10000000000000001`. */
export function formatDouble(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : formatG(value, 17)
}

function trimZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
}
