import type { Bytes } from '../bytes.ts'

/**
 * The x86 80-bit `long double`, as far as INCRBYFLOAT needs it: 64 bits of mantissa, value = `mantissa * 2^exponent`.
 *
 * Redis adds in this type and prints 17 decimals of it, so 0.1 + 0.2 is `0.3` there and not in a double.
 */
export type LongDouble = { readonly mantissa: bigint; readonly exponent: number }

const mantissaBits = 64
const decimals = 17
const pattern = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i
/** 10^4000 is near the limit of the type; further out Redis answers with an error as well. */
const largestPower = 4000

export function longDoubleOf(text: Bytes): LongDouble | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const [, sign = '', whole = '', fraction = '', power = '0'] = match
  if (whole + fraction === '' || text.length > 5000) return undefined
  const scale = Number(power) - fraction.length
  if (Math.abs(scale) > largestPower) return undefined
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n)
  return scale >= 0
    ? rounded(digits * 10n ** BigInt(scale), 1n)
    : rounded(digits, 10n ** BigInt(-scale))
}

export function addLongDoubles(left: LongDouble, right: LongDouble): LongDouble {
  const exponent = Math.min(left.exponent, right.exponent)
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent))
  const { mantissa, exponent: shift } = rounded(sum, 1n)
  return { mantissa, exponent: exponent + shift }
}

/** `%.17Lf` without its trailing zeros. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const scaled = mantissa * 10n ** BigInt(decimals)
  const units =
    exponent >= 0 ? scaled << BigInt(exponent) : halfEven(scaled, 1n << BigInt(-exponent))
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, '0')
  const text = `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`.replace(/\.?0+$/, '')
  return units < 0n ? `-${text}` : text
}

function rounded(numerator: bigint, denominator: bigint): LongDouble {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 }
  const excess = bitLength(numerator) - bitLength(denominator) - mantissaBits
  const value = scaledBy(numerator, denominator, excess)
  const correction = bitLength(value) - mantissaBits
  return correction > 0
    ? {
        mantissa: scaledBy(numerator, denominator, excess + correction),
        exponent: excess + correction,
      }
    : { mantissa: value, exponent: excess }
}

function scaledBy(numerator: bigint, denominator: bigint, exponent: number): bigint {
  return exponent >= 0
    ? halfEven(numerator, denominator << BigInt(exponent))
    : halfEven(numerator << BigInt(-exponent), denominator)
}

function bitLength(value: bigint): number {
  return (value < 0n ? -value : value).toString(2).length
}

function halfEven(numerator: bigint, denominator: bigint): bigint {
  const sign = numerator < 0n ? -1n : 1n
  const size = numerator * sign
  const quotient = size / denominator
  const twice = (size % denominator) * 2n
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n)
  return (up ? quotient + 1n : quotient) * sign
}
