import { type Random, seededRandom } from '@stoa/kernel'
import { expect, test } from 'vitest'

import type { StoaEvent } from '../src/index.ts'
import { publicUrl, World } from './world.ts'

const messages = 10_000
const keyCount = 1_000
const parcelSize = 50

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, at: random.uint32() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ item }) => item)
}

/** Events of all keys as they might come: a third of them anywhere within the next thousand. */
function asTheyCome(events: readonly StoaEvent[], random: Random): readonly StoaEvent[] {
  return events
    .map((event, index) => ({
      event,
      at: index + (random.uint32() % 10 < 3 ? random.uint32() % 1_000 : 0),
    }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ event }) => event)
}

test(`${messages} messages of ${keyCount} keys, 30 % twice, 10 % of the acknowledgements lost, 30 % reordered: each effect once, and in order`, async () => {
  const world = await World.open()
  try {
    const random = seededRandom(3)
    const keys = Array.from({ length: keyCount }, (_, index) => world.aggregate(index))
    const events = Array.from({ length: messages / keyCount }, (_, index) =>
      keys.map((key): StoaEvent => ({
        id: world.ids.child(key),
        type: 'post.created',
        key,
        seq: index + 1,
        at: 1,
        cause: 't',
        data: { post: key, author: key, text: 'x', createdAt: 1 },
      })),
    ).flat()
    const coming = asTheyCome(events, random)
    const parcels: (readonly StoaEvent[])[] = []
    for (let from = 0; from < coming.length; from += parcelSize)
      parcels.push(coming.slice(from, from + parcelSize))
    const twice = parcels.flatMap((parcel) => {
      const isTwice = random.uint32() % 10 < 3
      // A lost acknowledgement is a delivery that comes once more when it was all done.
      const isUnheard = random.uint32() % 10 === 0
      return Array.from({ length: 1 + Number(isTwice) + Number(isUnheard) }, () => parcel)
    })
    const process = world.begin()

    const given = twice.map((parcel, index) => ({ parcel, at: index + (random.uint32() % 20) }))
    const order = given.toSorted((one, other) => one.at - other.at).map(({ parcel }) => parcel)
    for (let from = 0; from < order.length; from += 3) {
      const together = shuffled(order.slice(from, from + 3), random)
      await Promise.all(
        together.map((parcel) =>
          process.deliver({
            id: 'm',
            tries: 0,
            message: {
              url: `${publicUrl}/_inbox/social`,
              body: JSON.stringify({ events: parcel }),
            },
          }),
        ),
      )
    }
    // What came too late for three at once to agree is delivered again.
    while (world.sent.length > 0) {
      const next = world.sent.shift()
      if (next !== undefined) await process.deliver(next)
    }

    const seen = new Map<string, number[]>()
    for (const { okey, seq } of await world.effects())
      seen.set(okey, [...(seen.get(okey) ?? []), seq])
    expect(seen.size).toBe(keyCount)
    const expected = Array.from({ length: messages / keyCount }, (_, index) => index + 1).join()
    expect([...seen.values()].filter((seqs) => seqs.join() !== expected)).toEqual([])
    expect(await world.count('parked')).toBe(0)
    expect(world.bugs).toEqual([])
  } finally {
    world.close()
  }
})
