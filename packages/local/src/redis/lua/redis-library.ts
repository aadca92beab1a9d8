import { createHash } from 'node:crypto'

import type { Bytes } from '../bytes.ts'
import { bytesOfBuffer } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { formatG } from '../memory/numbers.ts'
import { ReplyError, type Reply } from '../reply.ts'
import {
  auxiliary,
  bytesAt,
  lua,
  pushBytes,
  raise,
  setField,
  type NativeFunction,
  type State,
} from './fengari.ts'
import { pushRecord, pushReply } from './values.ts'

/** Runs a command for a script; an error is a reply, never thrown. */
export type Call = (argv: Argv) => Reply

export function sha1Of(source: Bytes): string {
  return createHash('sha1').update(source, 'latin1').digest('hex')
}

/** As Redis turns an error text into the message of an error reply: a first word of its own is kept as the code. */
function errorText(text: Bytes): Bytes {
  if (!text.startsWith('-')) return `ERR ${text}`
  const [line = ''] = text.slice(1).split(/[\r\n]/)
  return line.includes(' ') ? line : `ERR ${line}`
}

/** Pushes an error the way `redis.call` raises one. */
function pushError(state: State, message: Bytes): void {
  pushRecord(state, 'err', message)
}

/** The arguments as words, or undefined when one is neither a string nor a number. */
function wordsOf(state: State): Bytes[] | undefined {
  const words: Bytes[] = []
  for (let at = 1; at <= lua.lua_gettop(state); at++) {
    const type = lua.lua_type(state, at)
    if (type === lua.LUA_TSTRING) words.push(bytesAt(state, at))
    else if (type === lua.LUA_TNUMBER) words.push(formatG(lua.lua_tonumber(state, at), 17))
    else return undefined
  }
  return words
}

function replyTo(state: State, call: Call): Reply {
  const words = wordsOf(state)
  if (!words) {
    return new ReplyError('ERR Lua redis lib command arguments must be strings or integers')
  }
  if (words.length === 0) {
    return new ReplyError('ERR Please specify at least one argument for this redis lib call')
  }
  return call(words)
}

const singleField =
  (field: 'err' | 'ok'): NativeFunction =>
  (state) => {
    if (lua.lua_gettop(state) !== 1 || lua.lua_type(state, 1) !== lua.LUA_TSTRING) {
      pushError(state, 'ERR wrong number or type of arguments')
      return 1
    }
    const text = bytesAt(state, 1)
    pushRecord(state, field, field === 'ok' ? text : errorText(text.replace(/^-?/, '-')))
    return 1
  }

/** Raises an error table, with a position once the handler has added it. */
function raiseError(state: State, message: Bytes): number {
  pushError(state, message)
  return lua.lua_error(state)
}

function sha1hex(state: State): number {
  if (lua.lua_gettop(state) !== 1) return raiseError(state, 'ERR wrong number of arguments')
  pushBytes(state, sha1Of(bytesOfBuffer(auxiliary.luaL_tolstring(state, 1))))
  return 1
}

function log(state: State): number {
  if (lua.lua_gettop(state) < 2) {
    return raiseError(state, 'ERR redis.log() requires two arguments or more.')
  }
  const level = lua.lua_type(state, 1) === lua.LUA_TNUMBER ? lua.lua_tonumber(state, 1) : -1
  if (lua.lua_type(state, 1) !== lua.LUA_TNUMBER) {
    return raiseError(state, 'ERR First argument must be a number (log level).')
  }
  return level < 0 || level > 3 ? raiseError(state, 'ERR Invalid log level.') : 0
}

function setResp(state: State): number {
  if (lua.lua_gettop(state) !== 1) {
    return raiseError(state, 'ERR redis.setresp() requires one argument.')
  }
  return lua.lua_tonumber(state, 1) === 2
    ? 0
    : raise(state, 'redis.setresp(3) is not supported by the in-process engine')
}

/** The functions of the `redis` library. `current` is the caller of the script that runs now. */
export function redisFunctions(current: () => Call): Readonly<Record<string, NativeFunction>> {
  return {
    call: (state) => {
      const reply = replyTo(state, current())
      if (reply instanceof ReplyError) return raiseError(state, reply.message)
      pushReply(state, reply)
      return 1
    },
    pcall: (state) => {
      pushReply(state, replyTo(state, current()))
      return 1
    },
    error_reply: singleField('err'),
    status_reply: singleField('ok'),
    sha1hex,
    log,
    setresp: setResp,
    set_repl: () => 0,
    replicate_commands: (state) => {
      lua.lua_pushboolean(state, true)
      return 1
    },
  }
}

const constants = {
  LOG_DEBUG: 0,
  LOG_VERBOSE: 1,
  LOG_NOTICE: 2,
  LOG_WARNING: 3,
  REPL_NONE: 0,
  REPL_SLAVE: 1,
  REPL_REPLICA: 1,
  REPL_AOF: 2,
  REPL_ALL: 3,
  REDIS_VERSION_NUM: 0x07_00_0f,
}

export function addConstants(state: State, table: number): void {
  for (const [name, value] of Object.entries(constants)) {
    lua.lua_pushnumber(state, value)
    setField(state, table, name)
  }
  pushBytes(state, '7.0.15')
  setField(state, table, 'REDIS_VERSION')
}
