import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  type DeadLetterDeps,
  type GivenUp,
  type GivenUpPort,
  listDeadLetters,
  mirrorDeadLetters,
  replayDeadLetter,
  type StoaEvent,
} from '../src/index.ts'
import { call } from './databases.ts'
import { type Bench, clock, countIn, idIn, idsIn, openBench, registered } from './harness.ts'

const publicUrl = 'https://stoa.example'

let bench: Bench
let deps: DeadLetterDeps
beforeEach(async () => {
  bench = await openBench()
  deps = { queue: bench.queue, publicUrl, clock, keyspace: () => bench.router }
})
afterEach(() => bench.close())

function givenUp(id: string, items: readonly unknown[] | string, url = 'social'): GivenUp {
  const body = typeof items === 'string' ? items : JSON.stringify({ events: items })
  return { id, url: `${publicUrl}/_inbox/${url}`, body, status: 500, answer: 'it broke' }
}

function portOf(...messages: GivenUp[]) {
  const removed: string[] = []
  const pages: (string | undefined)[] = []
  const port: GivenUpPort = {
    list: async (cursor) => {
      pages.push(cursor)
      const from = Number(cursor ?? 0)
      const next = from + 2 < messages.length ? String(from + 2) : undefined
      return { messages: messages.slice(from, from + 2), cursor: next }
    },
    remove: async (ids) => void removed.push(...ids),
  }
  return { port, removed, pages }
}

const mirror = (port: GivenUpPort) => mirrorDeadLetters(port, deps, call)
const list = (limit = 50) => listDeadLetters('social', limit, { deps, call })

describe('what the queue gave up', () => {
  test('is kept with its reason when it came alone, in the shard of its aggregate', async () => {
    const [one, other] = [registered(idIn(5)), registered(idIn(9_000))]
    const { port, removed } = portOf(givenUp('1', [one]), givenUp('2', [other]))

    expect(await mirror(port)).toEqual({ buried: 2, resent: 0 })

    expect(removed).toEqual(['1', '2'])
    expect(await list()).toEqual(
      [one, other]
        .map((item) => ({
          consumer: 'social',
          key: item.key,
          seq: 1,
          status: 500,
          why: 'it broke',
          item,
          at: clock.now(),
        }))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    )
    expect([await countIn(bench.a, 'parked'), await countIn(bench.b, 'parked')]).toEqual([1, 1])
  })

  test('is taken apart when it was a parcel, and what cannot be read of it is kept', async () => {
    const events = [registered(idIn(5)), registered(idIn(6))]
    const { port } = portOf(givenUp('1', [...events, { id: 'x' }]))

    expect(await mirror(port)).toEqual({ buried: 1, resent: 2 })

    expect(bench.queue.messages.map(idsIn)).toEqual(events.map(({ id }) => [id]))
    expect(await list()).toMatchObject([{ key: '1.0', item: { id: 'x' } }])
  })

  test.each([
    ['no JSON', 'not json'],
    ['no delivery', '{"a":1}'],
    ['nothing', ''],
    ['no list', '{"events":1}'],
  ])('is kept when it is %s', async (_what, body) => {
    const { port, removed } = portOf(givenUp('1', body))

    expect(await mirror(port)).toEqual({ buried: 1, resent: 0 })

    expect(removed).toEqual(['1'])
    const [letter] = await list()
    expect(letter).toMatchObject({ key: '1', why: 'it broke' })
  })

  test('is left where it is when it is not for us, and dropped when it only woke the relay', async () => {
    const { port, removed, pages } = portOf(
      { ...givenUp('1', []), url: 'https://elsewhere.example/hook' },
      givenUp('2', '{"wake":{}}', 'relay'),
      givenUp('3', [registered(idIn(5))]),
    )

    await mirror(port)

    expect(removed).toEqual(['2', '3'])
    expect(pages).toEqual([undefined, '2'])
    expect(await list()).toHaveLength(1)
  })

  test('stops no other when it cannot be kept, and stays in the queue', async () => {
    const { port, removed } = portOf(
      givenUp('1', [registered(idIn(5))]),
      givenUp('2', [registered(idIn(9_000))]),
    )
    bench.a.spoil('refused')

    await expect(mirror(port)).rejects.toMatchObject({ code: 'shard_unavailable' })

    expect(removed).toEqual(['2'])
  })

  test('is kept once, however often it is found', async () => {
    const { port } = portOf(givenUp('1', [registered(idIn(5))]))

    await mirror(port)
    await mirror(port)

    expect(await list()).toHaveLength(1)
  })
})

describe('a dead letter', () => {
  async function bury(event: StoaEvent): Promise<void> {
    await mirror(portOf(givenUp(event.id, [event])).port)
  }

  test('is sent once more, alone and not as the same message, and forgotten', async () => {
    const event = registered(idIn(5))
    await bury(event)

    expect(await replayDeadLetter({ consumer: 'social', key: event.key, seq: 1 }, deps, call)).toBe(
      'sent',
    )

    expect(bench.queue.messages.map(idsIn)).toEqual([[event.id]])
    expect(bench.queue.messages[0]?.url).toBe(`${publicUrl}/_inbox/social`)
    expect(await list()).toEqual([])
    clock.advance(1)
    await bury(event)
    await replayDeadLetter({ consumer: 'social', key: event.key, seq: 1 }, deps, call)
    const ids = bench.queue.messages.map(({ deduplicationId }) => deduplicationId)
    expect(new Set(ids).size).toBe(2)
  })

  test('stays when the queue does not take it', async () => {
    const event = registered(idIn(5))
    await bury(event)
    bench.queue.next.push('refused')

    await expect(
      replayDeadLetter({ consumer: 'social', key: event.key, seq: 1 }, deps, call),
    ).rejects.toMatchObject({ code: 'resend_refused' })

    expect(await list()).toHaveLength(1)
  })

  test('that nobody can read stays, and one that is not there is said to be absent', async () => {
    await mirror(portOf(givenUp('m', [{ id: 'x' }])).port)

    expect(await replayDeadLetter({ consumer: 'social', key: 'm', seq: 1 }, deps, call)).toBe(
      'unreadable',
    )
    expect(await replayDeadLetter({ consumer: 'social', key: idIn(5), seq: 1 }, deps, call)).toBe(
      'absent',
    )
    expect(await list()).toHaveLength(1)
  })

  test('is listed oldest first, as many as are asked for', async () => {
    const events = [1, 2, 3].map((seq) => registered(idIn(seq * 4_000), seq))
    for (const event of events) {
      await bury(event)
      clock.advance(1)
    }

    expect((await list(2)).map(({ seq }) => seq)).toEqual([1, 2])
  })
})
