import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { cursorOf, scanOptions } from './keys.ts'
import { count, index } from './numbers.ts'
import { drawIndexes } from './random.ts'

const nothing: ReadonlySet<Bytes> = new Set()

function membersAt({ keys }: Context, key: Bytes): ReadonlySet<Bytes> {
  return keys.find(key, 'set')?.members ?? nothing
}

function dropWhenEmpty({ keys }: Context, key: Bytes): void {
  if (keys.find(key, 'set')?.members.size === 0) keys.delete(key)
}

function membersFor({ keys }: Context, key: Bytes): Set<Bytes> {
  const found = keys.find(key, 'set')
  if (found) return found.members
  const members = new Set<Bytes>()
  keys.set(key, { type: 'set', members })
  return members
}

function add(context: Context, argv: Argv): Reply {
  const members = membersFor(context, word(argv, 1))
  const before = members.size
  for (const member of argv.slice(2)) members.add(member)
  if (members.size > before) context.log(argv)
  return members.size - before
}

function remove(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const members = context.keys.find(key, 'set')?.members
  const gone = argv.slice(2).filter((member) => members?.delete(member))
  if (gone.length > 0) context.log(['SREM', key, ...gone])
  dropWhenEmpty(context, key)
  return gone.length
}

function move(context: Context, argv: Argv): Reply {
  const [, source = '', target = '', member = ''] = argv
  const members = context.keys.find(source, 'set')?.members
  if (!members) return 0
  const targets = context.keys.find(target, 'set')?.members
  if (source === target) return Number(members.has(member))
  if (!members.delete(member)) return 0
  const into = targets ?? membersFor(context, target)
  into.add(member)
  dropWhenEmpty(context, source)
  context.log(argv)
  return 1
}

function pop(context: Context, argv: Argv): Reply {
  if (argv.length > 3) throw syntaxError()
  const wanted = argv.length === 3 ? count(word(argv, 2)) : undefined
  const key = word(argv, 1)
  const members = [...membersAt(context, key)]
  const picked = drawIndexes(members.length, wanted ?? 1, context.random).map(
    (at) => members[at] ?? '',
  )
  if (picked.length > 0) remove(context, ['SREM', key, ...picked])
  return wanted === undefined ? (picked[0] ?? null) : picked
}

function pickRandom(context: Context, argv: Argv): Reply {
  if (argv.length > 3) throw syntaxError()
  const wanted = argv.length === 3 ? index(word(argv, 2)) : undefined
  const members = [...membersAt(context, word(argv, 1))]
  const picked = drawIndexes(members.length, wanted ?? -1, context.random).map(
    (at) => members[at] ?? '',
  )
  return wanted === undefined ? (picked[0] ?? null) : picked
}

type Combine = (context: Context, keys: Argv) => Set<Bytes>

function intersection(context: Context, keys: Argv): Set<Bytes> {
  const [first = new Set<Bytes>(), ...rest] = keys.map((key) => membersAt(context, key))
  return new Set([...first].filter((member) => rest.every((members) => members.has(member))))
}

function union(context: Context, keys: Argv): Set<Bytes> {
  return new Set(keys.flatMap((key) => [...membersAt(context, key)]))
}

function difference(context: Context, keys: Argv): Set<Bytes> {
  const [first = new Set<Bytes>(), ...rest] = keys.map((key) => membersAt(context, key))
  return new Set([...first].filter((member) => !rest.some((members) => members.has(member))))
}

function storeAs(combine: Combine) {
  return (context: Context, argv: Argv): Reply => {
    const key = word(argv, 1)
    const members = combine(context, argv.slice(2))
    const existed = context.keys.delete(key)
    if (members.size > 0) context.keys.set(key, { type: 'set', members })
    if (members.size > 0 || existed) context.log(argv)
    return members.size
  }
}

function countIntersection(context: Context, argv: Argv): Reply {
  const keys = index(word(argv, 1))
  if (keys < 1) throw new ReplyError('ERR numkeys should be greater than 0')
  if (keys > argv.length - 2) {
    throw new ReplyError("ERR Number of keys can't be greater than number of args")
  }
  const rest = argv.slice(2 + keys)
  if (rest.length !== 0 && (rest.length !== 2 || option(rest, 0) !== 'LIMIT')) throw syntaxError()
  const limit = rest.length === 2 ? index(word(rest, 1)) : 0
  if (limit < 0) throw new ReplyError("ERR LIMIT can't be negative")
  const { size } = intersection(context, argv.slice(2, 2 + keys))
  return limit === 0 ? size : Math.min(size, limit)
}

function scan(context: Context, argv: Argv): Reply {
  cursorOf(word(argv, 2))
  const members = membersAt(context, word(argv, 1))
  if (members.size === 0) return ['0', []]
  const { matches } = scanOptions(argv, 3)
  return ['0', [...members].filter(matches)]
}

export const sets: Readonly<Record<string, Command>> = {
  SADD: writes(-3, add),
  SREM: writes(-3, remove),
  SMEMBERS: reads(2, (context, argv) => [...membersAt(context, word(argv, 1))]),
  SISMEMBER: reads(3, (context, argv) =>
    Number(membersAt(context, word(argv, 1)).has(word(argv, 2))),
  ),
  SMISMEMBER: reads(-3, (context, argv) => {
    const members = membersAt(context, word(argv, 1))
    return argv.slice(2).map((member) => Number(members.has(member)))
  }),
  SCARD: reads(2, (context, argv) => membersAt(context, word(argv, 1)).size),
  SMOVE: writes(4, move),
  SPOP: writes(-2, pop),
  SRANDMEMBER: reads(-2, pickRandom),
  SINTER: reads(-2, (context, argv) => [...intersection(context, argv.slice(1))]),
  SUNION: reads(-2, (context, argv) => [...union(context, argv.slice(1))]),
  SDIFF: reads(-2, (context, argv) => [...difference(context, argv.slice(1))]),
  SINTERSTORE: writes(-3, storeAs(intersection)),
  SUNIONSTORE: writes(-3, storeAs(union)),
  SDIFFSTORE: writes(-3, storeAs(difference)),
  SINTERCARD: reads(-3, countIntersection),
  SSCAN: reads(-3, scan),
}
