import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { option, pairs, reads, word, writes, type Command, type Context } from './command.ts'
import { notFloat, syntaxError, wrongArity } from './errors.ts'
import { cursorOf, scanOptions } from './keys.ts'
import { addLongDoubles, formatLongDouble, longDoubleOf } from './long-double.ts'
import { addIntegers, index, integer, integerOf } from './numbers.ts'
import { drawIndexes } from './random.ts'

const nothing: ReadonlyMap<Bytes, Bytes> = new Map()

function fieldsAt({ keys }: Context, argv: Argv): ReadonlyMap<Bytes, Bytes> {
  return keys.find(word(argv, 1), 'hash')?.fields ?? nothing
}

/** The fields at the key, which is created when it is not there. */
function fieldsFor({ keys }: Context, key: Bytes): Map<Bytes, Bytes> {
  const found = keys.find(key, 'hash')
  if (found) return found.fields
  const fields = new Map<Bytes, Bytes>()
  keys.set(key, { type: 'hash', fields })
  return fields
}

function setFields(context: Context, argv: Argv): number {
  if (argv.length % 2 === 1) throw wrongArity(word(argv, 0))
  const fields = fieldsFor(context, word(argv, 1))
  const before = fields.size
  for (const [field, value] of pairs(argv, 2)) fields.set(field, value)
  context.log(argv)
  return fields.size - before
}

function setIfAbsent(context: Context, argv: Argv): Reply {
  const fields = fieldsFor(context, word(argv, 1))
  if (fields.has(word(argv, 2))) return 0
  fields.set(word(argv, 2), word(argv, 3))
  context.log(argv)
  return 1
}

function remove(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const fields = context.keys.find(key, 'hash')?.fields
  const gone = argv.slice(2).filter((field) => fields?.delete(field))
  if (gone.length > 0) context.log(['HDEL', key, ...gone])
  if (fields?.size === 0) context.keys.delete(key)
  return gone.length
}

function increment(context: Context, argv: Argv): Reply {
  const step = integer(word(argv, 3))
  const fields = context.keys.find(word(argv, 1), 'hash')?.fields
  const before = integerOf(fields?.get(word(argv, 2)) ?? '0')
  if (before === undefined) throw new ReplyError('ERR hash value is not an integer')
  const sum = addIntegers(before, step)
  fieldsFor(context, word(argv, 1)).set(word(argv, 2), String(sum))
  context.log(argv)
  return sum
}

function incrementFloat(context: Context, argv: Argv): Reply {
  const step = longDoubleOf(word(argv, 3))
  if (!step) throw notFloat()
  const fields = context.keys.find(word(argv, 1), 'hash')?.fields
  const before = longDoubleOf(fields?.get(word(argv, 2)) ?? '0')
  if (!before) throw new ReplyError('ERR hash value is not a float')
  const value = formatLongDouble(addLongDoubles(before, step))
  fieldsFor(context, word(argv, 1)).set(word(argv, 2), value)
  context.log(['HSET', word(argv, 1), word(argv, 2), value])
  return value
}

function scan(context: Context, argv: Argv): Reply {
  cursorOf(word(argv, 2))
  const fields = fieldsAt(context, argv)
  if (fields.size === 0) return ['0', []]
  const { matches } = scanOptions(argv, 3)
  return ['0', [...fields].filter(([field]) => matches(field)).flat()]
}

function pickRandom(context: Context, argv: Argv): Reply {
  const entries = [...fieldsAt(context, argv)]
  if (argv.length === 2) {
    const [picked = -1] = drawIndexes(entries.length, -1, context.random)
    return entries[picked]?.[0] ?? null
  }
  const wanted = index(word(argv, 2))
  const withValues = option(argv, 3) === 'WITHVALUES'
  if (argv.length > 4 || (argv.length === 4 && !withValues)) throw syntaxError()
  const picked = drawIndexes(entries.length, wanted, context.random).map((at) => entries[at] ?? [])
  return withValues ? picked.flat() : picked.map(([field = '']) => field)
}

export const hashes: Readonly<Record<string, Command>> = {
  HSET: writes(-4, setFields),
  HMSET: writes(-4, (context, argv) => {
    setFields(context, argv)
    return ok
  }),
  HSETNX: writes(4, setIfAbsent),
  HGET: reads(3, (context, argv) => fieldsAt(context, argv).get(word(argv, 2)) ?? null),
  HMGET: reads(-3, (context, argv) => {
    const fields = fieldsAt(context, argv)
    return argv.slice(2).map((field) => fields.get(field) ?? null)
  }),
  HGETALL: reads(2, (context, argv) => [...fieldsAt(context, argv)].flat()),
  HDEL: writes(-3, remove),
  HEXISTS: reads(3, (context, argv) => Number(fieldsAt(context, argv).has(word(argv, 2)))),
  HINCRBY: writes(4, increment),
  HINCRBYFLOAT: writes(4, incrementFloat),
  HKEYS: reads(2, (context, argv) => [...fieldsAt(context, argv).keys()]),
  HVALS: reads(2, (context, argv) => [...fieldsAt(context, argv).values()]),
  HLEN: reads(2, (context, argv) => fieldsAt(context, argv).size),
  HSTRLEN: reads(3, (context, argv) => fieldsAt(context, argv).get(word(argv, 2))?.length ?? 0),
  HSCAN: reads(-3, scan),
  HRANDFIELD: reads(-2, pickRandom),
}
