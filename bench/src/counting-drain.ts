import { type Counting, rowKeyOf, slotsPerBucket } from '@stoa/counting'
import { seededRandom, slotOfId, slotText } from '@stoa/kernel'

import { call, kind, metrics, objectIds, type Place } from './counting-place.ts'
import { processTree } from './cpu.ts'
import { atLeast, type Row } from './row.ts'
import { zipf } from './zipf.ts'

const rounds = 5
const flushSize = 1_000
/** A drain of a backlog: several batches of each log. */
const flushesWhole = 100
/** One batch. */
const flushesAlone = 24
/** Of the other form as many as make a batch of some 2,500 statements. */
const flushesTogether = 2
const objects = 100_000

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

/** The same flushes as a statement a delta, which need not answer the sums, and a statement a dedupe row. */
function statementsOf(flushes: readonly (readonly string[])[], name: string) {
  return flushes.flatMap((ids, flush) => {
    const buckets = new Set(ids.map((id) => slotOfId(id) >>> 6))
    const applied = [...buckets].map((bucket) => ({
      sql: 'INSERT INTO count_applied (slot, flush) VALUES (?, ?)',
      args: [slotText(bucket * slotsPerBucket), `${name}${flush}`],
    }))
    const deltas = ids.map((id, n) => {
      const { slot, rest } = rowKeyOf(id)
      const metric = metrics[n & 3] ?? ''
      const sql = `INSERT INTO count_post (slot, id, ${metric}) VALUES (?, unhex(?), 1)
ON CONFLICT (slot, id) DO UPDATE SET ${metric} = ${metric} + 1`
      return { sql, args: [slot, rest] }
    })
    return [...applied, ...deltas]
  })
}

/** CPU seconds of this process and the servers that it started. */
function cpuSeconds(): number {
  return processTree().reduce((sum, { seconds }) => sum + seconds, 0)
}

/** A flush's worth of different objects. */
function drawFlush(draw: () => string): readonly string[] {
  const ids = new Set<string>()
  while (ids.size < flushSize) ids.add(draw())
  return [...ids]
}

async function send(counting: Counting, ids: readonly string[]): Promise<void> {
  for (const [n, id] of ids.entries())
    counting.increment(kind.name, id, { [metrics[n & 3] ?? '']: 1 })
  await counting.flush(call)
}

/** `flushes` flushes, each of a thousand counters of different objects. */
async function fill(counting: Counting, flushes: number, draw: () => string): Promise<void> {
  for (let flush = 0; flush < flushes; flush += 1) await send(counting, drawFlush(draw))
}

/** A backlog in two logs, of objects that are looked at as things are: the nth as often as 1 / n. */
async function benchWhole(place: Place, ids: readonly string[]): Promise<readonly Row[]> {
  const logs = await Promise.all(
    [0, 1].map(async (n) => ({ name: `drain-${n}`, redis: await place.redis(`drain-log-${n}`) })),
  )
  const counting = place.counting({ logs, hot: await place.redis('drain-hot'), flushSize })
  const rank = zipf(ids.length, 1, seededRandom(29))
  const deltas = flushesWhole * flushSize
  const [speeds, costs]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round += 1) {
    await fill(counting, flushesWhole, () => ids[rank()] ?? '')
    const before = cpuSeconds()
    const ms = await millisecondsOf(() => counting.drainer.drain(call))
    // The first round warms up.
    if (round === 0) continue
    speeds.push((deltas / ms) * 1_000)
    costs.push(((cpuSeconds() - before) / deltas) * 1e6)
  }
  return [
    atLeast({
      name: 'whole drain behind the fence, 1,000 a flush, Zipf 1 (baseline: the aim)',
      value: median(speeds),
      unit: 'deltas/s',
      baseline: 100_000,
      target: 1,
    }),
    atLeast({
      name: 'deltas that a second of CPU drains, over all processes (baseline: half the aim)',
      value: 1e6 / median(costs),
      unit: 'deltas/s',
      baseline: 50_000,
      target: 1,
    }),
  ]
}

/** The other form: two flushes a batch. Its seconds of CPU. */
async function oneByOne(
  { router }: Place,
  flushes: readonly (readonly string[])[],
  round: number,
): Promise<number> {
  const batches: (() => Promise<unknown>)[] = []
  for (let from = 0; from < flushes.length; from += flushesTogether) {
    const some = flushes.slice(from, from + flushesTogether)
    const statements = statementsOf(some, `one by one ${round} ${from} `)
    batches.push(() => router.writeAll([0], statements, call))
  }
  const before = cpuSeconds()
  for (const write of batches) await write()
  return cpuSeconds() - before
}

/**
 * One batch of deltas of which hardly two are alike, beside a statement a delta: the same deltas, in turns. By the CPU
 * that each takes, which says the same on a busy machine.
 */
async function benchBatch(place: Place, ids: readonly string[]): Promise<Row> {
  const { router } = place
  let seconds = 0
  const writeAll: typeof router.writeAll = async (keys, statements, each) => {
    const before = cpuSeconds()
    const answer = await router.writeAll(keys, statements, each)
    seconds += cpuSeconds() - before
    return answer
  }
  const counting = place.counting({
    logs: [{ name: 'batch', redis: await place.redis('batch-log') }],
    hot: await place.redis('batch-hot'),
    flushSize,
    router: {
      groups: router.groups.bind(router),
      readMany: router.readMany.bind(router),
      writeAll,
    },
  })
  let next = 0
  const another = () => {
    next = (next + 7_919) % ids.length
    return ids[next] ?? ''
  }
  // Every object has its row before: neither form is to pay for what the other finds.
  await fill(counting, ids.length / flushSize, another)
  await counting.drainer.drain(call)
  const [batched, single]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round += 1) {
    const flushes = Array.from({ length: flushesAlone }, () => drawFlush(another))
    for (const flush of flushes) await send(counting, flush)
    seconds = 0
    // Each form comes first in every second round.
    if (round % 2 === 0) await counting.drainer.drain(call)
    const singleSeconds = await oneByOne(place, flushes, round)
    if (round % 2 === 1) await counting.drainer.drain(call)
    if (round === 0) continue
    batched.push((flushesAlone * flushSize) / seconds)
    single.push((flushesAlone * flushSize) / singleSeconds)
  }
  return atLeast({
    name: 'its batch, beside a statement a delta in batches of two flushes, over all processes',
    value: median(batched),
    unit: 'deltas/CPU s',
    baseline: median(single),
    target: 4,
  })
}

/** Deltas a second from the logs into a fenced shard over HTTP, publication included. */
export async function benchDrain(place: Place): Promise<Row[]> {
  const ids = objectIds(objects)
  const batch = await benchBatch(place, ids)
  return [...(await benchWhole(place, ids)), batch]
}
