import type { Argv } from '../../src/redis/engine.ts'
import { isList, isStatus, ReplyError, type Reply } from '../../src/redis/reply.ts'

/** Replies whose order Redis leaves open. */
const unordered = new Set(['SMEMBERS', 'SUNION', 'SINTER', 'SDIFF', 'KEYS'])
/** Replies that depend on the moment: only whether there is a time left counts. */
const timed = new Set(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'])

/** A reply as plain data, without what two right engines may answer differently. */
export function comparable(argv: Argv, reply: Reply): unknown {
  const name = (argv[0] ?? '').toUpperCase()
  if (timed.has(name) && typeof reply === 'number') return reply > 0 ? 'some' : reply
  const plain = plainOf(reply)
  return unordered.has(name) && Array.isArray(plain)
    ? plain.toSorted((left, right) => (String(left) < String(right) ? -1 : 1))
    : plain
}

function plainOf(reply: Reply): unknown {
  if (reply instanceof ReplyError) return { error: reply.message }
  if (typeof reply === 'bigint') return `${reply}n`
  if (reply === null || typeof reply !== 'object' || isStatus(reply)) return reply
  return isList(reply) ? reply.map(plainOf) : reply
}
