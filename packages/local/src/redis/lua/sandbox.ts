import {
  baseFunctions,
  bitFunctions,
  mathFunctions,
  stringFunctions,
  tableFunctions,
} from './compatibility.ts'
import {
  auxiliary,
  bytesAt,
  libraries,
  lua,
  luaBytes,
  pushBytes,
  raise,
  setField,
  setFunctions,
  type NativeFunction,
  type State,
} from './fengari.ts'
import { jsonFunctions } from './json.ts'
import { jsonNull, textField } from './values.ts'

/** What Redis leaves in the globals; files, processes and modules are out of reach. */
const keptGlobals = [
  'assert',
  'collectgarbage',
  'error',
  'getmetatable',
  'ipairs',
  'load',
  'next',
  'pairs',
  'rawequal',
  'rawget',
  'select',
  'tonumber',
  'type',
  'xpcall',
  '_VERSION',
] as const

const opened = [
  ['string', libraries.luaopen_string],
  ['table', libraries.luaopen_table],
  ['math', libraries.luaopen_math],
  ['coroutine', libraries.luaopen_coroutine],
] as const

const readOnlyTable = 'Attempt to modify a readonly table'

function readOnly(state: State): number {
  return raise(state, readOnlyTable)
}

/** Refuses like {@link readOnly}, but without a position: Redis gives none for a call into the library. */
function refuseLocked(state: State): number {
  pushBytes(state, readOnlyTable)
  return lua.lua_error(state)
}

function unknownGlobal(state: State): number {
  const name = bytesAt(state, 2)
  return raise(state, `Script attempted to access nonexistent global variable '${name}'`)
}

/**
 * Replaces the table on top of the stack by an empty one that reads through to it and refuses writes.
 * `missing` answers for absent names.
 */
function protect(state: State, missing?: NativeFunction): void {
  const target = lua.lua_gettop(state)
  if (missing) {
    lua.lua_createtable(state, 0, 1)
    setFunctions(state, target + 1, { __index: missing })
    lua.lua_setmetatable(state, target)
  }
  lua.lua_createtable(state, 0, 0)
  lua.lua_createtable(state, 0, 3)
  const meta = lua.lua_gettop(state)
  lua.lua_pushvalue(state, target)
  setField(state, meta, '__index')
  setFunctions(state, meta, { __newindex: readOnly })
  lua.lua_pushboolean(state, false)
  setField(state, meta, '__metatable')
  lua.lua_setmetatable(state, target + 1)
  lua.lua_remove(state, target)
}

/** `rawset` that cannot reach through the protection: a table with a locked metatable is refused. */
function guardedRawset(state: State): number {
  lua.lua_settop(state, 3)
  if (lua.lua_type(state, 1) !== lua.LUA_TTABLE) {
    return raise(state, "bad argument #1 to 'rawset' (table expected)")
  }
  if (isLocked(state)) return refuseLocked(state)
  lua.lua_rawset(state, 1)
  return 1
}

function guardedSetmetatable(state: State): number {
  lua.lua_settop(state, 2)
  if (lua.lua_type(state, 1) === lua.LUA_TTABLE && isLocked(state)) return refuseLocked(state)
  lua.lua_pushvalue(state, lua.lua_upvalueindex(1))
  lua.lua_insert(state, 1)
  lua.lua_call(state, 2, 1)
  return 1
}

/** `pcall` that hands the script the text of a Redis error instead of its table, as Redis does. */
function protectedCall(state: State): number {
  if (lua.lua_gettop(state) === 0)
    return raise(state, "bad argument #1 to 'pcall' (value expected)")
  const failed = lua.lua_pcall(state, lua.lua_gettop(state) - 1, lua.LUA_MULTRET, 0) !== lua.LUA_OK
  if (failed && lua.lua_type(state, -1) === lua.LUA_TTABLE) {
    const error = textField(state, -1, 'err')
    if (error !== undefined) pushBytes(state, error)
  }
  const results = failed ? 1 : lua.lua_gettop(state)
  lua.lua_pushboolean(state, !failed)
  lua.lua_insert(state, -1 - results)
  return results + 1
}

function isLocked(state: State): boolean {
  lua.lua_pushvalue(state, 1)
  const locked = lockedTables.get(state)?.some((reference) => {
    lua.lua_rawgeti(state, lua.LUA_REGISTRYINDEX, reference)
    const same = lua.lua_rawequal(state, -1, -2)
    lua.lua_pop(state, 1)
    return same
  })
  lua.lua_pop(state, 1)
  return locked ?? false
}

/** Registry references of the protected tables, by main thread. */
const lockedTables = new WeakMap<State, number[]>()

function addLibrary(
  state: State,
  globals: number,
  { name, add }: { readonly name: string; readonly add: (table: number) => void },
): void {
  add(lua.lua_gettop(state))
  protect(state)
  lua.lua_pushvalue(state, -1)
  lockedTables.get(state)?.push(auxiliary.luaL_ref(state, lua.LUA_REGISTRYINDEX))
  setField(state, globals, name)
}

const additions: Readonly<Record<string, Readonly<Record<string, NativeFunction>>>> = {
  string: stringFunctions,
  table: tableFunctions,
  math: mathFunctions,
  coroutine: {},
}

/** Aliases of 5.1 for functions that 5.3 keeps under another name. */
function addAliases(state: State, globals: number): void {
  pushBytes(state, 'load')
  lua.lua_rawget(state, globals)
  setField(state, globals, 'loadstring')
}

/**
 * A Lua state with the globals of a Redis script and nothing else. Returns the index of the table behind the
 * read-only globals, left on the stack: KEYS and ARGV are set there.
 */
export function openSandbox(
  state: State,
  redisFunctions: Readonly<Record<string, NativeFunction>>,
  addConstants: (table: number) => void,
): number {
  lockedTables.set(state, [])
  auxiliary.luaL_requiref(state, luaBytes('_G'), libraries.luaopen_base, true)
  const base = lua.lua_gettop(state)
  lua.lua_createtable(state, 0, 40)
  const globals = lua.lua_gettop(state)
  for (const name of keptGlobals) {
    pushBytes(state, name)
    lua.lua_rawget(state, base)
    setField(state, globals, name)
  }
  setFunctions(state, globals, { ...baseFunctions, pcall: protectedCall, rawset: guardedRawset })
  pushBytes(state, 'setmetatable')
  lua.lua_rawget(state, base)
  lua.lua_pushcclosure(state, guardedSetmetatable, 1)
  setField(state, globals, 'setmetatable')
  addAliases(state, globals)
  for (const [name, open] of opened) {
    auxiliary.luaL_requiref(state, luaBytes(name), open, false)
    addLibrary(state, globals, {
      name,
      add: (table) => {
        setFunctions(state, table, additions[name] ?? {})
        if (name !== 'string') return
        lua.lua_pushnil(state)
        setField(state, table, 'dump')
      },
    })
  }
  const own = { bit: bitFunctions, cjson: jsonFunctions, redis: redisFunctions }
  for (const [name, functions] of Object.entries(own)) {
    lua.lua_createtable(state, 0, 16)
    addLibrary(state, globals, {
      name,
      add: (table) => {
        setFunctions(state, table, functions)
        if (name === 'redis') addConstants(table)
        if (name !== 'cjson') return
        lua.lua_pushlightuserdata(state, jsonNull)
        setField(state, table, 'null')
      },
    })
  }
  installGlobals(state, globals)
  lua.lua_remove(state, base)
  return globals - 1
}

/** Makes the protected globals what every chunk is loaded with. */
function installGlobals(state: State, globals: number): void {
  lua.lua_pushvalue(state, globals)
  protect(state, unknownGlobal)
  lua.lua_pushvalue(state, -1)
  setField(state, globals, '_G')
  lua.lua_pushvalue(state, -1)
  lockedTables.get(state)?.push(auxiliary.luaL_ref(state, lua.LUA_REGISTRYINDEX))
  lua.lua_rawseti(state, lua.LUA_REGISTRYINDEX, lua.LUA_RIDX_GLOBALS)
}
