import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { type RedisPort, seededRandom, systemClock } from '@stoa/kernel'
import { devTokens, openServer, type OpenServer } from '@stoa/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type Cache, createCache } from '../src/index.ts'
import { call } from './harness.ts'

let dataDir = ''
let server: OpenServer
let databases: readonly RedisPort[] = []

async function control(method: string, route: string, body?: object): Promise<unknown> {
  const init = body && {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  }
  const answer = await fetch(`${server.url}/_local/${route}`, { method, ...init })
  if (!answer.ok) throw new Error(`${method} ${route} was answered with ${answer.status}`)
  const text = await answer.text()
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-caching-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  server = await openServer('redis', { dataDir, ports, redisEngine: 'auto' })
  for (const name of ['one', 'two']) await control('POST', 'databases', { name })
  const urls = [server.url, `${server.url}/db/one`, `${server.url}/db/two`]
  databases = urls.map((url, at) =>
    upstashRedis({ name: `cache${at}`, url, token: devTokens.redis }),
  )
}, 30_000)

afterAll(async () => {
  await server.close()
  await rm(dataDir, { recursive: true, force: true })
})

let seed = 0

function isolate(): Cache {
  seed += 1
  return createCache({
    namespace: 'front',
    redis: databases,
    clock: systemClock,
    random: seededRandom(seed),
    defer: (work) => void work,
    report: () => undefined,
    limits: { leaseMs: 50, redisMs: 3_000 },
    hot: { hits: 10, windowMs: 1_000, forMs: 5_000 },
  })
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('over the official client and a real server', { timeout: 30_000 }, () => {
  test('fills, hits, buries and tags', async () => {
    const caches = [isolate(), isolate()]
    const [here, there] = caches.map((cache) =>
      cache.space<string>('s', { ttlMs: 60_000, isolateTtlMs: 0 }),
    )
    const load = (value: string, version: number) => () => Promise.resolve({ value, version })
    const ask = { key: 'Στοά', tags: ['t'] }

    await here?.getOrLoad(ask, load('één', 1), call)
    expect(await there?.getOrLoad(ask, load('x', 1), call)).toMatchObject({
      value: 'één',
      tier: 'redis',
    })
    await caches[0]?.invalidate([{ space: 's', key: 'Στοά', version: 2 }], call)
    expect(await there?.getOrLoad(ask, load('lags', 1), call)).toMatchObject({ value: 'lags' })
    expect(await there?.getOrLoad(ask, load('two', 2), call)).toMatchObject({
      value: 'two',
      tier: 'loader',
    })
    expect(await here?.getOrLoad(ask, load('x', 2), call)).toMatchObject({
      value: 'two',
      tier: 'redis',
    })
    await caches[1]?.invalidate([{ tag: 't' }], call)
    expect(await here?.getOrLoad(ask, load('three', 3), call)).toMatchObject({ value: 'three' })
  })

  type Rival = {
    readonly get: (key: string, load: () => Promise<number>) => Promise<number | undefined>
    readonly invalidate: (key: string, version: number) => Promise<unknown>
  }

  /** Many keys, each read by two and written by two at once; gives the keys that are old when all is quiet. */
  async function storm(rival: Rival): Promise<readonly string[]> {
    const random = seededRandom(11)
    const rows = new Map<string, number>()
    const soon = () => pause(random.uint32() % 150)
    const load = async (key: string) => {
      const version = rows.get(key) ?? 1
      // Longer than a round trip: a write that began behind it is often done before.
      await pause(random.uint32() % 200)
      return version
    }
    const failed: { key: string; version: number }[] = []
    const write = async (key: string) => {
      await soon()
      const version = (rows.get(key) ?? 1) + 1
      rows.set(key, version)
      if (random.uint32() % 4 === 0) {
        await control('POST', 'faults', { action: 'drop-reply', times: 1 })
      }
      await rival.invalidate(key, version).catch(() => failed.push({ key, version }))
    }
    const race = async (key: string) => {
      const read = () => rival.get(key, () => load(key)).catch(() => undefined)
      await Promise.all([read(), soon().then(read), write(key), soon().then(() => write(key))])
    }
    const keys = Array.from({ length: 120 }, (_, at) => `k${at}`)
    for (let at = 0; at < keys.length; at += 12)
      await Promise.all(keys.slice(at, at + 12).map(race))
    await control('DELETE', 'faults')
    // What the consumer of the events does.
    for (const { key, version } of failed) await rival.invalidate(key, version)
    await pause(100)
    const found = await Promise.all(keys.map((key) => rival.get(key, () => load(key))))
    return keys.filter((key, at) => found[at] !== rows.get(key))
  }

  test('holds no old value at rest after a storm of reads and writes with lost replies', async () => {
    const caches = [isolate(), isolate(), isolate()]
    const policy = { ttlMs: 60_000, isolateTtlMs: 0, timeouts: { joinMs: 100 } }
    const spaces = caches.map((cache) => cache.space<number>('storm', policy))
    let turn = 0
    const next = () => (turn += 1) % 3

    const old = await storm({
      get: async (key, load) => {
        const loaded = () => load().then((value) => ({ value, version: value }))
        return (await spaces[next()]?.getOrLoad(key, loaded, call))?.value
      },
      invalidate: async (key, version) =>
        caches[next()]?.invalidate([{ space: 'storm', key, version }], call),
    })

    expect(old).toEqual([])
  })

  test('which DEL and SET do not survive: the control', async () => {
    const [redis] = databases
    const idempotent = { idempotent: true }
    const old = await storm({
      get: async (key, load) => {
        const held = await redis?.run(['GET', key], call, idempotent)
        if (typeof held === 'string') return Number(held)
        const value = await load()
        await redis?.run(['SET', key, value], call, idempotent)
        return value
      },
      invalidate: async (key) => redis?.run(['DEL', key], call, idempotent),
    })

    process.stdout.write(`DEL and SET: ${old.length} of 120 keys are old\n`)
    expect(old.length).toBeGreaterThan(0)
  })
})
