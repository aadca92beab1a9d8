import { base64Of, textOf } from '../bytes.ts'
import { isStatus, ReplyError, type Reply } from '../reply.ts'

/** How the client wants its replies. */
export type Format = 'json' | 'base64' | 'resp2'

/** `{"result": …}` or `{"error": …}`. */
export function encodeReply(reply: Reply, format: Exclude<Format, 'resp2'>): string {
  if (reply instanceof ReplyError) return encodeError(reply.message)
  // Only the whole answer is spared from base64; the clients decode every string inside a list.
  const spared = format === 'base64' && reply !== null && isOk(reply)
  return spared ? '{"result":"OK"}' : `{"result":${value(reply, format)}}`
}

export function encodeError(message: string): string {
  return `{"error":${JSON.stringify(textOf(message))}}`
}

function isOk(reply: Exclude<Reply, null>): boolean {
  return typeof reply === 'object' && isStatus(reply) && reply.status === 'OK'
}

/** JSON of a reply. Integers keep all their digits, whatever JavaScript makes of them at the other end. */
function value(reply: Reply, format: 'json' | 'base64'): string {
  if (reply === null) return 'null'
  if (typeof reply === 'string') return text(reply, format)
  if (typeof reply === 'number' || typeof reply === 'bigint') return String(reply)
  if (reply instanceof ReplyError) return text(reply.message, format)
  if (isStatus(reply)) return text(reply.status, format)
  return `[${reply.map((each) => value(each, format)).join(',')}]`
}

function text(bytes: string, format: 'json' | 'base64'): string {
  return format === 'base64' ? `"${base64Of(bytes)}"` : JSON.stringify(textOf(bytes))
}

/** The reply as a Redis server would send it, one character a byte. */
export function encodeResp2(reply: Reply): string {
  if (reply === null) return '$-1\r\n'
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`
  if (typeof reply === 'number' || typeof reply === 'bigint') return `:${reply}\r\n`
  if (reply instanceof ReplyError) return `-${reply.message}\r\n`
  if (isStatus(reply)) return `+${reply.status}\r\n`
  return `*${reply.length}\r\n${reply.map(encodeResp2).join('')}`
}
