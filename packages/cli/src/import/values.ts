import type { SqlValue } from '@stoa/kernel'

import { BadLineError } from './faults.ts'
import type { ValueType } from './options.ts'

const int64Max = 2n ** 63n - 1n
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const isoTime = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/
/** A double keeps so many decimal digits, whatever they are. */
const exactDigits = 15

function refuse(value: unknown, wanted: string): never {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value
  throw new BadLineError(`${shown} is not ${wanted}`)
}

function fromBigInt(value: bigint): SqlValue {
  if (value > int64Max || value < -int64Max - 1n) refuse(String(value), 'a 64-bit integer')
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function toInteger(value: unknown): SqlValue {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'bigint') return fromBigInt(value)
  if (typeof value === 'number' && Number.isInteger(value)) return fromBigInt(BigInt(value))
  if (typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value))
    return fromBigInt(BigInt(value.trim().replace(/^\+/, '')))
  return refuse(value, 'an integer')
}

function toReal(value: unknown): SqlValue {
  const number = typeof value === 'string' && decimal.test(value.trim()) ? Number(value) : value
  if (typeof number === 'bigint') return Number(number)
  if (typeof number === 'number' && Number.isFinite(number)) return number
  return refuse(value, 'a number')
}

/** What SQLite makes of a value in a column without a type it knows: numbers where it sees one, else text. */
function toNumeric(value: unknown): SqlValue {
  if (typeof value !== 'string') {
    return typeof value === 'number' && !Number.isInteger(value) ? toReal(value) : toInteger(value)
  }
  const text = value.trim()
  if (!decimal.test(text)) return toText(value)
  if (/^[+-]?\d+$/.test(text)) return toInteger(text)
  const digits = text.replace(/[eE].*$/, '').replaceAll(/\D/g, '')
  if (digits.replace(/^0+/, '').length > exactDigits)
    refuse(value, `a number of at most ${exactDigits} digits`)
  return Number(text)
}

function toText(value: unknown): SqlValue {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0')) refuse(value, 'text that a database keeps')
    return value
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value instanceof Uint8Array || typeof value !== 'object') return refuse(value, 'text')
  return JSON.stringify(value)
}

function toBlob(value: unknown): SqlValue {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string' && base64.test(value))
    return new Uint8Array(Buffer.from(value, 'base64'))
  return refuse(value, 'base64')
}

function toBoolean(value: unknown): SqlValue {
  if (value === true || value === 1) return 1
  if (value === false || value === 0) return 0
  const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
  if (['true', 't', '1', 'yes'].includes(word)) return 1
  if (['false', 'f', '0', 'no'].includes(word)) return 0
  return refuse(value, 'true or false')
}

/** Milliseconds since 1970, from a number of them or ISO 8601; a time without a zone is UTC. */
function toTime(value: unknown): SqlValue {
  if (typeof value !== 'string' || /^\s*[+-]?\d+\s*$/.test(value)) return toInteger(value)
  const text = value.trim()
  if (!isoTime.test(text)) return refuse(value, 'a time')
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(10)) || text.length === 10
  const ms = Date.parse(zoned ? text.replace(' ', 'T') : `${text.replace(' ', 'T')}Z`)
  return Number.isNaN(ms) ? refuse(value, 'a time') : ms
}

/** A value as the database holds it already, or plain data of a file. */
function toAny(value: unknown): SqlValue {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'number') return toReal(value)
  return typeof value === 'bigint' ? fromBigInt(value) : toText(value)
}

const readers: Readonly<Record<ValueType, (value: unknown) => SqlValue>> = {
  any: toAny,
  text: toText,
  integer: toInteger,
  real: toReal,
  numeric: toNumeric,
  blob: toBlob,
  boolean: toBoolean,
  time: toTime,
}

/**
 * `value` as `type`; null and what is missing stay null. Never loses anything: what does not fit is refused.
 *
 * @throws BadLineError
 */
export function readValue(value: unknown, type: ValueType): SqlValue {
  return value === null || value === undefined ? null : readers[type](value)
}

/** The type of a column by its declaration, as SQLite decides it. @see https://sqlite.org/datatype3.html */
export function typeOfColumn(declared: string): ValueType {
  const word = declared.toUpperCase()
  if (word.includes('INT')) return 'integer'
  if (/CHAR|CLOB|TEXT/.test(word)) return 'text'
  if (word === '' || word === 'ANY') return 'any'
  if (word.includes('BLOB')) return 'blob'
  return /REAL|FLOA|DOUB/.test(word) ? 'real' : 'numeric'
}

const literals: Readonly<Record<string, SqlValue>> = { NULL: null, TRUE: 1, FALSE: 0 }

/** The value of a DEFAULT that is a plain literal; `undefined` for one that the database works out. */
export function literalOf(sql: string): SqlValue | undefined {
  const text = sql.trim()
  const quoted = /^'((?:[^']|'')*)'$/.exec(text)?.[1]
  if (quoted !== undefined) return quoted.replaceAll("''", "'")
  if (decimal.test(text)) return toNumeric(text)
  return literals[text.toUpperCase()]
}
