import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { expireAt } from './deadlines.ts'
import { integer, maxInt64, minInt64 } from './numbers.ts'

type Timing = { readonly scale: bigint; readonly relative: boolean }

const flags = new Set(['NX', 'XX', 'GT', 'LT'])

function flagsOf(argv: Argv): Set<string> {
  const given = new Set<string>()
  for (let at = 3; at < argv.length; at++) {
    if (!flags.has(option(argv, at))) {
      throw new ReplyError(`ERR Unsupported option ${word(argv, at)}`)
    }
    given.add(option(argv, at))
  }
  if (given.has('NX') && given.size > 1) {
    throw new ReplyError('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (given.has('GT') && given.has('LT')) {
    throw new ReplyError('ERR GT and LT options at the same time are not compatible')
  }
  return given
}

/** Whether the flags let `next` replace `current`; no deadline counts as the far future. */
function allows(given: Set<string>, current: number | undefined, next: number): boolean {
  if (given.has('NX') && current !== undefined) return false
  if (given.has('XX') && current === undefined) return false
  if (given.has('GT') && (current === undefined || next <= current)) return false
  return !(given.has('LT') && current !== undefined && next >= current)
}

function deadline(context: Context, argv: Argv, { scale, relative }: Timing): number {
  const value = BigInt(integer(word(argv, 2))) * scale
  const absolute = relative ? value + BigInt(Math.trunc(context.clock.now)) : value
  if (value < minInt64 || absolute > maxInt64 || absolute < minInt64) {
    throw new ReplyError(`ERR invalid expire time in '${word(argv, 0).toLowerCase()}' command`)
  }
  return Number(absolute)
}

function expire(timing: Timing) {
  return (context: Context, argv: Argv): Reply => {
    const given = flagsOf(argv)
    const key: Bytes = word(argv, 1)
    const next = deadline(context, argv, timing)
    if (!context.keys.has(key) || !allows(given, context.keys.deadline(key), next)) return 0
    expireAt(context, key, next)
    return 1
  }
}

/** Remaining or absolute time; -2 without the key, -1 without a deadline. */
function timeLeft(unitMs: number, relative: boolean) {
  return ({ keys, clock }: Context, argv: Argv): Reply => {
    const key = word(argv, 1)
    if (!keys.has(key)) return -2
    const until = keys.deadline(key)
    if (until === undefined) return -1
    const milliseconds = relative ? Math.max(0, until - clock.now) : until
    return Math.floor((milliseconds + (unitMs > 1 ? unitMs / 2 : 0)) / unitMs)
  }
}

function persist(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  if (context.keys.deadline(key) === undefined) return 0
  context.keys.setDeadline(key, undefined)
  context.log(argv)
  return 1
}

export const expiryCommands: Readonly<Record<string, Command>> = {
  EXPIRE: writes(-3, expire({ scale: 1000n, relative: true })),
  PEXPIRE: writes(-3, expire({ scale: 1n, relative: true })),
  EXPIREAT: writes(-3, expire({ scale: 1000n, relative: false })),
  PEXPIREAT: writes(-3, expire({ scale: 1n, relative: false })),
  TTL: reads(2, timeLeft(1000, true)),
  PTTL: reads(2, timeLeft(1, true)),
  EXPIRETIME: reads(2, timeLeft(1000, false)),
  PEXPIRETIME: reads(2, timeLeft(1, false)),
  PERSIST: writes(2, persist),
}
