import { newEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { fanOut, readersMax } from '../src/domain/fan-out.ts'
import { newestOf } from '../src/domain/mirror-follows.ts'
import type { Delivery, EdgeNews, GraphStore, TimelineStore } from '../src/domain/ports.ts'
import { isTooLong } from '../src/domain/post.ts'
import { ids, stranger } from './harness.ts'

describe('isTooLong', () => {
  test.each([
    ['500 letters', 'a'.repeat(500), false],
    ['501 letters', 'a'.repeat(501), true],
    ['500 flags', '🇬🇷'.repeat(500), false],
    ['501 flags', '🇬🇷'.repeat(501), true],
    ['one letter under a thousand accents', `e${'\u0301'.repeat(1_000)}`, false],
  ])('judges %s', (_what, text, expected) => {
    expect(isTooLong(text)).toBe(expected)
  })
})

describe('newestOf', () => {
  const news = fc.record({
    follower: fc.constantFrom('a', 'b'),
    followee: fc.constantFrom('c', 'd'),
    version: fc.integer({ min: 1, max: 9 }),
    active: fc.boolean(),
    at: fc.nat(),
  })

  test('always keeps of each edge one piece of news, and none is newer', () => {
    fc.assert(
      fc.property(fc.array(news), (list: readonly EdgeNews[]) => {
        const pairOf = (each: EdgeNews) => `${each.follower}${each.followee}`
        const kept = newestOf(list)
        expect(kept.map(pairOf).toSorted()).toEqual([...new Set(list.map(pairOf))].toSorted())
        for (const each of list) {
          const newest = kept.find((other) => pairOf(other) === pairOf(each))
          expect(newest?.version).toBeGreaterThanOrEqual(each.version)
        }
      }),
    )
  })
})

describe('fanOut', () => {
  const author = stranger()
  const post = { id: ids.child(author), author, text: 'Hi.', createdAt: 1 }
  const event = newEvent(ids, 'post.created', {
    key: post.id,
    seq: 1,
    at: 1,
    cause: 'test',
    data: { post: post.id, author, text: post.text, createdAt: 1 },
  })
  const call = { requestId: 'test', signal: new AbortController().signal }

  /** Runs one fan-out for an author whose page holds `readers`, and tells what it did, in order. */
  async function run(readers: readonly string[]) {
    const done: string[] = []
    const told: Parameters<TimelineStore['goOn']>[0][number][] = []
    const added: Delivery[] = []
    const graph: Pick<GraphStore, 'readers'> = { readers: () => Promise.resolve([readers]) }
    const timelines: Pick<TimelineStore, 'add' | 'goOn'> = {
      add: async (deliveries) => {
        done.push('add')
        added.push(...deliveries)
      },
      goOn: async (steps) => {
        done.push('goOn')
        told.push(...steps)
      },
    }
    const deps = { graph, timelines, ids, clock: { now: () => 7 } }
    await fanOut(deps, [{ event, post, after: undefined }], call)
    return { done, told, added }
  }

  test('goes on behind the last reader when the page was full, and not before it is done', async () => {
    const readers = Array.from({ length: readersMax }, stranger)

    const { done, told, added } = await run(readers)

    expect(done).toEqual(['add', 'goOn'])
    expect(added).toEqual([{ post, readers }])
    expect(told[0]?.next).toMatchObject({
      type: 'post.fanned_out',
      key: event.id,
      seq: 1,
      cause: event.id,
      data: { post: post.id, after: readers.at(-1) },
    })
  })

  test('ends with a page that was not full', async () => {
    const { told } = await run(Array.from({ length: readersMax - 1 }, stranger))

    expect(told).toEqual([])
  })
})
