import { seededRandom } from '@stoa/kernel'
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

/** A read that nobody measures. */
async function touch(url: string): Promise<void> {
  const response = await fetch(url)
  await response.body?.cancel()
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

test('a key that all ask for at once comes to lie in several databases', async () => {
  const path = `/v1/posts/${post}`

  await vi.waitFor(
    async () => {
      await Promise.all(Array.from({ length: 120 }, () => touch(`${system.url}${path}`)))
      await outliveIsolates()
      const databases = new Set((await entriesOf(post)).map(({ at }) => at))
      expect(databases.size).toBeGreaterThanOrEqual(3)
    },
    { timeout: 60_000, interval: 1 },
  )
  // Every copy answers as the post does.
  for (let tries = 0; tries < 4; tries += 1) {
    await outliveIsolates()
    expect(await read(path)).toMatchObject({ status: 200, sql: 0 })
  }
}, 90_000)

/** A place from 0 to `count` - 1, the nth as likely as 1 / n^1.2. */
function zipf(count: number): () => number {
  const weights = Array.from({ length: count }, (_, index) => (index + 1) ** -1.2)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const random = seededRandom(5)
  return () => {
    let left = (random.uint32() / 2 ** 32) * total
    return Math.max(
      0,
      weights.findIndex((weight) => (left -= weight) <= 0),
    )
  }
}

/** Commands that each database of the caches has had. */
async function commandsOf(): Promise<readonly number[]> {
  const meter = (await control(system, 'redis', { path: 'meter' })) as {
    readonly databases: Readonly<Record<string, { readonly commands: number }>>
  }
  return cachesOf(system).map(({ url }) => {
    const name = new URL(url).pathname.split('/').at(-1) ?? ''
    return meter.databases[name]?.commands ?? 0
  })
}

/** `posts` with those first that lie in the same database, the `hot` most read; the others lie in each in turn. */
async function arranged(posts: readonly string[], hot: number): Promise<readonly string[]> {
  const homes = new Map<number, string[]>()
  for (const each of posts) {
    const [entry] = await vi.waitUntil(async () => {
      const found = await entriesOf(each)
      return found.length > 0 && found
    })
    if (entry !== undefined) homes.set(entry.at, [...(homes.get(entry.at) ?? []), each])
  }
  const [first = [], ...others] = [...homes.values()]
  const most = first.slice(0, hot)
  const lists = [...others, first.slice(hot)]
  const length = Math.min(...lists.map((list) => list.length))
  const rounds = Array.from({ length }, (_, n) => lists.map((list) => list[n] ?? ''))
  return [...most, ...rounds.flat()]
}

test('no database has more than a quarter above the mean when the most read posts lie in one', async () => {
  const written: string[] = []
  while (written.length < 120) {
    const some = Array.from({ length: 8 }, (_, n) => newPost(`Post ${written.length + n}.`))
    written.push(...(await Promise.all(some)))
  }
  const posts = await arranged(written, 3)
  const next = zipf(posts.length)
  const readAll = async (times: number): Promise<void> => {
    const reader = async () => {
      for (let n = 0; n < times / readers; n += 1)
        await touch(`${system.url}/v1/posts/${posts[next()] ?? ''}`)
    }
    await Promise.all(Array.from({ length: readers }, reader))
  }
  const readers = 16
  await readAll(800)
  const before = await commandsOf()
  await readAll(2_400)

  const counts = (await commandsOf()).map((count, at) => count - (before[at] ?? 0))
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  expect(mean).toBeGreaterThan(20)
  expect(Math.max(...counts) / mean).toBeLessThanOrEqual(1.25)
}, 90_000)

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
