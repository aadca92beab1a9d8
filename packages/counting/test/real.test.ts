import {
  type Call,
  createIds,
  type RedisCommand,
  type RedisPort,
  rootCall,
  secureRandom,
  seededRandom,
  systemClock,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { checkLog, type Counting, createCounting, type Kind } from '../src/index.ts'
import { openPlace, type Place } from './place.ts'

/** The whole over the local servers, through the official clients: processes die at every request. */

const call = rootCall('real')
const post: Kind = {
  name: 'post',
  mode: 'eventual',
  metrics: [{ name: 'views' }, { name: 'likes' }],
  pagesPerBucket: 1,
}
const pulse: Kind = { name: 'pulse', mode: 'best-effort', metrics: [{ name: 'beats' }] }
const kinds = [post, pulse]
const ids = createIds({ clock: systemClock, random: seededRandom(11) })
const objects = Array.from({ length: 300 }, (_, index) => ids.root(`author ${index % 40}`))

let place: Place
beforeAll(async () => {
  place = await openPlace(kinds, 'in-process')
}, 30_000)
afterAll(() => place.close())

/** Never answers after `allowed` requests: what a process looks like that has died. */
function mortal(allowed: number) {
  let left = allowed
  const died = Promise.withResolvers<void>()
  const step = async <R>(send: () => Promise<R>): Promise<R> => {
    if (left === 0) {
      died.resolve()
      return new Promise<R>(() => undefined)
    }
    left -= 1
    const answer = await send()
    return answer
  }
  const redis = (port: RedisPort): RedisPort => ({
    run: (command, each, options) => step(() => port.run(command, each, options)),
    pipeline: (commands, each, options) => step(() => port.pipeline(commands, each, options)),
  })
  const router = (port: Router): Pick<Router, 'writeAll' | 'readMany' | 'groups'> => ({
    groups: port.groups.bind(port),
    readMany: (queries, each) => step(() => port.readMany(queries, each)),
    writeAll: (keys, statements, each) => step(() => port.writeAll(keys, statements, each)),
  })
  return { redis, router, died: died.promise }
}

type Parts = { readonly log: RedisPort; readonly hot: RedisPort; readonly reported: unknown[] }

function countingOver({ log, hot, reported }: Parts, life = mortal(Infinity)): Counting {
  return createCounting({
    kinds,
    logs: [{ name: 'log', redis: life.redis(log) }],
    hot: life.redis(hot),
    router: life.router(place.router),
    clock: systemClock,
    random: secureRandom,
    defer: () => undefined,
    report: (error) => reported.push(error),
    flushSize: 100,
  })
}

/** Sends one of ten flushes a second time: the acknowledgement was lost. */
function stammering(port: RedisPort): RedisPort {
  let count = 0
  return {
    run: port.run.bind(port),
    pipeline: async (commands: readonly RedisCommand[], each: Call, options) => {
      count += 1
      if (count % 10 === 0) await port.pipeline(commands, each, options)
      return port.pipeline(commands, each, options)
    },
  }
}

describe('over the local servers', () => {
  test(
    '20,000 increments are 20,000, with a drainer dying at every request and one flush of ten sent twice',
    { timeout: 60_000 },
    async () => {
      const reported: unknown[] = []
      const parts = {
        log: await place.redis('log-exact'),
        hot: await place.redis('hot-exact'),
        reported,
      }
      const producer = countingOver({ ...parts, log: stammering(parts.log) })
      let deaths = 0
      let lives = 0
      for (let n = 0; n < 20_000; n += 1) {
        const id = objects[(n * 7_919) % objects.length] ?? ''
        producer.increment('post', id, n % 3 === 0 ? { likes: 1 } : { views: 1 })
        if (producer.due() === 0) await producer.flush(call)
        if (n % 500 !== 499) continue
        const life = mortal(lives % 6)
        const draining = countingOver(parts, life).drainer.drain(call)
        const end = await Promise.race([draining, life.died])
        if (end === undefined) deaths += 1
        lives += 1
      }
      await producer.flush(call)
      await countingOver(parts).drainer.drain(call)
      const counts = await producer.readMany('post', objects, call)
      const shown = counts.reduce(
        (sum, { values }) => sum + (values['views'] ?? 0) + (values['likes'] ?? 0),
        0,
      )

      expect(reported).toEqual([])
      expect(lives).toBe(40)
      expect(deaths).toBeGreaterThan(20)
      expect([await place.sum(), shown]).toEqual([20_000, 20_000])
    },
  )

  test('the same run with a key that is renamed counts too much', { timeout: 60_000 }, async () => {
    const redis = await place.redis('log-rename')
    const before = await place.sum()
    const [bucket] = [0]
    const drain = async (dies: boolean): Promise<void> => {
      await redis.run(['RENAMENX', 'main', 'taken'], call, { idempotent: false }).catch(() => 0)
      const fields = await redis.run(['HGETALL', 'taken'], call, { idempotent: true })
      const list = Array.isArray(fields) ? fields.map(String) : []
      const rows = list.flatMap((id, at) =>
        at % 2 === 0 ? [[id.slice(0, 3), at, Number(list[at + 1])]] : [],
      )
      if (rows.length > 0) {
        const sql = `INSERT INTO count_post (slot, id, views) SELECT value ->> 0, unhex(printf('%020x', value ->> 1)), value ->> 2 FROM json_each(?)
WHERE true ON CONFLICT DO UPDATE SET views = views + excluded.views`
        await place.router.writeAll([bucket], [{ sql, args: [JSON.stringify(rows)] }], call)
      }
      if (!dies) await redis.run(['DEL', 'taken'], call, { idempotent: true })
    }
    for (let flush = 0; flush < 100; flush += 1) {
      const commands = Array.from({ length: 20 }, (_, n) => [
        'HINCRBY',
        'main',
        objects[(flush + n) % 300] ?? '',
        1,
      ])
      await redis.pipeline(commands, call, { idempotent: false })
      if (flush % 10 === 9) await drain(flush % 20 === 9)
    }
    await drain(false)
    await drain(false)

    expect((await place.sum()) - before).toBeGreaterThan(2_000)
  })

  test('best-effort counts are shown at once, and a flush that fails is lost and never repeated', async () => {
    const reported: unknown[] = []
    const hot = await place.redis('hot-best')
    let lose = false
    const lossy: RedisPort = {
      run: hot.run.bind(hot),
      pipeline: async (...args) => {
        const answer = await hot.pipeline(...args)
        if (lose) throw new Error('the reply was lost')
        return answer
      },
    }
    const counting = countingOver({ log: hot, hot: lossy, reported })
    const [id = ''] = objects
    const beats = async () => (await counting.read('pulse', id, call)).values['beats']
    counting.increment('pulse', id, { beats: 3 })
    await counting.flush(call)
    expect(await beats()).toBe(3)

    lose = true
    counting.increment('pulse', id, { beats: 2 })
    await counting.flush(call)
    lose = false
    await counting.flush(call)

    expect(await beats()).toBe(5)
    expect(reported).toHaveLength(1)
  })

  test('a value in the hot view gives way only to a newer one, or when it is old', async () => {
    const reported: unknown[] = []
    const parts = { log: await place.redis('log-hot'), hot: await place.redis('hot-hot'), reported }
    const counting = countingOver(parts)
    const id = ids.root('hot view')
    counting.increment('post', id, { views: 1 })
    await counting.flush(call)
    await counting.drainer.drain(call)
    const key = `post:${id}`
    const [, seq = '', at = ''] = String(
      await parts.hot.run(['GET', key], call, { idempotent: true }),
    ).split(':')
    const newer = (Number.parseInt(seq, 36) + 5).toString(36)
    await parts.hot.run(['SET', key, `9,9:${newer}:${at}`], call, { idempotent: true })
    counting.increment('post', id, { views: 1 })
    await counting.flush(call)
    await counting.drainer.drain(call)
    expect((await counting.read('post', id, call)).values).toEqual({ views: 9, likes: 9 })

    await parts.hot.run(['SET', key, `9,9:${newer}:1`], call, { idempotent: true })
    counting.increment('post', id, { views: 1 })
    await counting.flush(call)
    await counting.drainer.drain(call)

    expect((await counting.read('post', id, call)).values).toEqual({ views: 3, likes: 0 })
    expect(await checkLog({ name: 'log', redis: parts.log }, call)).toMatch(/keeps|unknown/)
    expect(reported).toEqual([])
  })
})
