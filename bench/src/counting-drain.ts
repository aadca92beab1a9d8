import { createIds, seededRandom, systemClock } from '@stoa/kernel'

import { call, kind, metrics, objectIds, type Place } from './counting-place.ts'
import { atLeast, type Row } from './row.ts'

const rounds = 7
const flushSize = 1_000
const flushesPerRound = 25
const deltas = flushSize * flushesPerRound
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

/** Deltas a second from the log into a fenced shard over HTTP, publication included; beside one statement a delta. */
export async function benchDrain(place: Place): Promise<Row[]> {
  const ids = objectIds(objects)
  const log = { name: 'drain', redis: await place.redis('drain-log') }
  const hot = await place.redis('drain-hot')
  const writes: number[] = []
  const { router } = place
  const writeAll: typeof router.writeAll = async (keys, statements, each) => {
    const begin = performance.now()
    const answer = await router.writeAll(keys, statements, each)
    writes.push(performance.now() - begin)
    return answer
  }
  const counting = place.counting({
    logs: [log],
    hot,
    flushSize,
    router: {
      groups: router.groups.bind(router),
      readMany: router.readMany.bind(router),
      writeAll,
    },
  })
  const [whole, batched, single]: [number[], number[], number[]] = [[], [], []]
  let next = 0
  const another = () => {
    next = (next + 7_919) % objects
    return ids[next] ?? ''
  }
  for (let round = 0; round <= rounds; round += 1) {
    for (let flush = 0; flush < flushesPerRound; flush += 1) {
      for (let n = 0; n < flushSize; n += 1)
        counting.increment(kind.name, another(), { [metrics[n & 3] ?? '']: 1 })
      await counting.flush(call)
    }
    writes.length = 0
    const wholeMs = await millisecondsOf(() => counting.drainer.drain(call))
    const writeMs = writes.reduce((sum, ms) => sum + ms, 0)
    const statements = statementsOf(Array.from({ length: singles }, another))
    const singleMs = await millisecondsOf(() => router.writeAll([0], statements, call))
    // The first round warms up.
    if (round === 0) continue
    whole.push((deltas / wholeMs) * 1_000)
    batched.push((deltas / writeMs) * 1_000)
    single.push((singles / singleMs) * 1_000)
  }
  const unit = 'deltas/s'
  return [
    atLeast({
      name: 'whole drain behind the fence, 1,000 a flush (baseline: the aim)',
      value: median(whole),
      unit,
      baseline: 100_000,
      target: 1,
    }),
    atLeast({
      name: 'its batch, beside a statement a delta in one batch',
      value: median(batched),
      unit,
      baseline: median(single),
      target: 4,
    }),
  ]
}
