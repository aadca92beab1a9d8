import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { pairs, reads, span, word, writes, type Command, type Context } from './command.ts'
import { deadlineOf, expireAt, lifetimeAt, type Unit } from './deadlines.ts'
import { notFloat, notInteger, syntaxError, wrongArity } from './errors.ts'
import { addLongDoubles, formatLongDouble, longDoubleOf } from './long-double.ts'
import { addIntegers, index, integer, integerOf, minInt64, type Integer } from './numbers.ts'
import { set, store } from './set-command.ts'

/** proto-max-bulk-len. */
const maxStringBytes = 512 * 1024 * 1024

function get({ keys }: Context, argv: Argv): Reply {
  return keys.find(word(argv, 1), 'string')?.bytes ?? null
}

function setIfAbsent(context: Context, argv: Argv): Reply {
  if (context.keys.has(word(argv, 1))) return 0
  store(context, word(argv, 1), { value: word(argv, 2) })
  return 1
}

function setWith(unit: Unit, command: string) {
  return (context: Context, argv: Argv): Reply => {
    const deadline = deadlineOf(unit, word(argv, 2), { clock: context.clock, command })
    store(context, word(argv, 1), { value: word(argv, 3), deadline })
    return ok
  }
}

function getAndSet(context: Context, argv: Argv): Reply {
  const before = get(context, argv)
  store(context, word(argv, 1), { value: word(argv, 2) })
  return before
}

function getAndDelete(context: Context, argv: Argv): Reply {
  const before = get(context, argv)
  if (before !== null) {
    context.keys.delete(word(argv, 1))
    context.log(['DEL', word(argv, 1)])
  }
  return before
}

function getAndExpire(context: Context, argv: Argv): Reply {
  const lifetime = argv.length === 2 ? undefined : lifetimeAt(argv, 2)
  const words = lifetime?.kind === 'until' ? 4 : 3
  if (argv.length > 2 && (!lifetime || lifetime.kind === 'keep' || argv.length !== words)) {
    throw syntaxError()
  }
  const key = word(argv, 1)
  const value = context.keys.find(key, 'string')
  if (!value) return null
  if (lifetime?.kind === 'until') {
    const { unit, amount } = lifetime
    expireAt(context, key, deadlineOf(unit, amount, { clock: context.clock, command: 'getex' }))
  } else if (lifetime && context.keys.deadline(key) !== undefined) {
    context.keys.setDeadline(key, undefined)
    context.log(['PERSIST', key])
  }
  return value.bytes
}

function getMany({ keys }: Context, argv: Argv): Reply {
  return argv.slice(1).map((key) => {
    const value = keys.get(key)
    return value?.type === 'string' ? value.bytes : null
  })
}

function setMany(context: Context, argv: Argv): Reply {
  if (argv.length % 2 === 0) throw wrongArity(word(argv, 0))
  for (const [key, value] of pairs(argv, 1)) store(context, key, { value })
  return ok
}

function setManyIfAbsent(context: Context, argv: Argv): Reply {
  if (argv.length % 2 === 0) throw wrongArity(word(argv, 0))
  const found = pairs(argv, 1)
  if (found.some(([key]) => context.keys.has(key))) return 0
  for (const [key, value] of found) store(context, key, { value })
  return 1
}

function add(context: Context, argv: Argv, increment: Integer): Reply {
  const key = word(argv, 1)
  const before = context.keys.find(key, 'string')?.bytes ?? '0'
  const number = integerOf(before)
  if (number === undefined) throw notInteger()
  const sum = addIntegers(number, increment)
  context.keys.set(key, { type: 'string', bytes: String(sum) })
  context.log(argv)
  return sum
}

function subtract(context: Context, argv: Argv): Reply {
  const decrement = BigInt(integer(word(argv, 2)))
  if (decrement === minInt64) throw new ReplyError('ERR decrement would overflow')
  return add(
    context,
    argv,
    Number.isSafeInteger(Number(decrement)) ? -Number(decrement) : -decrement,
  )
}

function addFloat(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const before = longDoubleOf(context.keys.find(key, 'string')?.bytes ?? '0')
  const increment = longDoubleOf(word(argv, 2))
  if (!before || !increment) throw notFloat()
  const value = formatLongDouble(addLongDoubles(before, increment))
  store(context, key, { value, keep: true })
  return value
}

function append(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const value = (context.keys.find(key, 'string')?.bytes ?? '') + word(argv, 2)
  checkLength(value.length)
  context.keys.set(key, { type: 'string', bytes: value })
  context.log(argv)
  return value.length
}

function length({ keys }: Context, argv: Argv): Reply {
  return keys.find(word(argv, 1), 'string')?.bytes.length ?? 0
}

function getRange({ keys }: Context, argv: Argv): Reply {
  const start = index(word(argv, 2))
  const stop = index(word(argv, 3))
  const bytes: Bytes = keys.find(word(argv, 1), 'string')?.bytes ?? ''
  if (start < 0 && stop < 0 && start > stop) return ''
  const [from, to] = span(start, Math.max(stop, -bytes.length), bytes.length)
  return bytes.slice(from, to)
}

function setRange(context: Context, argv: Argv): Reply {
  const offset = index(word(argv, 2))
  if (offset < 0) throw new ReplyError('ERR offset is out of range')
  const key = word(argv, 1)
  const value = word(argv, 3)
  const before: Bytes = context.keys.find(key, 'string')?.bytes ?? ''
  if (value === '') return before.length
  checkLength(offset + value.length)
  const bytes =
    before.slice(0, offset).padEnd(offset, '\0') + value + before.slice(offset + value.length)
  context.keys.set(key, { type: 'string', bytes })
  context.log(argv)
  return bytes.length
}

function checkLength(bytes: number): void {
  if (bytes > maxStringBytes) {
    throw new ReplyError('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
  }
}

export const strings: Readonly<Record<string, Command>> = {
  GET: reads(2, get),
  SET: writes(-3, set),
  SETNX: writes(3, setIfAbsent),
  SETEX: writes(4, setWith('EX', 'setex')),
  PSETEX: writes(4, setWith('PX', 'psetex')),
  GETSET: writes(3, getAndSet),
  GETDEL: writes(2, getAndDelete),
  GETEX: writes(-2, getAndExpire),
  MGET: reads(-2, getMany),
  MSET: writes(-3, setMany),
  MSETNX: writes(-3, setManyIfAbsent),
  INCR: writes(2, (context, argv) => add(context, argv, 1)),
  DECR: writes(2, (context, argv) => add(context, argv, -1)),
  INCRBY: writes(3, (context, argv) => add(context, argv, integer(word(argv, 2)))),
  DECRBY: writes(3, subtract),
  INCRBYFLOAT: writes(3, addFloat),
  APPEND: writes(3, append),
  STRLEN: reads(2, length),
  GETRANGE: reads(4, getRange),
  SUBSTR: reads(4, getRange),
  SETRANGE: writes(4, setRange),
}
