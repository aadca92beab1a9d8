import type { Bytes } from '../bytes.ts'
import {
  bytesAt,
  formatNumber,
  lua,
  pushBytes,
  raise,
  type NativeFunction,
  type State,
} from './fengari.ts'
import { JsonError, readJson, type Json } from './json-reader.ts'
import { jsonNull } from './values.ts'

/** cjson's bounds: a table is too sparse when its largest index is beyond 10 and beyond twice its size. */
const sparseRatio = 2
const sparseSafe = 10
const maxDepth = 1000

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
}

function quoted(text: Bytes): string {
  const escaped = Array.from(text, (symbol) => {
    const code = symbol.charCodeAt(0)
    const control = code < 32 || code === 127
    return escapes[symbol] ?? (control ? `\\u${code.toString(16).padStart(4, '0')}` : symbol)
  })
  return `"${escaped.join('')}"`
}

/** The largest index when every key is a positive integer, -1 otherwise. */
function arrayLength(state: State, table: number): number {
  let largest = 0
  let items = 0
  lua.lua_pushnil(state)
  while (lua.lua_next(state, table) !== 0) {
    const key = lua.lua_type(state, -2) === lua.LUA_TNUMBER ? lua.lua_tonumber(state, -2) : 0
    lua.lua_pop(state, 1)
    if (key < 1 || !Number.isInteger(key)) {
      lua.lua_pop(state, 1)
      return -1
    }
    largest = Math.max(largest, key)
    items++
  }
  if (largest > items * sparseRatio && largest > sparseSafe) {
    throw new JsonError('Cannot serialise table: excessively sparse array')
  }
  return largest
}

function writeTable(state: State, table: number, depth: number): string {
  if (depth > maxDepth || !lua.lua_checkstack(state, 8)) {
    throw new JsonError(`Cannot serialise, excessively nested (${depth})`)
  }
  const length = arrayLength(state, table)
  if (length <= 0) return writeObject(state, table, depth)
  const items: string[] = []
  for (let at = 1; at <= length; at++) {
    lua.lua_rawgeti(state, table, at)
    items.push(writeJson(state, lua.lua_gettop(state), depth))
    lua.lua_pop(state, 1)
  }
  return `[${items.join(',')}]`
}

function writeObject(state: State, table: number, depth: number): string {
  const members: string[] = []
  lua.lua_pushnil(state)
  while (lua.lua_next(state, table) !== 0) {
    const type = lua.lua_type(state, -2)
    if (type !== lua.LUA_TSTRING && type !== lua.LUA_TNUMBER) {
      throw new JsonError('Cannot serialise table: table key must be a number or string')
    }
    const key =
      type === lua.LUA_TNUMBER ? formatNumber(lua.lua_tonumber(state, -2)) : bytesAt(state, -2)
    members.push(`${quoted(key)}:${writeJson(state, lua.lua_gettop(state), depth)}`)
    lua.lua_pop(state, 1)
  }
  return `{${members.join(',')}}`
}

function writeJson(state: State, index: number, depth: number): string {
  const type = lua.lua_type(state, index)
  switch (type) {
    case lua.LUA_TSTRING:
      return quoted(bytesAt(state, index))
    case lua.LUA_TNUMBER:
      return writeNumber(lua.lua_tonumber(state, index))
    case lua.LUA_TBOOLEAN:
      return String(lua.lua_toboolean(state, index))
    case lua.LUA_TNIL:
      return 'null'
    case lua.LUA_TTABLE:
      return writeTable(state, index, depth + 1)
    case lua.LUA_TLIGHTUSERDATA:
      if (lua.lua_touserdata(state, index) === jsonNull) return 'null'
  }
  const name = Buffer.from(lua.lua_typename(state, type)).toString('latin1')
  throw new JsonError(`Cannot serialise ${name}: type not supported`)
}

function writeNumber(value: number): string {
  if (Number.isFinite(value)) return formatNumber(value)
  throw new JsonError('Cannot serialise number: must not be NaN or Inf')
}

function pushJson(state: State, value: Json): void {
  lua.lua_checkstack(state, 8)
  if (value === null) lua.lua_pushlightuserdata(state, jsonNull)
  else if (typeof value === 'boolean') lua.lua_pushboolean(state, value)
  else if (typeof value === 'number') lua.lua_pushnumber(state, value)
  else if (typeof value === 'string') pushBytes(state, value)
  else if (Array.isArray(value)) {
    lua.lua_createtable(state, value.length, 0)
    for (const [at, each] of value.entries()) {
      pushJson(state, each)
      lua.lua_rawseti(state, -2, at + 1)
    }
  } else if (value instanceof Map) {
    lua.lua_createtable(state, 0, value.size)
    for (const [key, each] of value) {
      pushBytes(state, key)
      pushJson(state, each)
      lua.lua_rawset(state, -3)
    }
  }
}

/** Runs `step`; a JSON error becomes a Lua error, raised outside of the `try` because raising throws. */
function guarded(state: State, step: () => void): number {
  let failure: string | undefined
  try {
    step()
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    failure = error.message
  }
  return failure === undefined ? 1 : raise(state, failure)
}

function encode(state: State): number {
  if (lua.lua_gettop(state) !== 1) {
    return raise(state, "bad argument #1 to 'encode' (expected 1 argument)")
  }
  return guarded(state, () => pushBytes(state, writeJson(state, 1, 0)))
}

function decode(state: State): number {
  if (lua.lua_gettop(state) !== 1) {
    return raise(state, "bad argument #1 to 'decode' (expected 1 argument)")
  }
  return guarded(state, () => pushJson(state, readJson(bytesAt(state, 1))))
}

/** The `cjson` library: what scripts use of it, without its configuration functions. */
export const jsonFunctions: Readonly<Record<string, NativeFunction>> = { encode, decode }
