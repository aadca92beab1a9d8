import type { Counting } from '@stoa/counting'
import { createIds, seededRandom, systemClock } from '@stoa/kernel'

import { call, kind, metrics, objectIds, type Place } from './counting-place.ts'
import { processTree } from './cpu.ts'
import { atLeast, type Row } from './row.ts'
import { zipf } from './zipf.ts'

const rounds = 5
const flushSize = 1_000
/** A drain of a backlog: several batches of each log. */
const flushesWhole = 100
/** One batch. */
const flushesAlone = 25
/** Deltas of the other form: as many would take minutes. */
const singles = 2_500
const objects = 100_000

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

/** A statement a delta and one a dedupe row, in one batch behind the same fence; nothing is read or published. */
function statementsOf(ids: readonly string[]) {
  const random = createIds({ clock: systemClock, random: seededRandom(1) }).root('flush')
  return ids.flatMap((id, n) => [
    {
      sql: `INSERT INTO count_post (slot, hi, lo, ${metrics[n & 3] ?? ''}) VALUES (?, ?, ?, 1)
ON CONFLICT (slot, hi, lo) DO UPDATE SET ${metrics[n & 3] ?? ''} = ${metrics[n & 3] ?? ''} + 1`,
      args: [id.slice(0, 3), n, 0],
    },
    // A flush of 1,000 touches some 250 buckets.
    ...(n % 4 === 0
      ? [
          {
            sql: 'INSERT INTO count_applied (slot, flush) VALUES (?, ?) ON CONFLICT DO NOTHING',
            args: [id.slice(0, 3), `${random}${n}${performance.now()}`],
          },
        ]
      : []),
  ])
}

/** CPU seconds of this process and the servers that it started. */
function cpuSeconds(): number {
  return processTree().reduce((sum, { seconds }) => sum + seconds, 0)
}

/** `flushes` flushes, each of a thousand counters of different objects. */
async function fill(counting: Counting, flushes: number, draw: () => string): Promise<void> {
  for (let flush = 0; flush < flushes; flush += 1) {
    const ids = new Set<string>()
    while (ids.size < flushSize) ids.add(draw())
    for (const [n, id] of [...ids].entries())
      counting.increment(kind.name, id, { [metrics[n & 3] ?? '']: 1 })
    await counting.flush(call)
  }
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

/** One batch of deltas of which hardly two are alike, beside a statement a delta. */
async function benchBatch(place: Place, ids: readonly string[]): Promise<Row> {
  const { router } = place
  let writeMs = 0
  const writeAll: typeof router.writeAll = async (keys, statements, each) => {
    const begin = performance.now()
    const answer = await router.writeAll(keys, statements, each)
    writeMs += performance.now() - begin
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
  const [batched, single]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round += 1) {
    await fill(counting, flushesAlone, another)
    writeMs = 0
    await counting.drainer.drain(call)
    const statements = statementsOf(Array.from({ length: singles }, another))
    const singleMs = await millisecondsOf(() => router.writeAll([0], statements, call))
    if (round === 0) continue
    batched.push(((flushesAlone * flushSize) / writeMs) * 1_000)
    single.push((singles / singleMs) * 1_000)
  }
  return atLeast({
    name: 'its batch, beside a statement a delta in one batch',
    value: median(batched),
    unit: 'deltas/s',
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
