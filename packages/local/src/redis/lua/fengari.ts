import { createRequire } from 'node:module'

import type { Bytes } from '../bytes.ts'
import { bytesOfBuffer } from '../bytes.ts'
import { formatG } from '../memory/numbers.ts'

/** A Lua thread. Opaque: it is only handed back to fengari. */
export type State = { readonly lua: unique symbol }
export type NativeFunction = (state: State) => number
type DebugRecord = {
  readonly what: Uint8Array | null
  readonly source: Uint8Array | null
  readonly currentline: number
}

/** The part of the Lua C API that the script engine uses, as fengari spells it. */
type LuaApi = {
  readonly LUA_REGISTRYINDEX: number
  readonly LUA_RIDX_GLOBALS: number
  readonly LUA_MULTRET: number
  readonly LUA_MASKCOUNT: number
  readonly LUA_OK: number
  readonly LUA_TNIL: number
  readonly LUA_TBOOLEAN: number
  readonly LUA_TLIGHTUSERDATA: number
  readonly LUA_TNUMBER: number
  readonly LUA_TSTRING: number
  readonly LUA_TTABLE: number
  readonly LUA_TFUNCTION: number
  lua_absindex(state: State, index: number): number
  lua_atnativeerror(state: State, handler: NativeFunction): void
  lua_call(state: State, args: number, results: number): void
  lua_checkstack(state: State, size: number): boolean
  lua_createtable(state: State, items: number, fields: number): void
  lua_error(state: State): number
  lua_getinfo(state: State, what: Uint8Array, record: object): number
  lua_getstack(state: State, level: number, record: object): number
  lua_gettop(state: State): number
  lua_insert(state: State, index: number): void
  lua_next(state: State, index: number): number
  lua_pcall(state: State, args: number, results: number, handler: number): number
  lua_pop(state: State, count: number): void
  lua_pushboolean(state: State, value: boolean): void
  lua_pushcclosure(state: State, run: NativeFunction, upvalues: number): void
  lua_pushcfunction(state: State, run: NativeFunction): void
  lua_pushinteger(state: State, value: number): void
  lua_pushlightuserdata(state: State, value: object): void
  lua_pushnil(state: State): void
  lua_pushnumber(state: State, value: number): void
  lua_pushstring(state: State, value: Uint8Array): void
  lua_pushvalue(state: State, index: number): void
  lua_rawequal(state: State, left: number, right: number): boolean
  lua_rawget(state: State, index: number): number
  lua_rawgeti(state: State, index: number, key: number): number
  lua_rawlen(state: State, index: number): number
  lua_rawset(state: State, index: number): void
  lua_rawseti(state: State, index: number, key: number): void
  lua_remove(state: State, index: number): void
  lua_sethook(state: State, hook: (state: State) => void, mask: number, count: number): void
  lua_setmetatable(state: State, index: number): void
  lua_settop(state: State, index: number): void
  lua_toboolean(state: State, index: number): boolean
  lua_tonumber(state: State, index: number): number
  lua_tolstring(state: State, index: number): Uint8Array | null
  lua_touserdata(state: State, index: number): unknown
  lua_type(state: State, index: number): number
  lua_typename(state: State, type: number): Uint8Array
  lua_upvalueindex(index: number): number
  lua_Debug: new () => DebugRecord
}

type AuxiliaryApi = {
  luaL_loadbufferx(
    state: State,
    source: Uint8Array,
    size: number,
    ...rest: readonly [name: Uint8Array, mode: Uint8Array]
  ): number
  luaL_newstate(): State
  luaL_ref(state: State, table: number): number
  luaL_unref(state: State, table: number, reference: number): void
  luaL_requiref(
    state: State,
    name: Uint8Array,
    open: NativeFunction,
    ...rest: readonly [global: boolean]
  ): void
  luaL_tolstring(state: State, index: number): Uint8Array
}

type Libraries = Readonly<
  Record<
    'luaopen_base' | 'luaopen_coroutine' | 'luaopen_math' | 'luaopen_string' | 'luaopen_table',
    NativeFunction
  >
>

type NumberSlot = {
  value: number
  ttisinteger(): boolean
  setfltvalue(value: number): void
  setsvalue(value: unknown): void
}
type Objects = {
  luaO_str2num: (source: Uint8Array, slot: NumberSlot) => number
  luaO_tostring: (state: State, slot: NumberSlot) => void
}
type Interning = { luaS_bless(state: State, text: Uint8Array): unknown }

// fengari ships no types; this is where its untyped modules become the typed parts above.
const load = createRequire(import.meta.url)
const fengari = load('fengari') as {
  readonly lua: LuaApi
  readonly lauxlib: AuxiliaryApi
  readonly lualib: Libraries
}
// Its modules require each other in a circle that only works when it is entered at the front.
const objects = load('fengari/src/lobject.js') as Objects
const interning = load('fengari/src/lstring.js') as Interning

export const lua = fengari.lua
export const auxiliary = fengari.lauxlib
export const libraries = fengari.lualib

/**
 * Redis runs Lua 5.1, where every number is a double; fengari is 5.3 with integers of 32 bits, in which
 * `1073741824 * 2` is negative and `10 / 2` prints as `5.0`. Reading every numeral as a double and printing with
 * `%.14g` gives back 5.1's arithmetic. All of fengari calls these two through the module object.
 */
function restoreDoubles(): void {
  const readNumeral = objects.luaO_str2num
  objects.luaO_str2num = (source, slot) => {
    // 5.1 hands the text to the C library, for which it ends at the first zero byte.
    const zero = source.indexOf(0)
    const text = zero < 0 ? source : source.subarray(0, zero)
    const isRead = readNumeral(text, slot) > 0
    if (isRead && slot.ttisinteger()) slot.setfltvalue(exactInteger(text) ?? slot.value)
    return isRead || readSpecial(text, slot) ? source.length + 1 : 0
  }
  objects.luaO_tostring = (state, slot) => {
    slot.setsvalue(interning.luaS_bless(state, luaBytes(formatNumber(slot.value))))
  }
}

/** The value of a hexadecimal numeral, which fengari has cut to 32 bits. */
function exactInteger(text: Uint8Array): number | undefined {
  const match = /^\s*(-?)\+?(0x[\da-f]+)\s*$/i.exec(bytesOfBuffer(text))
  if (!match) return undefined
  return match[1] === '-' ? -Number(match[2]) : Number(match[2])
}

/** Reads `nan` and `inf`, which are numbers to the C library. */
function readSpecial(text: Uint8Array, slot: NumberSlot): boolean {
  const match = /^\s*([+-]?)(nan|inf(?:inity)?)\s*$/i.exec(bytesOfBuffer(text))
  if (!match) return false
  const size = match[2]?.toLowerCase() === 'nan' ? NaN : Infinity
  slot.setfltvalue(match[1] === '-' ? -size : size)
  return true
}

restoreDoubles()

/** As Lua 5.1 prints a number. */
export function formatNumber(value: number): string {
  return formatG(value, 14)
}

/** A byte string as Lua holds it. */
export function luaBytes(text: Bytes): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

export function pushBytes(state: State, text: Bytes): void {
  lua.lua_pushstring(state, luaBytes(text))
}

/** The string or number at `index` as bytes; the empty string for anything else. */
export function bytesAt(state: State, index: number): Bytes {
  const found = lua.lua_tolstring(state, index)
  return found === null ? '' : bytesOfBuffer(found)
}

/** Sets `table[name]` to what is on top of the stack, and pops that. `table` is an absolute index. */
export function setField(state: State, table: number, name: string): void {
  pushBytes(state, name)
  lua.lua_insert(state, -2)
  lua.lua_rawset(state, table)
}

/** Sets each named function in the table at the absolute index. */
export function setFunctions(
  state: State,
  table: number,
  functions: Readonly<Record<string, NativeFunction>>,
): void {
  for (const [name, run] of Object.entries(functions)) {
    lua.lua_pushcfunction(state, run)
    setField(state, table, name)
  }
}

/** Raises a Lua error with the position of the caller in front, as `luaL_error` does. */
export function raise(state: State, message: Bytes): number {
  pushBytes(state, `${whereCalled(state)}${message}`)
  return lua.lua_error(state)
}

function whereCalled(state: State): Bytes {
  const record = new lua.lua_Debug()
  if (lua.lua_getstack(state, 1, record) === 0) return ''
  lua.lua_getinfo(state, luaBytes('Sl'), record)
  return record.currentline > 0 ? `user_script:${record.currentline}: ` : ''
}
