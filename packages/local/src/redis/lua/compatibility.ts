import { auxiliary, lua, pushBytes, raise, type NativeFunction, type State } from './fengari.ts'
import { stringFormat } from './format.ts'

/** What Lua 5.1 has and 5.3 dropped or changed. */
type Functions = Readonly<Record<string, NativeFunction>>

function toText(state: State): number {
  if (lua.lua_type(state, 1) === lua.LUA_TNUMBER) {
    lua.lua_settop(state, 1)
    lua.lua_tolstring(state, 1)
    return 1
  }
  if (lua.lua_gettop(state) === 0) {
    return raise(state, "bad argument #1 to 'tostring' (value expected)")
  }
  auxiliary.luaL_tolstring(state, 1)
  return 1
}

/** Lua pushes one value an element, so a table this large is refused as in C. */
const maxUnpacked = 8000

function unpack(state: State): number {
  if (lua.lua_type(state, 1) !== lua.LUA_TTABLE) {
    return raise(state, "bad argument #1 to 'unpack' (table expected)")
  }
  const isGiven = (index: number) => lua.lua_type(state, index) === lua.LUA_TNUMBER
  const from = isGiven(2) ? lua.lua_tonumber(state, 2) : 1
  const to = isGiven(3) ? lua.lua_tonumber(state, 3) : lua.lua_rawlen(state, 1)
  const size = Math.max(0, to - from + 1)
  if (size >= maxUnpacked || !lua.lua_checkstack(state, size)) {
    return raise(state, 'too many results to unpack')
  }
  for (let at = from; at <= to; at++) lua.lua_rawgeti(state, 1, at)
  return size
}

function largestIndex(state: State): number {
  let largest = 0
  lua.lua_pushnil(state)
  while (lua.lua_next(state, 1) !== 0) {
    if (lua.lua_type(state, -2) === lua.LUA_TNUMBER) {
      largest = Math.max(largest, lua.lua_tonumber(state, -2))
    }
    lua.lua_pop(state, 1)
  }
  lua.lua_pushnumber(state, largest)
  return 1
}

function pushLength(state: State): number {
  lua.lua_pushnumber(state, lua.lua_rawlen(state, 1))
  return 1
}

const numeric =
  (compute: (...values: readonly number[]) => number): NativeFunction =>
  (state) => {
    const values = Array.from({ length: lua.lua_gettop(state) }, (_, at) =>
      lua.lua_tonumber(state, at + 1),
    )
    lua.lua_pushnumber(state, compute(...values))
    return 1
  }

/** 32 bits of a number the way the `bit` library takes them: modulo 2^32. */
function bits(value: number): number {
  return Number(BigInt.asIntN(32, BigInt(Math.round(Number.isFinite(value) ? value : 0))))
}

const bitwise = (compute: (left: number, right: number) => number): NativeFunction =>
  numeric((first = 0, ...rest) => rest.map(bits).reduce(compute, bits(first)) | 0)

function toHex(state: State): number {
  const value = bits(lua.lua_tonumber(state, 1))
  const digits = lua.lua_gettop(state) > 1 ? lua.lua_tonumber(state, 2) : 8
  const text = (value >>> 0).toString(16).padStart(8, '0').slice(-Math.abs(digits))
  pushBytes(state, digits < 0 ? text.toUpperCase() : text)
  return 1
}

function swapped(value: number): number {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32LE(value)
  return buffer.readInt32BE()
}

export const baseFunctions: Functions = { tostring: toText, unpack }

export const stringFunctions: Functions = { format: stringFormat }

export const tableFunctions: Functions = { getn: pushLength, maxn: largestIndex }

export const mathFunctions: Functions = {
  pow: numeric((base = 0, exponent = 0) => base ** exponent),
  log10: numeric((value = 0) => Math.log10(value)),
  floor: numeric((value = 0) => Math.floor(value)),
  ceil: numeric((value = 0) => Math.ceil(value)),
  mod: numeric((value = 0, divisor = 0) => value % divisor),
  ldexp: numeric((value = 0, exponent = 0) => value * 2 ** exponent),
  sinh: numeric((value = 0) => Math.sinh(value)),
  cosh: numeric((value = 0) => Math.cosh(value)),
  tanh: numeric((value = 0) => Math.tanh(value)),
}

export const bitFunctions: Functions = {
  tobit: numeric((value = 0) => bits(value)),
  bnot: numeric((value = 0) => ~bits(value)),
  band: bitwise((left, right) => left & right),
  bor: bitwise((left, right) => left | right),
  bxor: bitwise((left, right) => left ^ right),
  lshift: numeric((value = 0, by = 0) => bits(value) << (by & 31)),
  rshift: numeric((value = 0, by = 0) => (bits(value) >>> (by & 31)) | 0),
  arshift: numeric((value = 0, by = 0) => bits(value) >> (by & 31)),
  rol: numeric((value = 0, by = 0) => (bits(value) << (by & 31)) | (bits(value) >>> (-by & 31))),
  ror: numeric((value = 0, by = 0) => (bits(value) >>> (by & 31)) | (bits(value) << (-by & 31))),
  bswap: numeric((value = 0) => swapped(bits(value))),
  tohex: toHex,
}
