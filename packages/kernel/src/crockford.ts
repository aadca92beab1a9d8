/** Crockford's alphabet: no I, L, O, U. In ASCII order, so that text sorts as the number does. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** `value` in `length` base-32 digits, upper case, most significant first. Exact up to 2^53 - 1. */
export function encode32(value: number, length: number): string {
  let text = ''
  let rest = value
  for (let i = 0; i < length; i += 1) {
    text = digits.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** The digit of each ASCII code; -1 where it is none. */
const digitOf = Int8Array.from({ length: 128 }, (_, code) =>
  digits.indexOf(String.fromCharCode(code)),
)

/** The number that canonical `text` spells, or `undefined` when a character is not one of the 32. */
export function decode32(text: string): number | undefined {
  let value = 0
  for (let i = 0; i < text.length; i += 1) {
    const digit = digitOf[text.charCodeAt(i)] ?? -1
    if (digit < 0) return undefined
    value = value * 32 + digit
  }
  return value
}
