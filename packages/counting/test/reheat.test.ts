import {
  createIds,
  manualClock,
  type RedisCommand,
  type RedisPort,
  rootCall,
  secureRandom,
  systemClock,
} from '@stoa/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type Counting, createCounting, type Kind } from '../src/index.ts'
import { openPlace, type Place } from './place.ts'

/** Frozen objects that are read again, over a real Redis where there is one. */

const call = rootCall('reheat')
const post: Kind = {
  name: 'post',
  mode: 'eventual',
  metrics: [{ name: 'views' }, { name: 'likes' }],
  pagesPerBucket: 1,
}
const monthMs = 31 * 86_400_000
const old = createIds({
  clock: manualClock(systemClock.now() - monthMs),
  random: secureRandom,
})
/** One page of a thousand. */
const ids = Array.from({ length: 1_000 }, (_, n) => old.rootAt(`00${n % 4}0${n % 8}`))
const [one = '', other = ''] = ids

let place: Place
let log: RedisPort
let hot: RedisPort
beforeAll(async () => {
  place = await openPlace([post], 'auto')
  log = await place.redis('log')
  hot = await place.redis('hot')
}, 30_000)
afterAll(() => place.close())

/** An isolate of its own, and what it asks. */
function isolate() {
  const asked = { shards: 0, hot: [] as RedisCommand[] }
  const deferred: Promise<unknown>[] = []
  const counting = createCounting({
    kinds: [post],
    logs: [{ name: 'log', redis: log }],
    hot: {
      run: (command, ...rest) => {
        asked.hot.push(command)
        return hot.run(command, ...rest)
      },
      pipeline: (commands, ...rest) => {
        asked.hot.push(...commands)
        return hot.pipeline(commands, ...rest)
      },
    },
    router: {
      ...place.router,
      groups: place.router.groups.bind(place.router),
      writeAll: place.router.writeAll.bind(place.router),
      readMany: (...args) => {
        asked.shards += 1
        return place.router.readMany(...args)
      },
    },
    clock: systemClock,
    random: secureRandom,
    defer: (work) => deferred.push(work),
    report: (error) => {
      throw error
    },
  })
  return { counting, asked, settle: () => Promise.all(deferred) }
}

async function viewsOf(counting: Counting, id: string): Promise<number | undefined> {
  return (await counting.read('post', id, call)).values['views']
}

/** Takes away the value of each of `some`, as an eviction does. */
async function evict(some: readonly string[]): Promise<void> {
  await hot.run(['DEL', ...some.map((id) => `post:${id}`)], call, { idempotent: true })
}

async function inHotView(): Promise<number> {
  const answer = await hot.run(['MGET', ...ids.map((id) => `post:${id}`)], call, {
    idempotent: true,
  })
  return Array.isArray(answer) ? answer.filter((value) => value !== null).length : -1
}

async function freezeAll(): Promise<number> {
  await evict(ids)
  return isolate().counting.freeze('post', { bucket: 0, madeBefore: systemClock.now() }, call)
}

describe('a frozen object', () => {
  test('is read from its page once, then from Redis by every isolate, until it is evicted', async () => {
    const writer = isolate().counting
    for (const [n, id] of ids.entries()) writer.increment('post', id, { views: n + 1 })
    await writer.flush(call)
    await writer.drainer.drain(call)
    expect(await freezeAll()).toBe(1_000)

    const [first, second, third] = [isolate(), isolate(), isolate()]
    const shown = [await viewsOf(first.counting, one)]
    await first.settle()
    shown.push(await viewsOf(second.counting, one))
    const warm = await inHotView()
    await evict([one])
    shown.push(await viewsOf(third.counting, one))
    await third.settle()

    expect(shown).toEqual([1, 1, 1])
    expect([first, second, third].map(({ asked }) => asked.shards)).toEqual([1, 0, 1])
    // What was read, and none of the 999 others of its page.
    expect([warm, await inHotView()]).toEqual([1, 1])
    // A look, and what EVAL bills: itself, MGET and MSET. Then one command a look.
    expect(first.asked.hot.map(([name]) => name)).toEqual(['MGET', 'EVAL'])
    expect(second.asked.hot.map(([name]) => name)).toEqual(['MGET'])
  })

  test('of which several are read at once costs one page and one publication', async () => {
    await freezeAll()
    const { counting, asked, settle } = isolate()
    const some = ids.slice(0, 50)
    const counts = await counting.readMany('post', some, call)
    await settle()

    expect(counts.map(({ values }) => values['views'])).toEqual(some.map((_, n) => n + 1))
    expect([asked.shards, asked.hot.length, await inHotView()]).toEqual([1, 2, 50])
  })

  test('shows what it was counted since, wherever it lies', async () => {
    await freezeAll()
    const reader = isolate()
    await viewsOf(reader.counting, other)
    await reader.settle()
    const writer = isolate().counting
    writer.increment('post', other, { views: 5 })
    await writer.flush(call)
    await writer.drainer.drain(call)
    const later = isolate()

    expect(await viewsOf(later.counting, other)).toBe(7)
    expect(later.asked.shards).toBe(0)
    await evict([other])
    expect(await viewsOf(later.counting, other)).toBe(7)
  })

  test('is not frozen again while Redis knows that somebody read it since yesterday', async () => {
    await freezeAll()
    const { counting, settle } = isolate()
    counting.increment('post', one, { views: 1 })
    await counting.flush(call)
    await counting.drainer.drain(call)
    await settle()

    expect(await counting.freeze('post', { bucket: 0, madeBefore: systemClock.now() }, call)).toBe(
      0,
    )
  })
})
