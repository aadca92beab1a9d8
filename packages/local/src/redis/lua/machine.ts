import type { Bytes } from '../bytes.ts'
import { bytesOfBuffer } from '../bytes.ts'
import { ReplyError, type Reply } from '../reply.ts'
import {
  auxiliary,
  bytesAt,
  lua,
  luaBytes,
  pushBytes,
  raise,
  setField,
  type State,
} from './fengari.ts'
import { addConstants, redisFunctions, type Call } from './redis-library.ts'
import { openSandbox } from './sandbox.ts'
import { replyAt, textField } from './values.ts'

export type Arguments = { readonly keys: readonly Bytes[]; readonly args: readonly Bytes[] }

const instructionsBetweenChecks = 100_000
const chunkName = '@user_script'

const noCall: Call = () => new ReplyError('ERR redis.call is only there while a script runs')

/** One kept Lua state: compiled scripts by name, run one at a time. */
export class LuaMachine {
  readonly #state: State
  readonly #globals: number
  readonly #scripts = new Map<string, number>()
  #call: Call = noCall
  #stopAt = Infinity
  readonly #limitMs: number

  /** Redis only marks a slow script as killable; here nothing else could run meanwhile, so it is stopped. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs
    this.#state = auxiliary.luaL_newstate()
    lua.lua_atnativeerror(this.#state, describeNativeError)
    this.#globals = openSandbox(
      this.#state,
      redisFunctions(() => this.#call),
      (table) => addConstants(this.#state, table),
    )
    lua.lua_sethook(
      this.#state,
      (state) => {
        if (Date.now() > this.#stopAt)
          raise(state, `Script killed: it ran longer than ${limitMs} ms`)
      },
      lua.LUA_MASKCOUNT,
      instructionsBetweenChecks,
    )
  }

  /** @throws ReplyError when it does not compile. */
  compile(name: string, source: Bytes): void {
    const state = this.#state
    const bytes = luaBytes(source)
    const name8 = luaBytes(chunkName)
    if (
      auxiliary.luaL_loadbufferx(state, bytes, bytes.length, name8, luaBytes('t')) !== lua.LUA_OK
    ) {
      const message = asLua51(bytesAt(state, -1))
      lua.lua_pop(state, 1)
      throw new ReplyError(`ERR Error compiling script (new function): ${message}`)
    }
    this.#scripts.set(name, auxiliary.luaL_ref(state, lua.LUA_REGISTRYINDEX))
  }

  forget(): void {
    for (const reference of this.#scripts.values()) {
      auxiliary.luaL_unref(this.#state, lua.LUA_REGISTRYINDEX, reference)
    }
    this.#scripts.clear()
  }

  /** Runs a compiled script. Errors come back as a {@link ReplyError}. */
  run(name: string, { keys, args }: Arguments, call: Call): Reply {
    const state = this.#state
    const top = lua.lua_gettop(state)
    this.#setWords('KEYS', keys)
    this.#setWords('ARGV', args)
    this.#call = call
    this.#stopAt = Date.now() + this.#limitMs
    try {
      lua.lua_pushcfunction(state, locateError)
      lua.lua_rawgeti(state, lua.LUA_REGISTRYINDEX, this.#scripts.get(name) ?? 0)
      const failed = lua.lua_pcall(state, 0, 1, top + 1) !== lua.LUA_OK
      return failed ? failure(state, name) : replyAt(state, -1)
    } finally {
      this.#call = noCall
      this.#stopAt = Infinity
      lua.lua_settop(state, top)
    }
  }

  #setWords(name: string, words: readonly Bytes[]): void {
    lua.lua_createtable(this.#state, words.length, 0)
    for (const [at, word] of words.entries()) {
      pushBytes(this.#state, word)
      lua.lua_rawseti(this.#state, -2, at + 1)
    }
    setField(this.#state, this.#globals, name)
  }
}

/** A JavaScript error inside the interpreter, such as a stack too deep, as a Lua error. */
function describeNativeError(state: State): number {
  const error = lua.lua_touserdata(state, 1)
  pushBytes(
    state,
    error instanceof RangeError ? 'stack overflow' : `internal error: ${String(error)}`,
  )
  return 1
}

/** Turns any error value into `{err, source, line}`, as the error handler of Redis does. */
function locateError(state: State): number {
  const record = new lua.lua_Debug()
  const isTable = lua.lua_type(state, 1) === lua.LUA_TTABLE
  if (!isTable) {
    const message = asLua51(bytesOfBuffer(auxiliary.luaL_tolstring(state, 1)))
    lua.lua_createtable(state, 0, 3)
    pushBytes(state, `ERR ${message}`)
    setField(state, lua.lua_gettop(state) - 1, 'err')
  } else lua.lua_pushvalue(state, 1)
  const table = lua.lua_gettop(state)
  for (let level = 1; level <= 2; level++) {
    if (lua.lua_getstack(state, level, record) === 0) break
    lua.lua_getinfo(state, luaBytes('Sl'), record)
    if (record.currentline <= 0) continue
    pushBytes(state, chunkName)
    setField(state, table, 'source')
    pushBytes(state, String(record.currentline))
    setField(state, table, 'line')
    break
  }
  return 1
}

function failure(state: State, name: string): ReplyError {
  const error = textField(state, -1, 'err') ?? 'ERR unknown error'
  const source = textField(state, -1, 'source')
  const line = textField(state, -1, 'line')
  const place = source === undefined ? '' : `, on ${source}:${line}.`
  return new ReplyError(`${error} script: ${name}${place}`.replaceAll(/[\r\n]/g, ' '))
}

const named = /(attempt to [\w ]+?) a (\w+) value \((global|local|field|upvalue|method) ('[^']*')\)/

/** The words of Lua 5.1 for what 5.3 says in another order. */
function asLua51(message: Bytes): Bytes {
  return message.replace(named, '$1 $3 $4 (a $2 value)').replace(/near <eof>$/, "near '<eof>'")
}
