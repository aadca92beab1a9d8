/**
 * The drain as a model: every protocol is a few atomic steps over one Redis and one database, and every order of the
 * steps of two drainers, producers, crashes and failovers is tried. Values are lists of increments instead of numbers,
 * so that a lost increment and one that was counted twice cannot hide each other.
 */

export type Redis = {
  /** Increments that wait, in a key that is added to. */
  main: number[]
  /** Increments that a drainer has taken aside. */
  taken: number[]
  /** The batch number of what is aside. */
  batch: number
  /** A counter in Redis from which batch numbers come. */
  counter: number
  /** Flushes: an entry's own number, the id that its producer made, its increments. */
  stream: { at: number; id: number; items: number[] }[]
}

export type Store = { rows: number[]; applied: number[]; mark: number }

export type World = {
  redis: Redis
  /** What a failover would bring back. */
  replica: Redis
  store: Store
  drainers: { at: number; held: Held }[]
  /** Increments still to be made, and the number after the last of all. */
  left: number[]
  next: number
  crashes: number
  resends: number
  failovers: number
  /** Never used twice, not even after a failover: wall-clock time, random numbers. */
  fresh: number
  /** Increments that were acknowledged and are gone with a failover before anybody read them. */
  unavoidable: number[]
}

export type Held = {
  items: number[]
  batch: number
  entries: { at: number; id: number; items: number[] }[]
}

export type Protocol = {
  readonly name: string
  /** How an increment reaches Redis. */
  produce(world: World, redis: Redis, item: number): void
  /** The steps of one pass; each is atomic. A pass begins at 0 and ends after the last. */
  readonly steps: readonly ((world: World, held: Held) => void)[]
}

const nothing = (): Held => ({ items: [], batch: 0, entries: [] })

const toKey: Protocol['produce'] = (_world, redis, item) => redis.main.push(item)
const toStream: Protocol['produce'] = (world, redis, item) =>
  redis.stream.push({ at: world.fresh, id: item, items: [item] })

function take(world: World, held: Held, batch: (world: World) => number): void {
  const { redis } = world
  if (redis.taken.length === 0 && redis.main.length > 0) {
    redis.taken = redis.main
    redis.main = []
    redis.batch = batch(world)
  }
  held.items = [...redis.taken]
  held.batch = redis.batch
}

function fromCounter({ redis }: World): number {
  redis.counter += 1
  return redis.counter
}

function random(world: World): number {
  world.fresh += 1
  return 1_000 + world.fresh
}

const add = ({ store }: World, { items }: Held): void => {
  store.rows.push(...items)
}
const addOnce = ({ store }: World, { items, batch }: Held): void => {
  if (items.length === 0 || store.applied.includes(batch)) return
  store.rows.push(...items)
  store.applied.push(batch)
}
const dropMine = ({ redis }: World, { batch }: Held): void => {
  if (redis.batch === batch) redis.taken = []
}
const dropBlindly = ({ redis }: World): void => {
  redis.taken = []
}
const readStream = ({ redis }: World, held: Held): void => {
  held.entries = redis.stream.map((entry) => ({ ...entry }))
}
const deleteRead = ({ redis }: World, { entries }: Held): void => {
  const gone = new Set(entries.map(({ at }) => at))
  redis.stream = redis.stream.filter(({ at }) => !gone.has(at))
}
const applyFlushes = ({ store }: World, { entries }: Held): void => {
  for (const { id, items } of entries) {
    if (store.applied.includes(id)) continue
    store.rows.push(...items)
    store.applied.push(id)
  }
}

export const protocols: readonly Protocol[] = [
  {
    name: 'P1 GETDEL, then add',
    produce: toKey,
    steps: [
      ({ redis }, held) => {
        held.items = redis.main
        redis.main = []
      },
      add,
    ],
  },
  {
    name: 'P2 GET, add, DECRBY',
    produce: toKey,
    steps: [
      ({ redis }, held) => {
        held.items = [...redis.main]
      },
      add,
      ({ redis }, { items }) => {
        redis.main = redis.main.slice(items.length)
      },
    ],
  },
  {
    name: 'P3 RENAMENX, add, DEL',
    produce: toKey,
    steps: [(world, held) => take(world, held, () => 0), add, dropBlindly],
  },
  {
    name: 'P4 RENAMENX, batch id from a Redis counter, dedupe',
    produce: toKey,
    steps: [(world, held) => take(world, held, fromCounter), addOnce, dropMine],
  },
  {
    name: 'P4b as P4, blind DEL',
    produce: toKey,
    steps: [(world, held) => take(world, held, fromCounter), addOnce, dropBlindly],
  },
  {
    name: 'P4c as P4, random batch id',
    produce: toKey,
    steps: [(world, held) => take(world, held, random), addOnce, dropMine],
  },
  {
    name: 'P5 stream, last id in the database',
    produce: toStream,
    steps: [
      readStream,
      ({ store }, { entries }) => {
        for (const { at, items } of entries) {
          if (at <= store.mark) continue
          store.rows.push(...items)
          store.mark = at
        }
      },
      deleteRead,
    ],
  },
  {
    name: 'P6 running total, watermark in the database',
    produce: toKey,
    steps: [
      ({ redis }, held) => {
        held.items = [...redis.main]
      },
      ({ store }, { items }) => {
        store.rows.push(...items.slice(store.mark))
        store.mark = Math.max(store.mark, items.length)
      },
    ],
  },
  {
    name: 'P7 flush log, id of the producer',
    produce: toStream,
    steps: [readStream, applyFlushes, deleteRead],
  },
]

/** P7 with one safeguard taken away. */
export const mutants: readonly Protocol[] = [
  {
    name: 'the dedupe rows commit after the deltas',
    produce: toStream,
    steps: [
      readStream,
      ({ store }, { entries }) => {
        for (const { id, items } of entries)
          if (!store.applied.includes(id)) store.rows.push(...items)
      },
      ({ store }, { entries }) => {
        store.applied = [...new Set([...store.applied, ...entries.map(({ id }) => id)])]
      },
      deleteRead,
    ],
  },
  {
    name: 'the dedupe rows commit before the deltas',
    produce: toStream,
    steps: [
      readStream,
      ({ store }, held) => {
        held.entries = held.entries.map((entry) =>
          store.applied.includes(entry.id) ? { ...entry, items: [] } : entry,
        )
        store.applied = [...new Set([...store.applied, ...held.entries.map(({ id }) => id)])]
      },
      ({ store }, { entries }) => {
        store.rows.push(...entries.flatMap(({ items }) => items))
      },
      deleteRead,
    ],
  },
  {
    name: 'the log is trimmed instead of what was read being deleted',
    produce: toStream,
    steps: [
      readStream,
      applyFlushes,
      ({ redis }) => {
        redis.stream = []
      },
    ],
  },
  {
    name: 'the log is deleted before the deltas commit',
    produce: toStream,
    steps: [readStream, deleteRead, applyFlushes],
  },
  {
    name: 'the id is made when the log is read',
    produce: toStream,
    steps: [
      (world, held) => {
        readStream(world, held)
        held.entries = held.entries.map((entry) => ({ ...entry, id: random(world) }))
      },
      applyFlushes,
      deleteRead,
    ],
  },
]

export type Faults = {
  readonly crashes?: number
  readonly resends?: number
  /** `drains`: the replica has every increment and lacks what drainers did. `all`: it lacks both, from some moment on. */
  readonly failover?: 'drains' | 'all'
}

type Move = (world: World) => World | undefined

/** By hand: structuredClone takes ten times as long, and there are a million of them. */
function copyRedis(redis: Redis): Redis {
  const { main, taken, stream } = redis
  return { ...redis, main: [...main], taken: [...taken], stream: [...stream] }
}

function copy(world: World): World {
  const { rows, applied, mark } = world.store
  return {
    ...world,
    redis: copyRedis(world.redis),
    replica: copyRedis(world.replica),
    store: { rows: [...rows], applied: [...applied], mark },
    drainers: world.drainers.map(({ at, held }) => ({ at, held: { ...held } })),
    unavoidable: [...world.unavoidable],
  }
}

/** The same for worlds that differ only in which drainer is which. */
function keyOf(world: World): string {
  const [one = '', other = ''] = world.drainers.map((drainer) => JSON.stringify(drainer))
  const drainers = one < other ? one + other : other + one
  return (
    drainers +
    JSON.stringify([world.redis, world.replica, world.store, world.left]) +
    JSON.stringify([world.crashes, world.resends, world.failovers, world.fresh, world.unavoidable])
  )
}

function produceMoves(protocol: Protocol, faults: Faults): readonly Move[] {
  const send = (world: World, times: number): World | undefined => {
    const [item] = world.left
    if (item === undefined || world.resends < times - 1) return undefined
    const next = copy(world)
    for (let time = 0; time < times; time += 1) {
      next.fresh += 1
      protocol.produce(next, next.redis, item)
      if (faults.failover === 'drains') protocol.produce(next, next.replica, item)
    }
    next.left = next.left.slice(1)
    next.resends -= times - 1
    return next
  }
  return [(world) => send(world, 1), (world) => send(world, 2)]
}

function drainMoves(protocol: Protocol, drainer: number): readonly Move[] {
  return [
    (world) => {
      const next = copy(world)
      const process = next.drainers[drainer]
      const step = protocol.steps[process?.at ?? 0]
      if (process === undefined || step === undefined) return undefined
      step(next, process.held)
      process.at = (process.at + 1) % protocol.steps.length
      if (process.at === 0) process.held = nothing()
      return next
    },
    (world) => {
      if (world.crashes === 0 || world.drainers[drainer]?.at === 0) return undefined
      const next = copy(world)
      next.crashes -= 1
      next.drainers[drainer] = { at: 0, held: nothing() }
      return next
    },
  ]
}

/** Increments that are nowhere but in the primary's memory, unread, when it goes. */
function onlyThere(world: World): readonly number[] {
  const safe = new Set([
    ...world.store.rows,
    ...world.drainers.flatMap(({ held }) => [
      ...held.items,
      ...held.entries.flatMap(({ items }) => items),
    ]),
    ...world.replica.main,
    ...world.replica.taken,
    ...world.replica.stream.flatMap(({ items }) => items),
    ...world.left,
  ])
  const there = [
    ...world.redis.main,
    ...world.redis.taken,
    ...world.redis.stream.flatMap(({ items }) => items),
  ]
  return there.filter((item) => !safe.has(item))
}

function failoverMoves(faults: Faults): readonly Move[] {
  if (faults.failover === undefined) return []
  const fail: Move = (world) => {
    if (world.failovers === 0) return undefined
    const next = copy(world)
    next.failovers -= 1
    next.unavoidable.push(...onlyThere(world))
    next.redis = copyRedis(next.replica)
    return next
  }
  // The replica catches up, and then lags again.
  const catchUp: Move = (world) => {
    if (world.failovers === 0 || JSON.stringify(world.replica) === JSON.stringify(world.redis))
      return undefined
    const next = copy(world)
    next.replica = copyRedis(next.redis)
    return next
  }
  return faults.failover === 'all' ? [fail, catchUp] : [fail]
}

function emptyRedis(): Redis {
  return { main: [], taken: [], batch: 0, counter: 0, stream: [] }
}

/** Runs one drainer alone until nothing changes: what is then missing is lost. */
function settled(protocol: Protocol, world: World): Store {
  const alone = copy(world)
  for (let pass = 0; pass < 4; pass += 1) {
    const held = nothing()
    for (const step of protocol.steps) step(alone, held)
  }
  return alone.store
}

export type Verdict = {
  readonly states: number
  readonly lost: boolean
  readonly repeated: boolean
}

/**
 * Every order of everything that may happen to `increments` distinct ones and two drainers; ends early once a protocol
 * was seen to do both wrongs.
 */
export function explore(protocol: Protocol, faults: Faults, increments: number): Verdict {
  const first: World = {
    redis: emptyRedis(),
    replica: emptyRedis(),
    store: { rows: [], applied: [], mark: 0 },
    drainers: [0, 1].map(() => ({ at: 0, held: nothing() })),
    left: Array.from({ length: increments }, (_, index) => index + 1),
    next: increments + 1,
    crashes: faults.crashes ?? 0,
    resends: faults.resends ?? 0,
    failovers: faults.failover === undefined ? 0 : 1,
    fresh: 0,
    unavoidable: [],
  }
  const moves = [
    ...produceMoves(protocol, faults),
    ...drainMoves(protocol, 0),
    ...drainMoves(protocol, 1),
    ...failoverMoves(faults),
  ]
  const seen = new Set<string>()
  const open = [first]
  const verdict = { lost: false, repeated: false }
  for (let world = open.pop(); world !== undefined; world = open.pop()) {
    const key = keyOf(world)
    if (seen.has(key)) continue
    seen.add(key)
    // Rows only grow: a repeated one can end the search of this branch, and keeps a protocol gone wrong finite.
    if (new Set(world.store.rows).size < world.store.rows.length) {
      verdict.repeated = true
      continue
    }
    const isAtRest = world.left.length === 0 && world.drainers.every(({ at }) => at === 0)
    if (isAtRest) judge(protocol, world, verdict)
    if (verdict.lost && verdict.repeated) break
    open.push(...moves.flatMap((move) => move(world) ?? []))
  }
  return { states: seen.size, ...verdict }
}

function judge(
  protocol: Protocol,
  world: World,
  verdict: { lost: boolean; repeated: boolean },
): void {
  const { rows } = settled(protocol, world)
  for (let item = 1; item < world.next; item += 1) {
    const times = rows.filter((row) => row === item).length
    if (times > 1) verdict.repeated = true
    if (times === 0 && !world.unavoidable.includes(item)) verdict.lost = true
  }
}
