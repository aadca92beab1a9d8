import { malformed } from './errors.ts'

/** What the engine stores, as the addon takes it: a bigint binds as INTEGER, a number always as REAL. */
export type SqlValue = null | bigint | number | string | Uint8Array

const minInteger = -(2n ** 63n)
const maxInteger = 2n ** 63n - 1n
const integerPattern = /^[+-]?\d{1,19}$/
const base64Pattern = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * A Hrana value, decoded.
 *
 * @throws ProtocolError when it is none.
 */
export function decodeValue(value: unknown): SqlValue {
  if (!isRecord(value)) throw malformed('invalid type: expected a value')
  switch (value['type']) {
    case 'null':
      return null
    case 'integer':
      return decodeInteger(value['value'])
    case 'float':
      if (typeof value['value'] !== 'number') throw malformed('invalid type: expected f64')
      return value['value']
    case 'text':
      if (typeof value['value'] !== 'string') throw malformed('invalid type: expected a string')
      return value['value']
    case 'blob':
      return decodeBlob(value['base64'])
    default:
      throw malformed('unknown variant, expected one of null, integer, float, text, blob')
  }
}

function decodeInteger(text: unknown): bigint {
  if (typeof text !== 'string' || !integerPattern.test(text))
    throw malformed('invalid value: expected decimal integer as a string')
  const integer = BigInt(text.startsWith('+') ? text.slice(1) : text)
  if (integer < minInteger || integer > maxInteger)
    throw malformed('invalid value: expected decimal integer as a string')
  return integer
}

function decodeBlob(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !base64Pattern.test(text))
    throw malformed('invalid value: expected a base64 string')
  return Buffer.from(text, 'base64')
}

/** The JSON text of a value as Hrana writes it: integers as decimal strings, blobs as base64 without padding. */
function encodeValue(value: unknown): string {
  if (typeof value === 'string') return `{"type":"text","value":${JSON.stringify(value)}}`
  if (typeof value === 'bigint') return `{"type":"integer","value":"${value}"}`
  if (typeof value === 'number') return `{"type":"float","value":${encodeFloat(value)}}`
  return value instanceof Uint8Array
    ? `{"type":"blob","base64":"${encodeBlob(value)}"}`
    : '{"type":"null"}'
}

/** Keeps the point, so that the text tells a float from an integer; JSON has no infinities, so they become null. */
export function encodeFloat(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  if (Object.is(value, -0)) return '-0.0'
  const text = String(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

export function encodeBlob(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return text.endsWith('=') ? text.slice(0, text.indexOf('=')) : text
}

/** The JSON text of a row. */
export function encodeRow(values: readonly unknown[]): string {
  let text = '['
  for (let i = 0; i < values.length; i += 1) text += (i === 0 ? '' : ',') + encodeValue(values[i])
  return `${text}]`
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
