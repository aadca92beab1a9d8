import type { Bytes } from '../bytes.ts'
import { bytesOf } from '../bytes.ts'

/** What cjson could not read or write, in its words. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
}

/** JSON with byte strings; objects keep the order of their keys. */
export type Json = null | boolean | number | Bytes | Json[] | Map<Bytes, Json>

type Kind =
  | 'T_OBJ_BEGIN'
  | 'T_OBJ_END'
  | 'T_ARR_BEGIN'
  | 'T_ARR_END'
  | 'T_STRING'
  | 'T_NUMBER'
  | 'T_BOOLEAN'
  | 'T_NULL'
  | 'T_COLON'
  | 'T_COMMA'
  | 'T_END'
  | 'invalid token'

type Token = { readonly kind: Kind; readonly at: number; readonly value?: Json }
type Cursor = { readonly text: Bytes; at: number }

const symbols: Readonly<Record<string, Kind>> = {
  '{': 'T_OBJ_BEGIN',
  '}': 'T_OBJ_END',
  '[': 'T_ARR_BEGIN',
  ']': 'T_ARR_END',
  ':': 'T_COLON',
  ',': 'T_COMMA',
}
const literals: readonly (readonly [string, Kind, Json])[] = [
  ['true', 'T_BOOLEAN', true],
  ['false', 'T_BOOLEAN', false],
  ['null', 'T_NULL', null],
]
const blanks = /[ \t\r\n]*/y
const numeral = /-?(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)/y
const maxDepth = 1000

/** Reads one JSON text. @throws JsonError */
export function readJson(text: Bytes): Json {
  const cursor: Cursor = { text, at: 0 }
  const value = readValue(cursor, next(cursor), 0)
  const end = next(cursor)
  if (end.kind !== 'T_END') throw unexpected('the end', end)
  return value
}

function unexpected(wanted: string, { kind, at }: Token): JsonError {
  return new JsonError(`Expected ${wanted} but found ${kind} at character ${at + 1}`)
}

function next(cursor: Cursor): Token {
  blanks.lastIndex = cursor.at
  blanks.exec(cursor.text)
  const at = blanks.lastIndex
  const symbol = cursor.text[at]
  cursor.at = at + 1
  if (symbol === undefined) return { kind: 'T_END', at }
  const kind = symbols[symbol]
  if (kind) return { kind, at }
  if (symbol === '"') return { kind: 'T_STRING', at, value: readString(cursor) }
  return readLiteral(cursor, at)
}

function readLiteral(cursor: Cursor, at: number): Token {
  for (const [word, kind, value] of literals) {
    if (!cursor.text.startsWith(word, at)) continue
    cursor.at = at + word.length
    return { kind, at, value }
  }
  numeral.lastIndex = at
  const match = numeral.exec(cursor.text)
  if (!match) return { kind: 'invalid token', at }
  cursor.at = numeral.lastIndex
  return { kind: 'T_NUMBER', at, value: Number(match[0]) }
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** Reads to the closing quote; the cursor stands after the opening one. */
function readString(cursor: Cursor): Bytes {
  let found = ''
  for (;;) {
    const symbol = cursor.text[cursor.at]
    if (symbol === undefined) {
      throw new JsonError(
        `Expected value but found unexpected end of string at character ${cursor.at + 1}`,
      )
    }
    cursor.at++
    if (symbol === '"') return found
    found += symbol === '\\' ? readEscape(cursor) : symbol
  }
}

function readEscape(cursor: Cursor): Bytes {
  const at = cursor.at
  const symbol = cursor.text[cursor.at++] ?? ''
  if (symbol !== 'u') {
    const plain = escapes[symbol]
    if (plain !== undefined) return plain
    throw new JsonError(`Expected value but found invalid escape code at character ${at}`)
  }
  const unit = readUnit(cursor)
  const isHigh = unit >= 0xd800 && unit < 0xdc00
  if (!isHigh || !cursor.text.startsWith('\\u', cursor.at)) {
    return bytesOf(String.fromCharCode(unit))
  }
  cursor.at += 2
  return bytesOf(String.fromCharCode(unit, readUnit(cursor)))
}

function readUnit(cursor: Cursor): number {
  const digits = cursor.text.slice(cursor.at, cursor.at + 4)
  if (!/^[\da-f]{4}$/i.test(digits)) {
    throw new JsonError(
      `Expected value but found invalid unicode escape code at character ${cursor.at - 1}`,
    )
  }
  cursor.at += 4
  return Number.parseInt(digits, 16)
}

function readValue(cursor: Cursor, token: Token, depth: number): Json {
  if (depth > maxDepth) throw new JsonError('Found too many nested data structures (1001)')
  if (token.kind === 'T_OBJ_BEGIN') return readObject(cursor, depth)
  if (token.kind === 'T_ARR_BEGIN') return readArray(cursor, depth)
  if (token.value === undefined) throw unexpected('value', token)
  return token.value
}

function readArray(cursor: Cursor, depth: number): Json[] {
  const items: Json[] = []
  let token = next(cursor)
  if (token.kind === 'T_ARR_END') return items
  for (;;) {
    items.push(readValue(cursor, token, depth + 1))
    const after = next(cursor)
    if (after.kind === 'T_ARR_END') return items
    if (after.kind !== 'T_COMMA') throw unexpected('comma or array end', after)
    token = next(cursor)
  }
}

function readObject(cursor: Cursor, depth: number): Map<Bytes, Json> {
  const members = new Map<Bytes, Json>()
  let token = next(cursor)
  if (token.kind === 'T_OBJ_END') return members
  for (;;) {
    if (token.kind !== 'T_STRING' || typeof token.value !== 'string') {
      throw unexpected('object key string', token)
    }
    const colon = next(cursor)
    if (colon.kind !== 'T_COLON') throw unexpected('colon', colon)
    members.set(token.value, readValue(cursor, next(cursor), depth + 1))
    const after = next(cursor)
    if (after.kind === 'T_OBJ_END') return members
    if (after.kind !== 'T_COMMA') throw unexpected('comma or object end', after)
    token = next(cursor)
  }
}
