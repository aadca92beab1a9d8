import { createClient } from '@libsql/client'
import { sqlShardOf } from '@stoa/adapters/libsql'
import { type Random, seededRandom, systemClock } from '@stoa/kernel'
import { createCommitter, createMarks, createOrderedInbox, type StoaEvent } from '@stoa/messaging'

import { call, effectOf, eventOf, ids, own, routerOf, tables } from './messaging-place.ts'
import { atLeast, type Row } from './row.ts'

const messages = 100_000
const keyCount = 10_000
const parcelSize = 100

/** `items`, a share of them anywhere within the next `reach`. */
function reordered<T>(items: readonly T[], reach: number, random: Random): readonly T[] {
  return items
    .map((item, index) => ({
      item,
      at: index + (random.uint32() % 10 < 3 ? random.uint32() % reach : 0),
    }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ item }) => item)
}

/** The deliveries of a queue that reorders 30 %, sends 30 % twice, and hears nothing of 10 % that were done. */
function deliveries(
  events: readonly StoaEvent[],
  random: Random,
): readonly (readonly StoaEvent[])[] {
  const coming = reordered(events, 2_000, random)
  const parcels: (readonly StoaEvent[])[] = []
  for (let from = 0; from < coming.length; from += parcelSize)
    parcels.push(coming.slice(from, from + parcelSize))
  const copies = parcels.flatMap((parcel) => {
    const [isTwice, isUnheard] = [random.uint32() % 10 < 3, random.uint32() % 10 === 0]
    return Array.from({ length: 1 + Number(isTwice) + Number(isUnheard) }, () => parcel)
  })
  return reordered(copies, 20, random)
}

/** 100,000 messages of 10,000 keys into an inbox that follows an order, on the real engine in this process. */
export async function benchVolume(): Promise<Row[]> {
  const client = createClient({ url: 'file::memory:' })
  try {
    await client.executeMultiple(await tables())
    await own(client, 'volume')
    const router = routerOf(sqlShardOf(client, 'volume'))
    const committer = createCommitter({
      router,
      marks: createMarks(systemClock),
      queue: { publish: async () => [] },
      publicUrl: 'https://bench.example',
      clock: systemClock,
      defer: () => undefined,
      report: (error) => console.error(error),
    })
    const inbox = createOrderedInbox({
      consumer: 'social',
      router,
      committer,
      clock: systemClock,
      effectOf: (event) => effectOf(event, false),
    })
    const keys = Array.from({ length: keyCount }, (_, index) => ids.root(`key ${index}`))
    const events = Array.from({ length: messages / keyCount }, (_, index) =>
      keys.map((key) => eventOf(key, index + 1)),
    ).flat()
    const given = deliveries(events, seededRandom(4))
    const begin = performance.now()
    for (const parcel of given) await inbox.apply(parcel, call)
    const seconds = (performance.now() - begin) / 1_000
    const wrong = await client.execute(`SELECT count(*) FROM (
  SELECT okey, seq, row_number() OVER (PARTITION BY okey ORDER BY n) AS turn FROM effect) WHERE seq <> turn`)
    const all = await client.execute('SELECT count(*), (SELECT count(*) FROM parked) FROM effect')
    const [errors, done, parked] = [wrong.rows[0]?.[0], all.rows[0]?.[0], all.rows[0]?.[1]].map(
      Number,
    )
    if (errors !== 0 || parked !== 0 || done !== messages)
      throw new Error(`${done} effects, ${errors} out of order, ${parked} parked, of ${messages}`)
    console.log(
      `${messages} messages in ${given.length} deliveries (30 % twice, 10 % unheard, 30 % reordered): each once, in order; ${seconds.toFixed(1)} s`,
    )
    return [
      atLeast({
        name: '100,000 messages, each effect once and in order (baseline: the aim)',
        value: done,
        unit: 'effects',
        baseline: messages,
        target: 1,
      }),
    ]
  } finally {
    client.close()
  }
}
