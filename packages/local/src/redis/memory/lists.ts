import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { option, reads, span, word, writes, type Command, type Context } from './command.ts'
import { noSuchKey, syntaxError } from './errors.ts'
import { count, index, integer } from './numbers.ts'

type End = 'head' | 'tail'

const nothing: readonly Bytes[] = []

function itemsAt({ keys }: Context, argv: Argv): readonly Bytes[] {
  return keys.find(word(argv, 1), 'list')?.items ?? nothing
}

function dropWhenEmpty({ keys }: Context, key: Bytes): void {
  if (keys.find(key, 'list')?.items.length === 0) keys.delete(key)
}

function push(end: End, create: boolean) {
  return (context: Context, argv: Argv): Reply => {
    const key = word(argv, 1)
    const found = context.keys.find(key, 'list')
    if (!found && !create) return 0
    const items = found?.items ?? []
    if (!found) context.keys.set(key, { type: 'list', items })
    for (const item of argv.slice(2)) {
      if (end === 'head') items.unshift(item)
      else items.push(item)
    }
    context.log(argv)
    return items.length
  }
}

function take(items: Bytes[], end: End, wanted: number): Bytes[] {
  return end === 'head'
    ? items.splice(0, wanted)
    : items.splice(Math.max(0, items.length - wanted)).toReversed()
}

function pop(end: End) {
  return (context: Context, argv: Argv): Reply => {
    if (argv.length > 3) throw syntaxError()
    const key = word(argv, 1)
    const wanted = argv.length === 3 ? count(word(argv, 2)) : undefined
    const items = context.keys.find(key, 'list')?.items
    if (!items) return null
    if (wanted === 0) return []
    const taken = take(items, end, wanted ?? 1)
    context.log(argv)
    dropWhenEmpty(context, key)
    return wanted === undefined ? (taken[0] ?? null) : taken
  }
}

function range(context: Context, argv: Argv): Reply {
  const start = index(word(argv, 2))
  const stop = index(word(argv, 3))
  const items = itemsAt(context, argv)
  return items.slice(...span(start, stop, items.length))
}

function at(context: Context, argv: Argv): Reply {
  const items = context.keys.find(word(argv, 1), 'list')?.items
  return items?.at(index(word(argv, 2))) ?? null
}

function setAt(context: Context, argv: Argv): Reply {
  const items = context.keys.find(word(argv, 1), 'list')?.items
  if (!items) throw noSuchKey()
  const given = index(word(argv, 2))
  const from = given < 0 ? given + items.length : given
  if (from < 0 || from >= items.length) throw new ReplyError('ERR index out of range')
  items[from] = word(argv, 3)
  context.log(argv)
  return ok
}

function trim(context: Context, argv: Argv): Reply {
  const start = index(word(argv, 2))
  const stop = index(word(argv, 3))
  const value = context.keys.find(word(argv, 1), 'list')
  if (!value) return ok
  value.items = value.items.slice(...span(start, stop, value.items.length))
  context.log(argv)
  dropWhenEmpty(context, word(argv, 1))
  return ok
}

function removeEqual(context: Context, argv: Argv): Reply {
  const limit = index(word(argv, 2))
  const value = context.keys.find(word(argv, 1), 'list')
  if (!value) return 0
  const backwards = limit < 0
  let left = limit === 0 ? Infinity : Math.abs(limit)
  const ordered = backwards ? value.items.toReversed() : value.items
  const kept = ordered.filter((item) => item !== word(argv, 3) || left-- <= 0)
  const removed = value.items.length - kept.length
  value.items = backwards ? kept.toReversed() : kept
  if (removed > 0) context.log(argv)
  dropWhenEmpty(context, word(argv, 1))
  return removed
}

function insert(context: Context, argv: Argv): Reply {
  const side = option(argv, 2)
  if (side !== 'BEFORE' && side !== 'AFTER') throw syntaxError()
  const items = context.keys.find(word(argv, 1), 'list')?.items
  if (!items) return 0
  const pivot = items.indexOf(word(argv, 3))
  if (pivot < 0) return -1
  items.splice(side === 'BEFORE' ? pivot : pivot + 1, 0, word(argv, 4))
  context.log(argv)
  return items.length
}

type PositionOptions = {
  readonly rank: number
  readonly wanted: number | undefined
  readonly limit: number
}

function positionOptions(argv: Argv): PositionOptions {
  let rank = 1
  let wanted: number | undefined
  let limit = 0
  for (let each = 3; each < argv.length; each += 2) {
    const name = option(argv, each)
    if (each + 1 >= argv.length) throw syntaxError()
    const value = word(argv, each + 1)
    if (name === 'RANK') rank = rankOf(value)
    else if (name === 'COUNT') wanted = notNegative(value, 'COUNT')
    else if (name === 'MAXLEN') limit = notNegative(value, 'MAXLEN')
    else throw syntaxError()
  }
  return { rank, wanted, limit }
}

function rankOf(text: Bytes): number {
  const value = integer(text)
  if (value === 0) {
    throw new ReplyError(
      "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
        'or use negative to start from the end of the list',
    )
  }
  return Number(value)
}

function notNegative(text: Bytes, name: string): number {
  const value = index(text)
  if (value < 0) throw new ReplyError(`ERR ${name} can't be negative`)
  return value
}

function position(context: Context, argv: Argv): Reply {
  const { rank, wanted, limit } = positionOptions(argv)
  const items = itemsAt(context, argv)
  const found: number[] = []
  const most = wanted === undefined ? 1 : wanted || Infinity
  const looked = limit === 0 ? items.length : Math.min(limit, items.length)
  let skip = Math.abs(rank) - 1
  for (let step = 0; step < looked && found.length < most; step++) {
    const each = rank > 0 ? step : items.length - 1 - step
    if (items[each] === word(argv, 2) && skip-- <= 0) found.push(each)
  }
  return wanted === undefined ? (found[0] ?? null) : found
}

function endOf(text: string): End {
  if (text === 'LEFT') return 'head'
  if (text === 'RIGHT') return 'tail'
  throw syntaxError()
}

function moveItem(context: Context, argv: Argv, ends: readonly [End, End]): Reply {
  const source = context.keys.find(word(argv, 1), 'list')
  if (!source) return null
  const target = context.keys.find(word(argv, 2), 'list')
  const [item = ''] = take(source.items, ends[0], 1)
  const items = target?.items ?? []
  if (!target) context.keys.set(word(argv, 2), { type: 'list', items })
  if (ends[1] === 'head') items.unshift(item)
  else items.push(item)
  context.log(argv)
  dropWhenEmpty(context, word(argv, 1))
  return item
}

function popFirstOf(context: Context, argv: Argv): Reply {
  const keys = keyCount(argv)
  const end = endOf(option(argv, keys + 2))
  const rest = argv.slice(keys + 3)
  if (rest.length !== 0 && (rest.length !== 2 || option(rest, 0) !== 'COUNT')) throw syntaxError()
  const wanted = rest.length === 2 ? index(word(rest, 1)) : 1
  if (wanted < 1) throw new ReplyError('ERR count should be greater than 0')
  const key = argv.slice(2, 2 + keys).find((each) => context.keys.find(each, 'list'))
  const items = key === undefined ? undefined : context.keys.find(key, 'list')?.items
  if (key === undefined || !items) return null
  const taken = take(items, end, wanted)
  context.log([end === 'head' ? 'LPOP' : 'RPOP', key, String(taken.length)])
  dropWhenEmpty(context, key)
  return [key, taken]
}

function keyCount(argv: Argv): number {
  const keys = index(word(argv, 1))
  if (keys < 1) throw new ReplyError('ERR numkeys should be greater than 0')
  if (keys + 2 >= argv.length) throw syntaxError()
  return keys
}

export const lists: Readonly<Record<string, Command>> = {
  LPUSH: writes(-3, push('head', true)),
  RPUSH: writes(-3, push('tail', true)),
  LPUSHX: writes(-3, push('head', false)),
  RPUSHX: writes(-3, push('tail', false)),
  LPOP: writes(-2, pop('head')),
  RPOP: writes(-2, pop('tail')),
  LMPOP: writes(-4, popFirstOf),
  LRANGE: reads(4, range),
  LLEN: reads(2, (context, argv) => itemsAt(context, argv).length),
  LINDEX: reads(3, at),
  LSET: writes(4, setAt),
  LTRIM: writes(4, trim),
  LREM: writes(4, removeEqual),
  LINSERT: writes(5, insert),
  LPOS: reads(-3, position),
  LMOVE: writes(5, (context, argv) =>
    moveItem(context, argv, [endOf(option(argv, 3)), endOf(option(argv, 4))]),
  ),
  RPOPLPUSH: writes(3, (context, argv) => moveItem(context, argv, ['tail', 'head'])),
}
