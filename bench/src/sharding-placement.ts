import { createRequire } from 'node:module'

import { slotCount, slotOfText } from '@stoa/kernel'
import {
  evenSlots,
  jump,
  ketama,
  maglev,
  type MovePlan,
  type PlacementAlgorithm,
  planMoves,
  rendezvous,
  slotMapOf,
} from '@stoa/sharding'

import { atLeast, type Row } from './row.ts'

/** The npm package hashring, which has no types. */
const HashRing = createRequire(import.meta.url)('hashring') as new (servers: readonly string[]) => {
  get(key: string): string
}

const nodeCount = 64
const rounds = 15
/** How long a way has its turn in each round. */
const turnMs = 60
/** Twice as many as hashring keeps in its cache of 5,000 answers; few enough for the processor to keep. */
const coldKeys = keysTo(10_000)
const hotKeys = keysTo(1_000)

const namesTo = (count: number) => Array.from({ length: count }, (_, index) => `10.0.0.${index}`)
const nodesTo = (count: number) => namesTo(count).map((name) => ({ name }))

function keysTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `user:${index}`)
}

/** From a key to the name of its node. */
type Locate = (key: string) => string

function bySlots(): Locate {
  const shards = namesTo(nodeCount).map((name) => ({
    name,
    url: `http://${name}`,
    incarnation: '',
  }))
  const map = slotMapOf('bench', { shards, slots: evenSlots(namesTo(nodeCount)) })
  return (key) => map.place(slotOfText(key)).shard.name
}

function by(algorithm: PlacementAlgorithm): Locate {
  const locate = algorithm(nodesTo(nodeCount))
  return (key) => locate(key).name
}

function byHashRing(): Locate {
  const ring = new HashRing(namesTo(nodeCount))
  return (key) => ring.get(key)
}

/**
 * Keys a second of processor time, so that what else runs on the machine counts little, through each of `ways`: the
 * median of rounds in which each has its turn.
 */
function rates(
  ways: ReadonlyMap<string, Locate>,
  keys: readonly string[],
): ReadonlyMap<string, number> {
  for (const [name, locate] of ways) {
    if (new Set(keys.map(locate)).size !== nodeCount)
      throw new Error(`Cannot measure ${name}: it leaves nodes out`)
  }
  const found = new Map<string, number[]>([...ways.keys()].map((name) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, locate] of ways) found.get(name)?.push(rate(locate, keys))
  }
  return new Map([...found].map(([name, list]) => [name, median(list)]))
}

function rate(locate: Locate, keys: readonly string[]): number {
  const end = performance.now() + turnMs
  const before = process.cpuUsage()
  let located = 0
  let letters = 0
  while (performance.now() < end) {
    for (const key of keys) letters += locate(key).length
    located += keys.length
  }
  const { user, system } = process.cpuUsage(before)
  if (letters < located) throw new Error('Cannot measure: some keys have no node')
  return located / ((user + system) / 1e6)
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0
}

function speed(): readonly Row[] {
  const ways = new Map<string, Locate>([
    ['hashring', byHashRing()],
    ['slot map', bySlots()],
    ['jump', by(jump)],
    ['maglev', by(maglev())],
    ['rendezvous', by(rendezvous)],
    ['ketama', by(ketama())],
  ])
  const cold = rates(ways, coldKeys)
  const hot = rates(new Map([...ways].slice(0, 2)), hotKeys)
  const row = (name: string, found: ReadonlyMap<string, number>, way: string) => ({
    name,
    value: found.get(way) ?? 0,
    unit: 'keys/s',
    baseline: found.get('hashring') ?? 0,
  })
  return [
    atLeast({
      ...row('key to shard, hash included, beside hashring', cold, 'slot map'),
      target: 20,
    }),
    atLeast(row('the same for 1,000 keys that hashring has in its cache', hot, 'slot map')),
    ...['jump', 'maglev', 'rendezvous', 'ketama'].map((way) =>
      atLeast(row(`key to node by ${way}, beside hashring`, cold, way)),
    ),
  ]
}

/** The highest load is to be at most 1.02 times the average. */
const evennessMin = 0.981

/** The average load over the highest: 1 is perfect. */
function evenness(name: string, locate: Locate, target?: number): Row {
  const count = 4_000_000
  const loads = new Map<string, number>()
  for (let index = 0; index < count; index += 1) {
    const node = locate(`user:${index}`)
    loads.set(node, (loads.get(node) ?? 0) + 1)
  }
  return atLeast({
    name: `average load over the highest of 64 nodes, ${name}`,
    value: count / nodeCount,
    unit: 'keys',
    baseline: Math.max(...loads.values()),
    ...(target === undefined ? {} : { target }),
  })
}

const movedIn = ({ moves }: MovePlan) => moves.reduce((sum, { slots }) => sum + slots.length, 0)

/** All joins from 1 to 128 nodes and all leaves back: what had to move over what moved. */
function movesOfPlans(): readonly Row[] {
  const joins = { least: 0, moved: 0 }
  const leaves = { least: 0, moved: 0 }
  let current = evenSlots(namesTo(1))
  for (let count = 2; count <= 128; count += 1) {
    const plan = planMoves({ current, nodes: nodesTo(count) })
    joins.least += Math.floor(slotCount / count)
    joins.moved += movedIn(plan)
    current = plan.target
  }
  for (let count = 127; count >= 1; count -= 1) {
    const leaving = `10.0.0.${count}`
    const plan = planMoves({ current, nodes: nodesTo(count) })
    for (const { from, to, shard } of current) if (shard === leaving) leaves.least += to - from + 1
    leaves.moved += movedIn(plan)
    current = plan.target
  }
  return [
    { name: 'least moves over moves, 127 nodes join', ...joins },
    { name: 'least moves over moves, 127 nodes leave', ...leaves },
  ].map(({ name, least, moved }) =>
    atLeast({ name, value: least, unit: 'slots', baseline: moved, target: 1 }),
  )
}

/** What of 10,000 keys moves when the 64th node joins a ring, as hashring has it. */
function movesOfRing(): Row {
  const before = new HashRing(namesTo(nodeCount - 1))
  const after = new HashRing(namesTo(nodeCount))
  return atLeast({
    name: 'the same of hashring, the 64th joins',
    value: coldKeys.length / nodeCount,
    unit: 'keys',
    baseline: coldKeys.filter((key) => before.get(key) !== after.get(key)).length,
  })
}

/** Placement: speed, evenness and moves, beside hashring. What is not measured: the network, and databases. */
export async function benchPlacement(): Promise<Row[]> {
  return [
    ...speed(),
    evenness('slot map', bySlots(), evennessMin),
    evenness('ketama', by(ketama())),
    ...movesOfPlans(),
    movesOfRing(),
  ]
}
