import { manualClock, QueueUnavailableError, type QueuePort, systemClock } from '@stoa/kernel'
import { type StoaEvent, sweepOutbox } from '@stoa/messaging'

import { processTree } from './cpu.ts'
import { call, eventOf, ids, openPlace, type Place } from './messaging-place.ts'
import { benchVolume } from './messaging-volume.ts'
import { atLeast, type Row } from './row.ts'

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

/** A row whose figure must be at most its baseline. */
function atMost(row: Omit<Row, 'ratio' | 'ok' | 'target'>): Row {
  const ratio = row.value === 0 ? Infinity : row.baseline / row.value
  return { ...row, ratio, target: 1, ok: ratio >= 1 }
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`Cannot measure: ${what} did not come in a minute`)
}

/** Writes events of many aggregates, ten each, as commits whose isolates died before they published. */
async function leave({ producer }: Place, count: number): Promise<void> {
  const events = Array.from({ length: count / 10 }, () => ids.root(crypto.randomUUID())).flatMap(
    (key) => Array.from({ length: 10 }, (_, index) => eventOf(key, index + 1)),
  )
  await producer.client.batch(
    [
      {
        sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, causation, created_at, next_at)
SELECT value ->> 'id', 'member', value ->> 'type', value ->> 'key', value ->> 'seq', value ->> 'data', 'b', 1, 1 FROM json_each(?)`,
        args: [JSON.stringify(events)],
      },
    ],
    'write',
  )
}

const relayed = 10_000

/** Outbox to inbox: claimed, published, delivered with a signature, applied, marked. Answers events a second. */
async function throughput(place: Place, isOrdered: boolean): Promise<number> {
  place.isOrdered = isOrdered
  const effects = async () =>
    Number((await place.consumer.client.execute('SELECT count(*) FROM effect')).rows[0]?.[0])
  await leave(place, relayed)
  const before = await effects()
  const used = new Map(processTree().map(({ pid, seconds }) => [pid, seconds]))
  const relay = { queue: place.queue, publicUrl: place.publicUrl, clock: systemClock, worker: 'b' }
  const begin = performance.now()
  for (let hasMore = true; hasMore;)
    ({ hasMore } = await sweepOutbox(place.producer.shard, relay, call))
  const publishedMs = performance.now() - begin
  await until('the effects', async () => (await effects()) === before + relayed)
  const ms = performance.now() - begin
  const cpu = processTree()
    .map(({ pid, name, seconds }) => ({ name, seconds: seconds - (used.get(pid) ?? seconds) }))
    .filter(({ seconds }) => seconds > 0.02)
    .map(({ name, seconds }) => {
      // This process generates nothing here: it is the relay and the consumer.
      const part = name === 'load generator' ? 'relay and consumer' : name
      return `${part} ${((seconds / relayed) * 1e6).toFixed(0)} µs`
    })
  console.log(
    `  ${isOrdered ? 'in order' : 'in any order'}: ${((relayed / ms) * 1_000).toFixed(0)} events/s; all published after ${publishedMs.toFixed(0)} of ${ms.toFixed(0)} ms; CPU an event: ${cpu.join(', ')}`,
  )
  return (relayed / ms) * 1_000
}

/** Commits one event with the fast path; answers how long after the answer its consumer began, in milliseconds. */
async function fastPath(place: Place, commits: number): Promise<readonly number[]> {
  const started = new Map<string, number>()
  place.onStart = (events) => {
    for (const { id } of events) started.set(id, performance.now())
  }
  const committer = place.committer(place.queue, systemClock)
  const committed = new Map<string, number>()
  for (let count = 0; count < commits; count += 1) {
    const event = eventOf(ids.root(crypto.randomUUID()), 1)
    await commitOne(committer, event)
    committed.set(event.id, performance.now())
    await until('the consumer', () => started.has(event.id))
  }
  return [...committed].map(([id, at]) => (started.get(id) ?? Infinity) - at)
}

async function commitOne(committer: ReturnType<Place['committer']>, event: StoaEvent) {
  const sql = 'INSERT INTO business (id, version) VALUES (?, 1)'
  const work = { keys: [event.key], statements: [{ sql, args: [event.id] }], events: [event] }
  await committer.commit(work, call)
}

/** Commits at many moments of a minute without a fast path; the minute is virtual, what follows the tick is real. */
async function withoutFastPath(place: Place): Promise<number> {
  const clock = manualClock(1_800_000_000_000)
  const down: QueuePort = { publish: () => Promise.reject(new QueueUnavailableError('network')) }
  const committer = place.committer(down, clock)
  const waits: number[] = []
  for (let moment = 0; moment < 60_000; moment += 2_500) {
    const event = eventOf(ids.root(crypto.randomUUID()), 1)
    clock.advance(moment)
    const at = clock.now()
    await commitOne(committer, event)
    const started: number[] = []
    place.onStart = (events) => {
      if (events.some(({ id }) => id === event.id)) started.push(performance.now())
    }
    while (started.length === 0) {
      clock.advance(60_000 - (clock.now() % 60_000))
      const tick = { queue: place.queue, publicUrl: place.publicUrl, clock, worker: 'b' }
      const begin = performance.now()
      const { published } = await sweepOutbox(place.producer.shard, tick, call)
      if (published === 0) continue
      await until('the consumer', () => started.length > 0)
      waits.push(clock.now() - at + ((started[0] ?? Infinity) - begin))
    }
  }
  return Math.max(...waits)
}

const turns = 6_000

/**
 * The mean of what lies between the quantiles 0.985 and 0.995. The tail is steep there, 10 to 20 ms: a single value in
 * the middle differs by 8 % from one run to the next of the very same.
 */
function around99(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.slice(sorted.length * 0.985, sorted.length * 0.995)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

/**
 * Latencies of other keys under the same traffic, in turns: just before each an event of one key is sent on its way,
 * which is poison in one turn and not in the next. What else the machine does falls on both alike.
 */
async function besidePoison(place: Place): Promise<Record<'with' | 'without', number>> {
  const [poison, sound] = [ids.root('poison'), ids.root('sound')]
  place.isPoison = ({ key }) => key === poison
  place.isOrdered = true
  const committer = place.committer(place.queue, systemClock)
  const beside = async (key: string, seq: number) => {
    await commitOne(committer, eventOf(key, seq))
    return fastPath(place, 1)
  }
  const found: Record<'with' | 'without', number[]> = { with: [], without: [] }
  for (let turn = 1; turn <= turns; turn += 1) {
    found.with.push(...(await beside(poison, turn)))
    found.without.push(...(await beside(sound, turn)))
  }
  place.isPoison = () => false
  return { with: around99(found.with), without: around99(found.without) }
}

/**
 * The way of an event on one machine: two databases and the queue in processes of their own, the relay and the consumer
 * in this one. No network but loopback; the emulators, not Turso or QStash.
 */
export async function benchMessaging(): Promise<Row[]> {
  const rows: Row[] = []
  const place = await openPlace()
  try {
    console.log(`Outbox to inbox, ${relayed} events of ${relayed / 10} aggregates:`)
    await throughput(place, false)
    for (const isOrdered of [false, true]) {
      const name = `outbox to inbox, ${isOrdered ? 'in order' : 'in any order'} (baseline: the aim)`
      const value = await throughput(place, isOrdered)
      rows.push(atLeast({ name, value, unit: 'events/s', baseline: 1_000, target: 1 }))
    }
    place.isOrdered = false
    await fastPath(place, 50)
    const latencies = await fastPath(place, 400)
    const unit = 'ms'
    rows.push(
      atMost({
        name: 'commit to consumer, p50',
        value: quantile(latencies, 0.5),
        unit,
        baseline: 20,
      }),
      atMost({
        name: 'commit to consumer, p99',
        value: quantile(latencies, 0.99),
        unit,
        baseline: 150,
      }),
      atMost({
        name: 'commit to consumer without the fast path, longest, virtual minute',
        value: await withoutFastPath(place),
        unit,
        baseline: 61_000,
      }),
    )
    const beside = await besidePoison(place)
    rows.push({
      ...atLeast({
        name: 'p99 of other keys without a poison key, beside with one',
        value: beside.without,
        unit,
        baseline: beside.with,
        target: 0.95,
      }),
    })
  } finally {
    await place.close()
  }
  return [...rows, ...(await benchVolume())]
}
