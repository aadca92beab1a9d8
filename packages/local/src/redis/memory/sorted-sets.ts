import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, pairs, reads, span, word, writes, type Command, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { cursorOf, scanOptions } from './keys.ts'
import { count, double, formatDouble, index } from './numbers.ts'
import { drawIndexes } from './random.ts'
import { boundedSpan, lexBounds, scoreBounds, type Bounds } from './sorted-set-ranges.ts'
import { SortedSet, type Scored } from './sorted-set.ts'

const nothing = new SortedSet()

export function scoresAt({ keys }: Context, key: Bytes): SortedSet {
  return keys.find(key, 'zset')?.scores ?? nothing
}

/** Replies with members, or with members and their scores in turn. */
export function listed(entries: readonly Scored[], withScores: boolean): Reply {
  return withScores
    ? entries.flatMap(({ member, score }) => [member, formatDouble(score)])
    : entries.map(({ member }) => member)
}

function dropWhenEmpty({ keys }: Context, key: Bytes): void {
  if (keys.find(key, 'zset')?.scores.size === 0) keys.delete(key)
}

const addFlags = ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR'] as const
type AddFlag = (typeof addFlags)[number]

function isAddFlag(name: string): name is AddFlag {
  return addFlags.some((flag) => flag === name)
}

type Addition = {
  readonly flags: ReadonlySet<AddFlag>
  readonly entries: readonly { readonly member: Bytes; readonly score: number }[]
}

function parseAdd(argv: Argv): Addition {
  const flags = new Set<AddFlag>()
  let at = 2
  for (let name = option(argv, at); isAddFlag(name); name = option(argv, ++at)) flags.add(name)
  const words = argv.length - at
  if (words === 0 || words % 2 === 1) throw syntaxError()
  if (flags.has('NX') && flags.has('XX')) {
    throw new ReplyError('ERR XX and NX options at the same time are not compatible')
  }
  const exclusive = [flags.has('NX'), flags.has('GT'), flags.has('LT')].filter(Boolean).length
  if (exclusive > 1) {
    throw new ReplyError('ERR GT, LT, and/or NX options at the same time are not compatible')
  }
  if (flags.has('INCR') && words > 2) {
    throw new ReplyError('ERR INCR option supports a single increment-element pair')
  }
  const entries = pairs(argv, at).map(([score, member]) => ({ member, score: double(score) }))
  return { flags, entries }
}

/** The score the flags let the member have, or undefined to leave it alone. */
function nextScore(
  flags: ReadonlySet<AddFlag>,
  before: number | undefined,
  given: number,
): number | undefined {
  if (before === undefined) return flags.has('XX') ? undefined : given
  if (flags.has('NX')) return undefined
  const next = flags.has('INCR') ? before + given : given
  if (Number.isNaN(next)) throw new ReplyError('ERR resulting score is not a number (NaN)')
  if (flags.has('GT') && next <= before) return undefined
  if (flags.has('LT') && next >= before) return undefined
  return next
}

function addScores(context: Context, argv: Argv, { flags, entries }: Addition): Reply {
  const key = word(argv, 1)
  const scores = context.keys.find(key, 'zset')?.scores ?? new SortedSet()
  const sizeBefore = scores.size
  let changed = 0
  let last: number | undefined
  for (const { member, score } of entries) {
    const before = scores.score(member)
    last = nextScore(flags, before, score)
    if (last === undefined) continue
    if (before !== undefined && before !== last) changed++
    scores.set(member, last)
  }
  const added = scores.size - sizeBefore
  if (sizeBefore === 0 && added > 0) context.keys.set(key, { type: 'zset', scores })
  if (added + changed > 0) context.log(argv)
  if (flags.has('INCR')) return last === undefined ? null : formatDouble(last)
  return flags.has('CH') ? added + changed : added
}

function increment(context: Context, argv: Argv): Reply {
  const entry = { member: word(argv, 3), score: double(word(argv, 2)) }
  return addScores(context, argv, { flags: new Set(['INCR']), entries: [entry] })
}

function remove(context: Context, argv: Argv): Reply {
  const key = word(argv, 1)
  const scores = context.keys.find(key, 'zset')?.scores
  const gone = argv.slice(2).filter((member) => scores?.delete(member))
  if (gone.length > 0) context.log(['ZREM', key, ...gone])
  dropWhenEmpty(context, key)
  return gone.length
}

function scoreOf(context: Context, key: Bytes, member: Bytes): Reply {
  const score = scoresAt(context, key).score(member)
  return score === undefined ? null : formatDouble(score)
}

function rank(reverse: boolean) {
  return (context: Context, argv: Argv): Reply => {
    const scores = scoresAt(context, word(argv, 1))
    const found = scores.rank(word(argv, 2))
    if (found === undefined) return null
    return reverse ? scores.size - 1 - found : found
  }
}

function countIn(bounds: (min: Bytes, max: Bytes) => Bounds) {
  return (context: Context, argv: Argv): Reply => {
    const within = bounds(word(argv, 2), word(argv, 3))
    const [from, to] = boundedSpan(scoresAt(context, word(argv, 1)), within)
    return to - from
  }
}

type SpanOf = (argv: Argv) => (scores: SortedSet) => readonly [number, number]

function removeIn(spanOf: SpanOf) {
  return (context: Context, argv: Argv): Reply => {
    const within = spanOf(argv)
    const scores = scoresAt(context, word(argv, 1))
    const doomed = scores
      .entries()
      .slice(...within(scores))
      .map(({ member }) => member)
    return doomed.length === 0 ? 0 : remove(context, ['ZREM', word(argv, 1), ...doomed])
  }
}

const byRank: SpanOf = (argv) => {
  const [start, stop] = [index(word(argv, 2)), index(word(argv, 3))]
  return (scores) => span(start, stop, scores.size)
}
const byScore: SpanOf = (argv) => {
  const bounds = scoreBounds(word(argv, 2), word(argv, 3))
  return (scores) => boundedSpan(scores, bounds)
}
const byLex: SpanOf = (argv) => {
  const bounds = lexBounds(word(argv, 2), word(argv, 3))
  return (scores) => boundedSpan(scores, bounds)
}

function pop(end: 'min' | 'max') {
  return (context: Context, argv: Argv): Reply => {
    if (argv.length > 3) throw syntaxError()
    const wanted = argv.length === 3 ? count(word(argv, 2)) : 1
    const entries = scoresAt(context, word(argv, 1)).entries()
    const taken = (end === 'min' ? entries.slice(0) : entries.toReversed()).slice(0, wanted)
    if (taken.length > 0) {
      remove(context, ['ZREM', word(argv, 1), ...taken.map(({ member }) => member)])
    }
    return listed(taken, true)
  }
}

function pickRandom(context: Context, argv: Argv): Reply {
  const entries = scoresAt(context, word(argv, 1)).entries()
  if (argv.length === 2) {
    const [picked = -1] = drawIndexes(entries.length, -1, context.random)
    return entries[picked]?.member ?? null
  }
  const withScores = option(argv, 3) === 'WITHSCORES'
  if (argv.length > 4 || (argv.length === 4 && !withScores)) throw syntaxError()
  const picked = drawIndexes(entries.length, index(word(argv, 2)), context.random)
  return listed(
    picked.flatMap((at) => entries[at] ?? []),
    withScores,
  )
}

function scan(context: Context, argv: Argv): Reply {
  cursorOf(word(argv, 2))
  const entries = scoresAt(context, word(argv, 1)).entries()
  if (entries.length === 0) return ['0', []]
  const { matches } = scanOptions(argv, 3)
  return [
    '0',
    listed(
      entries.filter(({ member }) => matches(member)),
      true,
    ),
  ]
}

export const sortedSets: Readonly<Record<string, Command>> = {
  ZADD: writes(-4, (context, argv) => addScores(context, argv, parseAdd(argv))),
  ZINCRBY: writes(4, increment),
  ZREM: writes(-3, remove),
  ZSCORE: reads(3, (context, argv) => scoreOf(context, word(argv, 1), word(argv, 2))),
  ZMSCORE: reads(-3, (context, argv) =>
    argv.slice(2).map((member) => scoreOf(context, word(argv, 1), member)),
  ),
  ZCARD: reads(2, (context, argv) => scoresAt(context, word(argv, 1)).size),
  ZCOUNT: reads(4, countIn(scoreBounds)),
  ZLEXCOUNT: reads(4, countIn(lexBounds)),
  ZRANK: reads(3, rank(false)),
  ZREVRANK: reads(3, rank(true)),
  ZREMRANGEBYRANK: writes(4, removeIn(byRank)),
  ZREMRANGEBYSCORE: writes(4, removeIn(byScore)),
  ZREMRANGEBYLEX: writes(4, removeIn(byLex)),
  ZPOPMIN: writes(-2, pop('min')),
  ZPOPMAX: writes(-2, pop('max')),
  ZRANDMEMBER: reads(-2, pickRandom),
  ZSCAN: reads(-3, scan),
}
