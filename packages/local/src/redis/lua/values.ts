import type { Bytes } from '../bytes.ts'
import { narrow } from '../memory/numbers.ts'
import { isList, isStatus, ReplyError, type Reply } from '../reply.ts'
import { bytesAt, lua, pushBytes, setField, type State } from './fengari.ts'

/** Stands for JSON's null in a table, where nil cannot. */
export const jsonNull = Object.freeze({ json: 'null' })

/** Nested deeper than this, a table is an error: it would exhaust the stack. */
const maxDepth = 100

/** Pushes a reply as Redis hands it to a script: nil is false, a status is `{ok = …}`, an error is `{err = …}`. */
export function pushReply(state: State, reply: Reply): void {
  lua.lua_checkstack(state, 8)
  if (reply === null) lua.lua_pushboolean(state, false)
  else if (typeof reply === 'string') pushBytes(state, reply)
  else if (typeof reply === 'number' || typeof reply === 'bigint') {
    lua.lua_pushnumber(state, Number(reply))
  } else if (reply instanceof ReplyError) pushRecord(state, 'err', reply.message)
  else if (isStatus(reply)) pushRecord(state, 'ok', reply.status)
  else if (isList(reply)) pushList(state, reply)
}

function pushList(state: State, replies: readonly Reply[]): void {
  lua.lua_createtable(state, replies.length, 0)
  for (const [at, each] of replies.entries()) {
    pushReply(state, each)
    lua.lua_rawseti(state, -2, at + 1)
  }
}

/** Pushes a table with one text field. */
export function pushRecord(state: State, field: string, text: Bytes): void {
  lua.lua_createtable(state, 0, 1)
  const table = lua.lua_gettop(state)
  pushBytes(state, text)
  setField(state, table, field)
}

/** The text at `field` of the table at `index`, if it is a string. */
export function textField(state: State, index: number, field: string): Bytes | undefined {
  const table = lua.lua_absindex(state, index)
  pushBytes(state, field)
  const isText = lua.lua_rawget(state, table) === lua.LUA_TSTRING
  const text = isText ? bytesAt(state, -1) : undefined
  lua.lua_pop(state, 1)
  return text
}

/** The value at `index` as the reply Redis makes of it: fractions are cut off, a table ends at its first nil. */
export function replyAt(state: State, index: number, depth = 0): Reply {
  switch (lua.lua_type(state, index)) {
    case lua.LUA_TSTRING:
      return bytesAt(state, index)
    case lua.LUA_TNUMBER:
      return integerReply(lua.lua_tonumber(state, index))
    case lua.LUA_TBOOLEAN:
      return lua.lua_toboolean(state, index) ? 1 : null
    case lua.LUA_TTABLE:
      return tableReply(state, lua.lua_absindex(state, index), depth)
    default:
      return null
  }
}

function integerReply(value: number): Reply {
  const whole = Math.trunc(value)
  if (Number.isSafeInteger(whole)) return whole + 0
  // x86 answers the smallest integer where a double does not fit.
  return whole >= -(2 ** 63) && whole < 2 ** 63 ? narrow(BigInt(whole)) : -(2n ** 63n)
}

function tableReply(state: State, table: number, depth: number): Reply {
  if (depth > maxDepth || !lua.lua_checkstack(state, 8)) {
    return new ReplyError('ERR reached lua stack limit')
  }
  const error = textField(state, table, 'err')
  if (error !== undefined) return new ReplyError(singleLine(error))
  const status = textField(state, table, 'ok')
  if (status !== undefined) return { status: singleLine(status) }
  const replies: Reply[] = []
  for (let at = 1; lua.lua_rawgeti(state, table, at) !== lua.LUA_TNIL; at++) {
    replies.push(replyAt(state, -1, depth + 1))
    lua.lua_pop(state, 1)
  }
  lua.lua_pop(state, 1)
  return replies
}

function singleLine(text: Bytes): Bytes {
  return text.replaceAll(/[\r\n]/g, ' ')
}
