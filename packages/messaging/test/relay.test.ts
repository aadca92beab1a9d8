import { manualClock, type SqlShard } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  createMarks,
  newEvent,
  publishEvents,
  readEvents,
  type StoaEvent,
  sweepOutbox,
} from '../src/index.ts'
import { eventBytesMax, eventsInMessageMax, parcelsOf } from '../src/parcels.ts'
import { call } from './databases.ts'
import {
  type Bench,
  clock,
  countIn,
  idIn,
  ids,
  idsIn,
  insertThing,
  openBench,
  registered,
  slotOf,
} from './harness.ts'

const publicUrl = 'https://stoa.example'

function posted(text = 'Hello.'): StoaEvent<'post.created'> {
  const author = idIn(5)
  const post = ids.child(author)
  const data = { post, author, text, createdAt: 1 }
  return newEvent(ids, 'post.created', { key: post, seq: 1, at: 1, cause: 't', data })
}

describe('parcelsOf', () => {
  test('carries each event once to each of its consumers, at most 100 and 500 kB a message', () => {
    const texts = fc.array(
      fc
        .string({ unit: 'binary', maxLength: 40 })
        .chain((text) => fc.constantFrom(text, text.repeat(700))),
      {
        maxLength: 350,
      },
    )
    fc.assert(
      fc.property(texts, (all) => {
        const events = all.map(posted)

        const parcels = parcelsOf(events, publicUrl)

        for (const { events: inside, message } of parcels) {
          expect(inside.length).toBeLessThanOrEqual(eventsInMessageMax)
          const bytes = new TextEncoder().encode(message.body).length
          expect(bytes <= eventBytesMax + 1_000 || inside.length === 1).toBe(true)
          expect(JSON.parse(message.body)).toEqual({
            events: JSON.parse(JSON.stringify(inside)) as unknown,
          })
        }
        for (const consumer of ['social', 'stats']) {
          const to = parcels.filter(
            ({ message }) => message.url === `${publicUrl}/_inbox/${consumer}`,
          )
          expect(to.flatMap(({ message }) => idsIn(message))).toEqual(events.map(({ id }) => id))
        }
      }),
      { numRuns: 30 },
    )
  })

  test('splits at the hundredth event', () => {
    const sizes = (count: number) =>
      parcelsOf(
        Array.from({ length: count }, () => registered(idIn(5))),
        publicUrl,
      ).map((each) => each.events.length)

    expect([sizes(0), sizes(100), sizes(101)]).toEqual([[], [100], [100, 1]])
  })

  test('gives the same parcel the same deduplication id, and another another', () => {
    const [one, two] = [registered(idIn(5)), registered(idIn(5))]
    const idOf = (...events: StoaEvent[]) =>
      parcelsOf(events, publicUrl)[0]?.message.deduplicationId

    expect(idOf(one, two)).toBe(idOf(one, two))
    expect(new Set([idOf(one), idOf(two), idOf(one, two), idOf(two, one)]).size).toBe(4)
  })
})

describe('publishEvents', () => {
  const publish = (events: readonly StoaEvent[], answers: (index: number) => object) =>
    publishEvents(
      events,
      {
        publicUrl,
        queue: { publish: async (messages) => messages.map((_, index) => answers(index) as never) },
      },
      call,
    )

  test('calls an event published only when the messages to all its consumers were taken', async () => {
    const [both, one] = [posted(), registered(idIn(5))]

    // Messages in order: social gets both, stats gets the post.
    const outcome = await publish([both, one], (index) =>
      index === 1 ? { error: 'full' } : { messageId: 'm' },
    )

    expect(outcome).toEqual({
      published: [one.id],
      failed: [{ id: both.id, error: 'full', isRefused: true }],
    })
  })

  test('calls an event failed when the queue gives fewer answers than messages', async () => {
    const event = registered(idIn(5))

    const outcome = await publishEvents(
      [event],
      { publicUrl, queue: { publish: async () => [] } },
      call,
    )

    expect(outcome).toMatchObject({ published: [], failed: [{ id: event.id }] })
  })

  test('never calls an event of a type that it does not know published', async () => {
    const strange = { ...registered(idIn(5)), type: 'member.ascended' } as unknown as StoaEvent

    expect(await publish([strange], () => ({ messageId: 'm' }))).toMatchObject({ published: [] })
  })
})

describe('sweepOutbox', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await openBench()
  })
  afterEach(() => bench.close())

  const sweep = (worker = 'w', shard: SqlShard = bench.a) =>
    sweepOutbox(shard, { queue: bench.queue, publicUrl, clock, worker }, call)

  /** Commits an event whose fast path fails. */
  async function leave(): Promise<StoaEvent> {
    const id = idIn(5)
    const event = registered(id)
    bench.queue.next.push('request')
    await bench.committer.commit(
      { keys: [slotOf(id)], statements: [insertThing(id)], events: [event] },
      call,
    )
    await bench.settle()
    return event
  }

  test('takes up what the fast path left, when its time has come, unchanged', async () => {
    const event = await leave()

    expect(await sweep()).toMatchObject({ published: 0, failed: 0 })
    clock.advance(10_000)
    expect(await sweep()).toMatchObject({ published: 1, failed: 0 })

    const { events } = JSON.parse(bench.queue.messages[0]?.body ?? '') as { events: unknown[] }
    expect(readEvents(events)).toEqual({ events: [event], unreadable: [] })
    expect(await countIn(bench.a, "outbox WHERE state = 'sent'")).toBe(1)
  })

  test('tries what the queue refused again after five seconds', async () => {
    await leave()
    clock.advance(10_000)
    bench.queue.next.push('refused')

    expect(await sweep()).toMatchObject({ published: 0, failed: 1 })
    expect(await sweep()).toMatchObject({ published: 0, failed: 0 })
    expect(await bench.a.run('SELECT last_error FROM outbox')).toEqual([['no']])
    clock.advance(5_000)
    expect(await sweep()).toMatchObject({ published: 1, failed: 0 })
  })

  test.each(['reply', 'request'] as const)(
    'tries again after its lease when the %s of the queue is lost',
    async (lost) => {
      const event = await leave()
      clock.advance(10_000)
      bench.queue.next.push(lost)

      await expect(sweep()).rejects.toMatchObject({ code: 'ambiguous_publish' })
      clock.advance(29_999)
      expect(await sweep('another')).toMatchObject({ published: 0, failed: 0 })
      clock.advance(1)
      expect(await sweep('another')).toMatchObject({ published: 1, failed: 0 })

      const sent = bench.queue.messages.filter((message) => idsIn(message).includes(event.id))
      expect(sent).toHaveLength(lost === 'reply' ? 2 : 1)
      expect(new Set(sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(1)
    },
  )

  test.each(['reply', 'request'] as const)(
    'loses nothing when it dies at any batch (%s)',
    async (lost) => {
      for (const survived of [0, 1]) {
        const event = await leave()
        clock.advance(10_000)
        let batches = 0
        bench.a.before = async () => {
          if (batches === survived) bench.a.spoil(lost)
          batches += 1
        }

        await expect(sweep()).rejects.toMatchObject({ code: 'ambiguous_write' })
        bench.a.before = async () => undefined
        clock.advance(40_000)
        await sweep()

        expect(bench.queue.messages.flatMap(idsIn)).toContain(event.id)
        expect(await countIn(bench.a, "outbox WHERE state <> 'sent'")).toBe(0)
      }
    },
  )
})

describe('marks', () => {
  test('are given once, for their shard alone, and never more than a thousand', () => {
    const marks = createMarks(manualClock(7))
    const many = Array.from({ length: 1_500 }, (_, index) => `id${index}`)

    marks.add('a', ['x'])
    marks.add('b', many)
    marks.add('b', ['late'])

    expect(marks.take('a')[0]?.args).toEqual([7, '["x"]'])
    expect(marks.take('a')).toEqual([])
    expect(JSON.parse(String(marks.take('b')[0]?.args[1]))).toHaveLength(1_000)
    expect(marks.take('nobody')).toEqual([])
  })
})
