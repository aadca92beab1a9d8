import { startSystem, type System } from '@stoa/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'

import { askRedis, cachesOf, forgetAll, outliveIsolates } from './caches.ts'
import {
  type Api,
  apiOf,
  call,
  control,
  keyed,
  newCategory,
  newPerson,
  newProduct,
  type Person,
} from './people.ts'

let system: System
let api: Api
let author: Person
let post: string
let product: string

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2 })
  api = apiOf(system.url)
  author = await newPerson(api)
  product = (await newProduct(api, author, { category: await newCategory(api), stock: 5 })).id
  post = await newPost('Hello.')
}, 120_000)

afterEach(() => control(system, 'redis', { method: 'DELETE', path: 'faults' }))

afterAll(() => system.close())

async function newPost(text: string): Promise<string> {
  return (await api.social.createPost({ headers: keyed(author.token), body: { text } }, call())).id
}

/** A read, and how often it went to the databases and to Redis. */
async function read(path: string) {
  const requestId = crypto.randomUUID()
  const response = await fetch(`${system.url}${path}`, { headers: { 'x-request-id': requestId } })
  await response.body?.cancel()
  const tripsTo = async (server: 'libsql' | 'redis') => {
    const report = await control(system, server, { path: `meter?request=${requestId}` })
    return (report as { spans: readonly unknown[] }).spans.length
  }
  return { status: response.status, sql: await tripsTo('libsql'), redis: await tripsTo('redis') }
}

/** The entries about `id`, with the number of the database each lies in. */
async function entriesOf(id: string): Promise<readonly { at: number; key: string }[]> {
  const found = await Promise.all(
    cachesOf(system).map(async (cache, at) => {
      const keys = (await askRedis(cache, 'KEYS', `*${id.slice(4)}*`)) as readonly string[]
      return keys.filter((key) => !/[!~]$/.test(key)).map((key) => ({ at, key }))
    }),
  )
  return found.flat()
}

test('what one isolate has read, another reads without a database', async () => {
  for (const path of [`/v1/posts/${post}`, `/v1/users/${author.id}`]) {
    await read(path)
    // The fill goes behind the answer.
    await vi.waitFor(
      async () => {
        await system.restartWorkers()
        expect(await read(path)).toEqual({ status: 200, sql: 0, redis: 1 })
      },
      { timeout: 30_000 },
    )
    expect(await read(path)).toEqual({ status: 200, sql: 0, redis: 0 })
  }
})

test('what has just been written is read at once, by nobody from a database', async () => {
  const mine = await newPost('Mine.')

  expect(await read(`/v1/posts/${mine}`)).toMatchObject({ status: 200, sql: 0 })
})

test.each(['partition', 'delay'])(
  'with Redis in a %s nothing fails, and things are cached again when it is over',
  async (action) => {
    const paths = [`/v1/posts/${post}`, `/v1/users/${author.id}`, `/v1/products/${product}`]
    await forgetAll(system)
    const rule = { action, times: null, ...(action === 'delay' ? { delayMs: 2_000 } : {}) }
    await control(system, 'redis', { method: 'POST', path: 'faults', body: rule })

    const written = await newPost('In the dark.')
    for (const path of [...paths, `/v1/posts/${written}`, ...paths]) {
      const before = performance.now()
      expect((await read(path)).status).toBe(200)
      // Not once the two seconds that Redis would have taken.
      expect(performance.now() - before).toBeLessThan(2_000)
    }

    await control(system, 'redis', { method: 'DELETE', path: 'faults' })
    await vi.waitFor(
      async () => {
        await outliveIsolates()
        expect(await read(`/v1/posts/${post}`)).toEqual({ status: 200, sql: 0, redis: 1 })
      },
      { timeout: 30_000, interval: 100 },
    )
  },
)

test('no e-mail address lies in a cache', async () => {
  await read(`/v1/users/${author.id}`)
  await vi.waitFor(async () => expect(await entriesOf(author.id)).not.toEqual([]))

  for (const { at, key } of await entriesOf(author.id)) {
    const cache = cachesOf(system)[at]
    expect(String(cache && (await askRedis(cache, 'GET', key)))).not.toContain('@')
  }
})
