import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { doubleOf, index } from './numbers.ts'
import { boundedEntries, lexBounds, rankedEntries, scoreBounds } from './sorted-set-ranges.ts'
import type { Window } from './sorted-set-ranges.ts'
import { SortedSet, type Scored } from './sorted-set.ts'
import { listed, scoresAt } from './sorted-sets.ts'

type Order = 'rank' | 'score' | 'lex'

type Query = {
  readonly by: Order
  readonly reverse: boolean
  readonly withScores: boolean
  readonly limit: Window | undefined
}

const everything: Window = { offset: 0, count: -1 }

function queryOf(argv: Argv, position: number, fixed?: { by: Order; reverse: boolean }): Query {
  let { by, reverse } = fixed ?? { by: 'rank', reverse: false }
  let withScores = false
  let limit: Window | undefined
  for (let at = position; at < argv.length; at++) {
    const name = option(argv, at)
    if (name === 'WITHSCORES') withScores = true
    else if (name === 'LIMIT' && at + 2 < argv.length) {
      limit = { offset: index(word(argv, at + 1)), count: index(word(argv, at + 2)) }
      at += 2
    } else if (!fixed && name === 'BYSCORE') by = 'score'
    else if (!fixed && name === 'BYLEX') by = 'lex'
    else if (!fixed && name === 'REV') reverse = true
    else throw syntaxError()
  }
  if (limit && by === 'rank' && !isUnlimited(limit)) {
    throw new ReplyError(
      'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
    )
  }
  if (withScores && by === 'lex') {
    throw new ReplyError('ERR syntax error, WITHSCORES not supported in combination with BYLEX')
  }
  return { by, reverse, withScores, limit }
}

/** Redis tells a LIMIT apart from none by its values only. */
function isUnlimited({ offset, count }: Window): boolean {
  return offset === 0 && count === -1
}

/** Reads the two bounds at `position` and answers the entries of a sorted set between them. */
function selection(
  argv: Argv,
  position: number,
  query: Query,
): (scores: SortedSet) => readonly Scored[] {
  const { by, reverse, limit = everything } = query
  const first = word(argv, position)
  const second = word(argv, position + 1)
  if (by === 'rank') {
    const ranks = [index(first), index(second)] as const
    return (scores) => rankedEntries(scores, ranks, reverse)
  }
  const [min, max] = reverse ? [second, first] : [first, second]
  const bounds = by === 'score' ? scoreBounds(min, max) : lexBounds(min, max)
  return (scores) => boundedEntries(scores, bounds, { reverse, limit })
}

function range(fixed?: { by: Order; reverse: boolean }) {
  return (context: Context, argv: Argv): Reply => {
    const query = queryOf(argv, 4, fixed)
    const select = selection(argv, 2, query)
    return listed(select(scoresAt(context, word(argv, 1))), query.withScores)
  }
}

function rangeStore(context: Context, argv: Argv): Reply {
  const query = queryOf(argv, 5)
  if (query.withScores) throw syntaxError()
  const entries = selection(argv, 3, query)(scoresAt(context, word(argv, 2)))
  return storeScores(context, argv, new SortedSet(entries))
}

/** Puts `scores` at the first key of the command in place of whatever is there. */
function storeScores(context: Context, argv: Argv, scores: SortedSet): Reply {
  const key = word(argv, 1)
  const existed = context.keys.delete(key)
  if (scores.size > 0) context.keys.set(key, { type: 'zset', scores })
  if (scores.size > 0 || existed) context.log(argv)
  return scores.size
}

type Aggregate = (left: number, right: number) => number
type Combination = {
  readonly keys: Argv
  readonly weights: readonly number[]
  readonly aggregate: Aggregate
  readonly withScores: boolean
}

const aggregates: Readonly<Record<string, Aggregate>> = {
  SUM: (left, right) => (Number.isNaN(left + right) ? 0 : left + right),
  MIN: (left, right) => Math.min(left, right),
  MAX: (left, right) => Math.max(left, right),
}

/** Where `numkeys` stands, and whether WEIGHTS and AGGREGATE are unknown. */
type How = { readonly position: number; readonly plain: boolean }

/**
 * Reads `numkeys key… [WEIGHTS w…] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`.
 *
 * @throws ReplyError WRONGTYPE, before it looks at the options, as Redis does.
 */
function combinationOf({ keys: keyspace }: Context, argv: Argv, how: How): Combination {
  const { position, plain } = how
  const size = index(word(argv, position))
  if (size < 1) {
    throw new ReplyError(
      `ERR at least 1 input key is needed for '${word(argv, 0).toLowerCase()}' command`,
    )
  }
  if (size > argv.length - position - 1) throw syntaxError()
  const keys = argv.slice(position + 1, position + 1 + size)
  for (const key of keys) if (keyspace.get(key)?.type !== 'set') keyspace.find(key, 'zset')
  let weights = keys.map(() => 1)
  let aggregate = aggregates['SUM']
  let withScores = false
  for (let at = position + 1 + size; at < argv.length; at++) {
    const name = option(argv, at)
    if (name === 'WITHSCORES' && position === 1) withScores = true
    else if (!plain && name === 'WEIGHTS' && at + size < argv.length) {
      weights = argv.slice(at + 1, at + 1 + size).map(weightOf)
      at += size
    } else if (!plain && name === 'AGGREGATE') aggregate = aggregates[option(argv, ++at)]
    else throw syntaxError()
  }
  if (!aggregate) throw syntaxError()
  return { keys, weights, aggregate, withScores }
}

function weightOf(text: string): number {
  const weight = doubleOf(text)
  if (weight === undefined) throw new ReplyError('ERR weight value is not a float')
  return weight
}

/** The scores at a key; the members of a plain set count as scored 1. */
function weighted(context: Context, key: string, weight: number): Map<string, number> {
  const value = context.keys.get(key)
  const entries: readonly Scored[] =
    value?.type === 'set'
      ? [...value.members].map((member) => ({ member, score: 1 }))
      : scoresAt(context, key).entries()
  return new Map(
    entries.map(({ member, score }) => [member, Number.isNaN(score * weight) ? 0 : score * weight]),
  )
}

function combine(context: Context, how: 'union' | 'inter' | 'diff', given: Combination): SortedSet {
  const { keys, weights, aggregate } = given
  const inputs = keys.map((key, at) => weighted(context, key, weights[at] ?? 1))
  const [first = new Map<string, number>(), ...rest] = inputs
  const result = new Map(first)
  for (const input of rest) {
    for (const [member, score] of input) {
      const before = result.get(member)
      if (before !== undefined) result.set(member, aggregate(before, score))
      else if (how === 'union') result.set(member, score)
    }
  }
  const kept = (member: string) => {
    if (how === 'inter') return rest.every((input) => input.has(member))
    return how === 'union' || !rest.some((input) => input.has(member))
  }
  const entries = [...result].filter(([member]) => kept(member))
  return new SortedSet(
    entries.map(([member, score]) => ({
      member,
      score: how === 'diff' ? (first.get(member) ?? score) : score,
    })),
  )
}

function combined(how: 'union' | 'inter' | 'diff') {
  return (context: Context, argv: Argv): Reply => {
    const given = combinationOf(context, argv, { position: 1, plain: how === 'diff' })
    return listed(combine(context, how, given).entries(), given.withScores)
  }
}

function storeCombined(how: 'union' | 'inter' | 'diff') {
  return (context: Context, argv: Argv): Reply =>
    storeScores(
      context,
      argv,
      combine(context, how, combinationOf(context, argv, { position: 2, plain: how === 'diff' })),
    )
}

export const sortedSetQueries: Readonly<Record<string, Command>> = {
  ZRANGE: reads(-4, range()),
  ZREVRANGE: reads(-4, range({ by: 'rank', reverse: true })),
  ZRANGEBYSCORE: reads(-4, range({ by: 'score', reverse: false })),
  ZREVRANGEBYSCORE: reads(-4, range({ by: 'score', reverse: true })),
  ZRANGEBYLEX: reads(-4, range({ by: 'lex', reverse: false })),
  ZREVRANGEBYLEX: reads(-4, range({ by: 'lex', reverse: true })),
  ZRANGESTORE: writes(-5, rangeStore),
  ZUNION: reads(-3, combined('union')),
  ZINTER: reads(-3, combined('inter')),
  ZDIFF: reads(-3, combined('diff')),
  ZUNIONSTORE: writes(-4, storeCombined('union')),
  ZINTERSTORE: writes(-4, storeCombined('inter')),
  ZDIFFSTORE: writes(-4, storeCombined('diff')),
}
