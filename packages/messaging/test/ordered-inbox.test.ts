import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type StoaEvent } from '../src/index.ts'
import { planOf } from '../src/streams.ts'
import { orderRules } from './rules.ts'
import { peace, publicUrl, settleWorld, World } from './world.ts'

let world: World
beforeEach(async () => {
  world = await World.open()
})
afterEach(() => world.close())

/** Gives events to the consumer that follows an order, once, as one message. */
async function give(events: readonly StoaEvent[], process = world.begin()): Promise<void> {
  const body = JSON.stringify({ events })
  const message = { url: `${publicUrl}/_inbox/social`, body, retries: 0 }
  await process.deliver({ id: 'given', message, tries: 0 })
}

async function seqsOf(key: string): Promise<readonly number[]> {
  return (await world.effects())
    .filter(({ consumer, okey }) => consumer === 'social' && okey === key)
    .map(({ seq }) => seq)
}

/** Every order of `items`, equal ones told apart by nothing. */
function* ordersOf(items: readonly number[]): Generator<readonly number[]> {
  if (items.length === 0) yield []
  for (const item of new Set(items)) {
    const rest = items.toSpliced(items.indexOf(item), 1)
    for (const order of ordersOf(rest)) yield [item, ...order]
  }
}

describe('planOf', () => {
  test('applies four events in their order, in each of the 2,520 orders in which each may come twice', () => {
    let count = 0
    const eventOf = (seq: number) => ({ key: 'k', seq }) as StoaEvent
    for (const order of ordersOf([1, 1, 2, 2, 3, 3, 4, 4])) {
      count += 1
      const applied: number[] = []
      let parked: readonly StoaEvent[] = []
      for (const seq of order) {
        const stream = { okey: 'k', key: 'k', events: [eventOf(seq)] }
        const { run, park } = planOf(stream, { cursor: applied.length, parked, runMax: 50 })
        applied.push(...run.map((event) => event.seq))
        parked = [...parked, ...park].filter((event) => event.seq > applied.length)
      }
      expect([applied, parked]).toEqual([[1, 2, 3, 4], []])
    }

    expect(count).toBe(2_520)
  })
})

describe('the inbox that follows an order', () => {
  test('holds its rules when copies come at once', async () => {
    await expect(orderRules((sql) => sql)).resolves.toBeUndefined()
  })

  test.each([
    ['one by one, backwards', [[5], [4], [3], [2], [1]]],
    [
      'in two parcels, mixed',
      [
        [5, 2, 4],
        [1, 3],
      ],
    ],
    ['again and again', [[1, 2], [2, 1], [3, 5], [5, 3], [4], [4]]],
    ['in one parcel, backwards, each twice', [[5, 4, 3, 2, 1, 5, 4, 3, 2, 1]]],
  ])('applies what comes %s in its order, once', async (_how, parcels) => {
    const key = world.aggregate(0)
    const events = await world.begin().commit(key, 5)

    for (const seqs of parcels)
      await give(seqs.flatMap((seq) => events.filter((event) => event.seq === seq)))

    expect(await seqsOf(key)).toEqual([1, 2, 3, 4, 5])
    expect(await world.count('parked')).toBe(0)
  })

  test('applies the events of many keys in two requests a database', async () => {
    const keys = Array.from({ length: 40 }, (_, index) => world.aggregate(index))
    const events: StoaEvent[] = []
    for (const key of keys) events.push(...(await world.begin().commit(key, 2)))
    let requests = 0
    const counting = world.begin({
      fate: () => {
        requests += 1
        return 'kept'
      },
    })

    await give(events, counting)

    expect(requests).toBe(4)
    for (const key of keys) expect(await seqsOf(key)).toEqual([1, 2])
  })

  test('stops the key of a poison event alone, and parks what stands behind it', async () => {
    const [bad, good] = [world.aggregate(0), world.aggregate(0)]
    world.poison = ({ key, seq }) => key === bad && seq === 3
    const first = await world.begin().commit(bad, 5)
    const others = await world.begin().commit(good, 5)

    await give([...first, ...others])

    expect(await seqsOf(good)).toEqual([1, 2, 3, 4, 5])
    expect(await seqsOf(bad)).toEqual([1, 2])
    expect(await world.count('parked')).toBe(2)
    await settleWorld(world)
    expect(await seqsOf(bad)).toEqual([1, 2, 3, 4, 5])
  })

  test('works through a long queue of parked events', async () => {
    const key = world.aggregate(0)
    const events = await world.begin().commit(key, 100)
    const more = await world.begin().commit(key, 100)

    await give(more)
    await give(events.slice(1))
    expect(await world.count('parked')).toBe(199)
    await give(events.slice(0, 1))

    expect(await seqsOf(key)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    expect(await world.count('parked')).toBe(0)
  })

  test('is applied once by twenty at the same time', async () => {
    const key = world.aggregate(0)
    const events = await world.begin().commit(key, 6)

    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        give(index % 2 === 0 ? events : events.toReversed().slice(index % 5), world.begin(peace)),
      ),
    )

    expect(await seqsOf(key)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('finds what the queue lost in the outbox of its producer', async () => {
    const key = world.aggregate(3)
    const process = world.begin()
    const events = await process.commit(key, 4)
    world.clock.advance(10_000)
    await process.sweep()
    world.sent.length = 0
    await give(events.slice(3))

    await process.fill()
    expect(world.sent).toHaveLength(0)
    world.clock.advance(30_001)
    await process.fill()

    expect(world.sent).toHaveLength(1)
    const [again] = world.sent.splice(0)
    if (again !== undefined) await process.deliver(again)
    expect(await seqsOf(key)).toEqual([1, 2, 3, 4])
  })
})
