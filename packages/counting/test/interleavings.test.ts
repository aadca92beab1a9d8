import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Kind } from '../src/index.ts'
import { asMover, call, type Database } from './databases.ts'
import { type Bench, idIn, openBench, post } from './harness.ts'

/**
 * The real drainer over the real engine, its requests held back one by one: every order of the requests of two drainers
 * is tried, with a crash, a lost reply, a move of the bucket or an increment at every point.
 */

type Event = 'none' | 'crash' | 'lost reply' | 'move' | 'flush'

let bench: Bench
/** Without a board, whose rows lie in another shard: each drainer makes one request at a time. */
const plain: Kind = {
  ...post,
  metrics: [{ name: 'views', windowsMs: [60_000] }, { name: 'likes' }],
}
const id = idIn(3)
const tables = [
  'count_applied',
  'count_bucket',
  'count_post',
  'count_window',
  'count_top',
  'count_thaw',
  'count_page',
]

/** The gates of the life that is lived, and the two drainers that wait at them. */
let gates: readonly [Gate, Gate]
let drainers: readonly ReturnType<Bench['isolate']>[]
/** Entries of flushes that were made once: every life begins with the first two. */
let flushes: Bench['log']['entries']

beforeAll(async () => {
  // The row triggers are compiled with every statement, and there are thousands of lives.
  bench = await openBench({ kinds: [plain] }, false)
  drainers = [gated(() => gates[0], bench), gated(() => gates[1], bench)]
  for (let n = 0; n < 3; n += 1) {
    bench.counting.increment('post', id, { views: 1, likes: 1 })
    await bench.counting.flush(call)
  }
  flushes = bench.log.entries
})
afterAll(() => bench.fleet.close())

/** One drainer's requests: it waits before each until it may go on. */
class Gate {
  arrived: () => void = () => undefined
  #open: ((what: 'go' | 'lose' | 'die') => void) | undefined
  isDone = false

  async pass(): Promise<'go' | 'lose'> {
    const what = await new Promise<'go' | 'lose' | 'die'>((resolve) => {
      this.#open = resolve
      this.arrived()
    })
    if (what === 'die') return new Promise(() => undefined)
    return what
  }

  /** Lets the next request go, and comes back when the drainer waits again or has ended. */
  async release(what: 'go' | 'lose' | 'die'): Promise<void> {
    const next = new Promise<void>((resolve) => {
      this.arrived = resolve
    })
    this.#open?.(what)
    if (what === 'die') {
      this.isDone = true
      return
    }
    await next
  }
}

/** A drainer whose requests go through a gate. */
function gated(gateOf: () => Gate, lossy: Bench): ReturnType<Bench['isolate']> {
  const { fleet, log, hot } = lossy
  const through =
    <A extends readonly unknown[], R>(send: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const what = await gateOf().pass()
      const answer = await send(...args)
      if (what === 'lose') throw new Error('the reply was lost')
      return answer
    }
  const writing = async (...args: Parameters<typeof fleet.router.writeAll>) => {
    if ((await gateOf().pass()) === 'lose') fleet.a.spoil('reply')
    return fleet.router.writeAll(...args)
  }
  return lossy.isolate({
    logs: [
      {
        name: 'log-0',
        redis: { ...log, run: through(log.run.bind(log)), pipeline: log.pipeline.bind(log) },
      },
    ],
    hot: { ...hot, pipeline: through(hot.pipeline.bind(hot)), run: hot.run.bind(hot) },
    router: {
      ...fleet.router,
      groups: fleet.router.groups.bind(fleet.router),
      readMany: through(fleet.router.readMany.bind(fleet.router)),
      writeAll: writing,
    },
  })
}

let home: 'a' | 'b' = 'a'
let isMoved = false
const emptied = tables.map((table) => ({ sql: `DELETE FROM ${table}`, args: [] }))

async function reset(): Promise<void> {
  const { fleet, log, hot } = bench
  const dirty = isMoved ? [fleet.a, fleet.b] : [fleet.a]
  for (const database of dirty) await database.batch(asMover(emptied), 'write', call)
  log.entries = flushes.slice(0, 2)
  hot.strings.clear()
  bench.reported.length = 0
}

const bucketRows = "slot BETWEEN '000' AND '01Z'"

/** What the mover does in the end, in one step: all rows of the bucket, and then the ownership. */
async function moveBucket(from: Database, to: Database, moved: readonly string[]): Promise<void> {
  const { fleet } = bench
  for (const table of moved) {
    const rows = await from.run(`SELECT * FROM ${table} WHERE ${bucketRows}`)
    for (const row of rows) {
      await to.run(`INSERT INTO ${table} VALUES (${row.map(() => '?').join()})`, ...row)
    }
    await from.run(`DELETE FROM ${table} WHERE ${bucketRows}`)
  }
  await from.run(
    "UPDATE _slot_owner SET state = 'handed_off', peer = ?, epoch = epoch + 1 WHERE lo < '020'",
    to.name,
  )
  const [[epoch] = []] = await from.run("SELECT epoch FROM _slot_owner WHERE lo = '000'")
  await to.run(
    "INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT value ->> 0, value ->> 1, ?, 'serving' FROM json_each(?) WHERE true ON CONFLICT (lo) DO UPDATE SET state = 'serving', peer = NULL, epoch = excluded.epoch",
    Number(epoch),
    JSON.stringify(bucketSlots()),
  )
  const [shards] = [fleet.topology.keyspaces['stats']?.shards ?? []]
  const rest = to.name === 'a' ? 'a' : 'b'
  fleet.topology = {
    version: fleet.topology.version + 1,
    keyspaces: {
      stats: {
        shards,
        slots: [
          { from: 0, to: 63, shard: rest, epoch: Number(epoch) },
          { from: 64, to: 8_191, shard: 'a', epoch: 1 },
          { from: 8_192, to: 16_383, shard: 'b', epoch: 1 },
        ],
      },
    },
  }
}

function bucketSlots(): readonly (readonly [string, string])[] {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  const text = (slot: number) => `0${digits.charAt(slot >> 5)}${digits.charAt(slot & 31)}`
  return Array.from({ length: 64 }, (_, slot) => [text(slot), text(slot + 1)] as const)
}

type Life = {
  /** Which drainer goes at each step; 0 when the list has ended. */
  readonly order: readonly number[]
  readonly event: Event
  readonly at: number
  readonly moved?: readonly string[]
}

type End = {
  readonly views: number
  readonly shown: string | undefined
  readonly choices: readonly number[]
  readonly steps: number
}

async function live({
  order,
  event,
  at,
  moved = tables.filter((table) => table !== 'count_page'),
}: Life): Promise<End> {
  await reset()
  let expected = 2
  gates = [new Gate(), new Gate()]
  const starts = gates.map(
    (gate) =>
      new Promise<void>((resolve) => {
        gate.arrived = resolve
      }),
  )
  for (const [index, gate] of gates.entries()) {
    void drainers[index]?.drainer
      .drain(call)
      .catch(() => undefined)
      .finally(() => {
        gate.isDone = true
        gate.arrived()
      })
  }
  await Promise.all(starts)
  const choices: number[] = []
  let step = 0
  for (; gates.some(({ isDone }) => !isDone); step += 1) {
    const ready = gates.filter(({ isDone }) => !isDone)
    const chosen = ready[Math.min(order[step] ?? 0, ready.length - 1)]
    choices.push(ready.length)
    const happens = step === at ? event : 'none'
    if (happens === 'move') {
      const [from, to] =
        home === 'a' ? [bench.fleet.a, bench.fleet.b] : [bench.fleet.b, bench.fleet.a]
      await moveBucket(from, to, moved)
      home = home === 'a' ? 'b' : 'a'
      isMoved = true
    }
    if (happens === 'flush') {
      bench.log.entries = [...bench.log.entries, ...flushes.slice(2)]
      expected += 1
    }
    await chosen?.release(happens === 'crash' ? 'die' : happens === 'lost reply' ? 'lose' : 'go')
  }
  await bench.counting.drainer.drain(call)
  bench.clock.advance(1)
  const database = home === 'a' ? bench.fleet.a : bench.fleet.b
  const [[views] = []] = await database.run('SELECT views FROM count_post')
  const shown = bench.hot.strings.get(`post:${id}`)
  return { views: Number(views ?? 0) - expected, shown, choices, steps: step }
}

/**
 * Every order of the requests, found by running: the next list of choices after one that has been lived. The first goes
 * always to the same drainer: they are alike.
 */
function nextOrder(
  choices: readonly number[],
  order: readonly number[],
): readonly number[] | undefined {
  const taken = choices.map((_, index) => order[index] ?? 0)
  for (let index = choices.length - 1; index >= 1; index -= 1) {
    const choice = taken[index] ?? 0
    if (choice + 1 < (choices[index] ?? 1)) return [...taken.slice(0, index), choice + 1]
  }
  return undefined
}

/** How many lives ended with another number than was counted. */
async function everyOrder(
  event: Event,
  at: number,
  moved?: readonly string[],
): Promise<{
  readonly lives: number
  readonly wrong: number
  readonly stale: number
  readonly steps: number
}> {
  let order: readonly number[] | undefined = []
  const sum = { lives: 0, wrong: 0, stale: 0, steps: 0 }
  while (order !== undefined) {
    const end: End = await live({ order, event, at, ...(moved === undefined ? {} : { moved }) })
    sum.lives += 1
    sum.steps = Math.max(sum.steps, end.steps)
    if (end.views !== 0) sum.wrong += 1
    const value = Number(end.shown?.split(',', 1)[0] ?? Number.NaN)
    if (end.shown !== undefined && value !== 2 + end.views && event !== 'flush') sum.stale += 1
    order = nextOrder(end.choices, order)
  }
  return sum
}

describe('two real drainers, in every order of their requests', () => {
  test('count each increment once, and show it', { timeout: 60_000 }, async () => {
    const { lives, wrong, stale, steps } = await everyOrder('none', -1)
    process.stdout.write(`${lives} orders of up to ${steps} requests\n`)

    expect({ wrong, stale }).toEqual({ wrong: 0, stale: 0 })
    expect(lives).toBeGreaterThan(50)
  })

  test.each(['crash', 'lost reply', 'move', 'flush'] as const)(
    'count each increment once with a %s at every request',
    { timeout: 60_000 },
    async (event) => {
      const sum = { lives: 0, wrong: 0 }
      for (let at = 0; at < 9; at += 1) {
        const { lives, wrong } = await everyOrder(event, at)
        sum.lives += lives
        sum.wrong += wrong
      }
      process.stdout.write(`${event}: ${sum.lives} lives, ${sum.wrong} wrong\n`)

      expect(sum.wrong).toBe(0)
      expect(sum.lives).toBeGreaterThan(200)
    },
  )
})

describe('the interleavings notice', () => {
  test('a bucket that moves without its dedupe rows', { timeout: 60_000 }, async () => {
    let wrong = 0
    for (let at = 0; at < 9 && wrong === 0; at += 1) {
      wrong += (await everyOrder('move', at, ['count_post', 'count_bucket'])).wrong
    }

    expect(wrong).toBeGreaterThan(0)
  })
})
