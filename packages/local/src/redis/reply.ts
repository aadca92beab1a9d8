import type { Bytes } from './bytes.ts'

/** A simple string such as `OK`, which the base64 encoding and Lua treat unlike a bulk string. */
export type Status = { readonly status: string }

/** What a command answers. An integer beyond 2^53 is a bigint; both kinds of nil are `null`. */
export type Reply = number | bigint | null | Bytes | Status | ReplyError | readonly Reply[]

/** An error reply: `message` is what stands after the `-` on the wire. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
}

export const ok: Status = { status: 'OK' }

export function isStatus(reply: Reply): reply is Status {
  return typeof reply === 'object' && reply !== null && 'status' in reply
}

export function isList(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply)
}
