import { slotOfKey } from '@stoa/kernel'
import type { MoveScope } from '@stoa/resharding'
import {
  type KeyRange,
  type Keyspace,
  type MovePlan,
  planDrain,
  planIsolate,
  planMerge,
  planMoves,
  planSplit,
  type SlotMap,
  slotMapOf,
} from '@stoa/sharding'

import { BadCommandError } from './faults.ts'
import { cutsIn, together, wavesApart, wavesTo } from './key-steps.ts'
import { cutAt, type KeySpan, parseKeyRanges, parseOwner, parseSlots } from './ranges.ts'
import { shardIn } from './system.ts'
import { requireWhole, unitOf } from './units.ts'

/** Commands that move rows. */
export const verbs = ['move', 'split', 'merge', 'drain', 'isolate', 'spread', 'rebalance'] as const
export type Verb = (typeof verbs)[number]

/** What a person asked for. */
export type Wish = {
  readonly verb: Verb
  readonly keyspace: string
  readonly from?: string | undefined
  /** Names of shards; one that is not there is made. */
  readonly to: readonly string[]
  readonly slots?: string | undefined
  readonly owner?: string | undefined
  readonly range?: string | undefined
  /** Keys at which an owner is cut. */
  readonly at?: string | undefined
  /** `name=2`. */
  readonly weights: readonly string[]
}

/** One move of the plan. */
export type Step = { readonly from: string; readonly to: string; readonly scope: MoveScope }

/** Moves in the order in which they can be made: those of one wave have nothing in common. */
export type Waves = readonly (readonly Step[])[]

/** Looks into the databases for keys that cut `span` into parts of as many rows each. */
export type FindCuts = (span: KeySpan, parts: number, map: SlotMap) => Promise<readonly string[]>

/** What the topology does not tell. */
type Asked = {
  readonly findCuts: FindCuts
  /** Whether some moves of the wish were made or written down. */
  readonly isBegun: boolean
}

type Planned = Asked & {
  readonly wish: Wish
  readonly keyspace: Keyspace
  readonly map: SlotMap
}

function need(value: string | undefined, { verb }: Wish, flag: string): string {
  if (value !== undefined) return value
  throw new BadCommandError(`Cannot ${verb} without --${flag}`)
}

function oneTarget(wish: Wish): string {
  const [to, ...others] = wish.to
  if (others.length > 0) throw new BadCommandError(`Cannot ${wish.verb} to several shards at once`)
  return need(to, wish, 'to')
}

function slotSteps({ moves }: MovePlan): readonly Step[] {
  return moves.map(({ from, to, slots }) => ({ from, to, scope: { kind: 'slots', slots } }))
}

/** Overrides that `from` holds in slots of others: they go to whoever will own the slot, the inner ones along. */
function overrideSteps(
  { keyspace, map }: Planned,
  from: string,
  { target }: Pick<MovePlan, 'target'>,
): readonly Step[] {
  const strays = (keyspace.ranges ?? []).filter(
    (range) => range.shard === from && map.place(slotOfKey(range.from)).shard.name !== from,
  )
  const isInner = (range: KeyRange) =>
    strays.some((outer) => outer !== range && outer.from <= range.from && range.to <= outer.to)
  return strays.flatMap((range): readonly Step[] => {
    const slot = slotOfKey(range.from)
    const to = target.find((each) => each.from <= slot && slot <= each.to)?.shard
    if (to === undefined || isInner(range)) return []
    return [{ from, to, scope: { kind: 'range', lo: range.from, hi: range.to } }]
  })
}

function movedSlots({ wish, map }: Planned, slots: readonly number[], to: string): readonly Step[] {
  const bySource = Map.groupBy(slots, (slot) => map.place(slot).shard.name)
  const isStray = (name: string) => wish.from !== undefined && name !== wish.from && name !== to
  const strays = [...bySource.keys()].find(isStray)
  if (strays !== undefined)
    throw new BadCommandError(
      `Cannot move slots from "${wish.from}": "${strays}" has ${bySource.get(strays)?.length} of them`,
    )
  return [...bySource]
    .filter(([from]) => from !== to)
    .map(([from, list]) => ({ from, to, scope: { kind: 'slots', slots: list } }))
}

function move(planned: Planned): Waves {
  const { wish } = planned
  const to = oneTarget(wish)
  const { slots, owner, range } = wish
  if ([slots, owner, range].filter((each) => each !== undefined).length !== 1)
    throw new BadCommandError(`Cannot ${wish.verb} without one of --slots, --owner and --range`)
  if (slots !== undefined) return [movedSlots(planned, parseSlots(slots), to)]
  const spans = owner === undefined ? parseKeyRanges(range ?? '') : [parseOwner(owner)]
  return together(spans.map((span) => wavesTo(planned, span, { to })))
}

function isolate(planned: Planned): Waves {
  const { wish, keyspace } = planned
  if (wish.slots === undefined) return move(planned)
  const slots = parseSlots(wish.slots)
  const into = oneTarget(wish)
  const held = slotsAt(planned, into)
  const isBegun = held.length > 0 && held.every((slot) => slots.includes(slot))
  if (isBegun) return [movedSlots(planned, slots, into)]
  return [slotSteps(planIsolate({ current: keyspace.slots, slots, into }))]
}

function slotsAt({ keyspace }: Pick<Planned, 'keyspace'>, name: string): readonly number[] {
  return keyspace.slots
    .filter(({ shard }) => shard === name)
    .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, at) => from + at))
}

function holds({ slots }: Keyspace, name: string): boolean {
  return slots.some(({ shard }) => shard === name)
}

/** The slots stay; overrides may be left to move. */
function unmoved({ slots }: Keyspace): MovePlan {
  return { moves: [], target: slots }
}

function drain(planned: Planned): Waves {
  const { wish, keyspace } = planned
  const from = need(wish.from, wish, 'from')
  shardIn(keyspace, from)
  const holding = new Set(keyspace.slots.map(({ shard }) => shard))
  const names = [...new Set([...holding, ...wish.to])].filter((name) => name !== from)
  if (names.length === 0) throw new BadCommandError(`Cannot drain "${from}" without --to`)
  const takes = (name: string) => wish.to.length === 0 || wish.to.includes(name)
  const nodes = names.map((name) => (takes(name) ? { name } : { name, capacity: 0 }))
  const plan = holds(keyspace, from)
    ? planDrain({ current: keyspace.slots, from, nodes, ...unitOf(keyspace) })
    : unmoved(keyspace)
  return [slotSteps(plan), overrideSteps(planned, from, plan)]
}

function merge(planned: Planned): Waves {
  const { wish, keyspace } = planned
  const from = need(wish.from, wish, 'from')
  const into = oneTarget(wish)
  for (const name of [from, into]) shardIn(keyspace, name)
  const plan = holds(keyspace, from)
    ? planMerge({ current: keyspace.slots, from, into, ...unitOf(keyspace) })
    : unmoved(keyspace)
  return [slotSteps(plan), overrideSteps(planned, from, plan)]
}

/** What a split that was begun moves in all: what the new shard has was the old one's. Undefined when it cannot be. */
function begunSplit(keyspace: Keyspace, from: string, into: string): readonly number[] | undefined {
  const held = slotsAt({ keyspace }, into)
  if (held.length === 0 || !holds(keyspace, from)) return undefined
  const current = keyspace.slots.map((range) =>
    range.shard === into ? { ...range, shard: from } : range,
  )
  const { moves } = planSplit({ current, from, into, ...unitOf(keyspace) })
  const slots = new Set(moves.flatMap((each) => each.slots))
  return held.every((slot) => slots.has(slot)) ? [...slots] : undefined
}

function split(planned: Planned): Waves {
  const { wish, keyspace } = planned
  const from = need(wish.from, wish, 'from')
  shardIn(keyspace, from)
  const into = oneTarget(wish)
  const begun = planned.isBegun ? begunSplit(keyspace, from, into) : undefined
  if (begun !== undefined) return [movedSlots(planned, begun, into)]
  return [slotSteps(planSplit({ current: keyspace.slots, from, into, ...unitOf(keyspace) }))]
}

/** The keys at which an owner is to be cut: those that were said, or where it is cut already, or by rows. */
async function cutsOf(planned: Planned, span: KeySpan): Promise<readonly string[]> {
  const { wish, map, findCuts } = planned
  const parts = wish.to.length
  if (wish.at !== undefined) return wish.at.split(',')
  const there = cutsIn(planned, span)
  return there.length > 0 ? there : findCuts(span, parts, map)
}

async function spread(planned: Planned): Promise<Waves> {
  const { wish } = planned
  const span = parseOwner(need(wish.owner, wish, 'owner'))
  const { to } = wish
  if (to.length < 2) throw new BadCommandError('Cannot spread without two shards or more in --to')
  if (new Set(to).size < to.length)
    throw new BadCommandError('Cannot spread over a shard that is named twice')
  const cuts = await cutsOf(planned, span)
  if (cuts.length !== to.length - 1)
    throw new BadCommandError(
      `Cannot spread over ${to.length} shards: there are ${cuts.length} cuts, and one less than shards are needed`,
    )
  const parts = cutAt(span, cuts).map((part, at) => ({ ...part, to: to[at] ?? '' }))
  return wavesApart(planned, span, parts)
}

function rebalance({ wish, keyspace }: Planned): Waves {
  const holding = keyspace.slots.map(({ shard }) => shard)
  const weights = new Map(
    wish.weights.map((text) => {
      const [, name = '', weight = ''] = /^([^=]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? []
      if (name === '') throw new BadCommandError(`Cannot read "${text}" in --weight: write NAME=2`)
      return [name, Number(weight)] as const
    }),
  )
  const names = [...new Set([...holding, ...wish.to])]
  for (const name of weights.keys()) shardIn({ shards: names.map(shardNamed) }, name)
  const nodes = names.map((name) => ({ name, weight: weights.get(name) ?? 1 }))
  return [slotSteps(planMoves({ current: keyspace.slots, nodes, ...unitOf(keyspace) }))]
}

function shardNamed(name: string) {
  return { name, url: '', incarnation: '' }
}

const planners: Readonly<Record<Verb, (planned: Planned) => Waves | Promise<Waves>>> = {
  move,
  split,
  merge,
  drain,
  isolate,
  spread,
  rebalance,
}

/**
 * The moves that make a wish true, from the topology as it is. Changes nothing.
 *
 * @throws BadCommandError, UnknownShardError, OverlappingRangesError when the wish cannot be.
 * @throws InvalidTopologyError, InvalidPlacementError, ImpossiblePlanError when the map is no partition or cannot become
 *   what is wished.
 */
export async function wavesOf(wish: Wish, keyspace: Keyspace, asked: Asked): Promise<Waves> {
  const map = slotMapOf(wish.keyspace, keyspace)
  if (wish.from !== undefined) shardIn(keyspace, wish.from)
  const waves = await planners[wish.verb]({ wish, keyspace, map, ...asked })
  requireWhole(wish, keyspace, waves)
  return waves.filter((wave) => wave.length > 0)
}

/** Whether nothing is left to do for a wish of which some moves were made; false also when a new plan will tell. */
export function isFulfilled({ verb, from, to }: Wish, keyspace: Keyspace): boolean {
  const { slots, ranges = [] } = keyspace
  switch (verb) {
    case 'split': {
      const [into = ''] = to
      return begunSplit(keyspace, from ?? '', into)?.length === slotsAt({ keyspace }, into).length
    }
    case 'drain':
    case 'merge':
      return ![...slots, ...ranges].some(({ shard }) => shard === from)
    case 'isolate':
    case 'move':
    case 'spread':
    case 'rebalance':
      return false
  }
}
