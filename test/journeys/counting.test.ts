import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { type Deployment, deploy } from '@stoa/cli'
import { createIds, secureRandom, slotOfId, slotText, systemClock, typedId } from '@stoa/kernel'
import { startSystem, type System } from '@stoa/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'

import { type Api, apiOf, bearer, call, control, staff } from './people.ts'
import { everywhere } from './shards.ts'

/** What moves as one: the unit of dedupe. */
const slotsPerBucket = 64
const bucketCount = 256

const ids = createIds({ clock: systemClock, random: secureRandom })

let system: System
let others: readonly Deployment[]
/** The same system at several addresses, each in a process with a buffer of its own. */
let apis: readonly Api[]

beforeAll(async () => {
  system = await startSystem({ shape: 'one', shardsPerKeyspace: 2 })
  const env = { ...system.env, PUBLIC_URL: system.url }
  others = await Promise.all([1, 2].map(() => deploy({ shape: 'one', port: 0, env })))
  apis = [system.url, ...others.map(({ url }) => url)].map(apiOf)
}, 120_000)

afterEach(async () => {
  for (const server of ['libsql', 'redis'] as const)
    await control(system, server, { method: 'DELETE', path: 'faults' })
})

afterAll(async () => {
  await Promise.all(others.map(({ close }) => close()))
  await system.close()
})

function posts(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => ids.root(`author ${index % 50}`))
}

async function spoil(server: 'libsql' | 'redis', rule: object): Promise<void> {
  await control(system, server, { method: 'POST', path: 'faults', body: rule })
}

/** Reports a view of each of `seen`; answers how many were taken. */
async function view(api: Api, seen: readonly string[]): Promise<number> {
  const events = seen.map((id) => ({ kind: 'post', subject: typedId('pst', id) }) as const)
  return (await api.stats.recordEvents({ body: { events } }, call())).accepted
}

/** Sends on what the process holds, and drains all logs; a fault may spoil either. */
async function drain(api: Api): Promise<boolean> {
  const headers = bearer(staff.operator)
  const { entries } = await api.stats.drainCounts({ headers }, call())
  return entries === 0
}

async function drainAll(): Promise<void> {
  await vi.waitFor(
    async () => {
      const empty: boolean[] = []
      for (const api of apis) empty.push(await drain(api))
      expect(empty).toEqual(apis.map(() => true))
    },
    { timeout: 60_000, interval: 200 },
  )
}

async function viewsInDatabases(): Promise<number> {
  const sql = 'SELECT coalesce(sum(views), 0) AS n FROM count_post'
  const rows = await everywhere(system, 'stats', { sql, args: [] })
  return rows.reduce((sum, { n }) => sum + Number(n), 0)
}

async function viewsShown(seen: readonly string[]): Promise<number> {
  let sum = 0
  for (let from = 0; from < seen.length; from += 100) {
    const subjects = seen.slice(from, from + 100).map((id) => typedId('pst', id))
    const params = { kind: 'post' } as const
    const [api] = apis
    const page = await api?.stats.getManyStats(
      { params, query: { subjects: subjects.join() } },
      call(),
    )
    for (const { counts } of page?.items ?? []) sum += counts['views'] ?? 0
  }
  return sum
}

test('a view is counted without a round trip, and is shown soon though nobody asks for it', async () => {
  const [one = ''] = posts(1)
  const [api] = apis
  const requestId = crypto.randomUUID()
  const events = [{ kind: 'post', subject: typedId('pst', one), viewer: 'ann' }]
  const response = await fetch(`${system.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify({ events }),
  })
  const trips = await Promise.all(
    (['libsql', 'redis'] as const).map((server) =>
      control(system, server, { path: `meter?request=${requestId}` }),
    ),
  )

  expect([response.status, await response.json()]).toEqual([202, { accepted: 1 }])
  expect((trips as { spans: unknown[] }[]).flatMap(({ spans }) => spans)).toEqual([])
  const params = { kind: 'post', subject: typedId('pst', one) } as const
  await expect
    .poll(async () => (await api?.stats.getStats({ params }, call()))?.counts, { timeout: 40_000 })
    .toEqual({ views: 1 })
  expect(await api?.stats.getViewers({ params }, call())).toMatchObject({ viewers: 1 })
}, 60_000)

test('20,000 views over three processes are 20,000, with flushes sent twice and replies lost everywhere', async () => {
  const before = await viewsInDatabases()
  const seen = posts(400)
  await spoil('redis', { action: 'duplicate', times: 15, match: { contains: 'XADD' } })
  await spoil('redis', { action: 'drop-reply', times: 15, skip: 15, match: { contains: 'XADD' } })
  await spoil('redis', { action: 'drop-reply', times: 10, match: { contains: 'XDEL' } })
  await spoil('redis', { action: 'drop-request', times: 5, skip: 5, match: { contains: 'EVAL' } })
  const batch = { contains: 'count_applied' }
  await spoil('libsql', { action: 'drop-reply', times: 6, skip: 2, match: batch })
  await spoil('libsql', { action: 'drop-request', times: 3, match: batch })

  const sent = await Promise.all(
    apis.map(async (api, at) => {
      let accepted = 0
      for (let request = at; request < 200; request += apis.length) {
        const part = Array.from({ length: 100 }, (_, n) => seen[(request * 37 + n * 7) % 400] ?? '')
        accepted += await view(api, part)
        // What a drain meets is the drainer's own business; the views are safe in the logs.
        if (request % 8 < apis.length) await drain(api).catch(() => false)
      }
      return accepted
    }),
  )
  for (const server of ['libsql', 'redis'] as const)
    await control(system, server, { method: 'DELETE', path: 'faults' })
  await drainAll()

  expect(sent.reduce((sum, n) => sum + n, 0)).toBe(20_000)
  expect((await viewsInDatabases()) - before).toBe(20_000)
  expect(await viewsShown(seen)).toBe(20_000)
  expect(await everywhere(system, 'stats', { sql: 'SELECT * FROM count_dead' })).toEqual([])
}, 120_000)

/** What `npm run stoa` runs. */
function stoa(...words: readonly string[]): Promise<number | null> {
  const program = fileURLToPath(new URL('../../packages/cli/src/stoa.ts', import.meta.url))
  const where = [
    '--meta-url',
    system.env['META_URL'] ?? '',
    '--token',
    system.env['LIBSQL_TOKEN'] ?? '',
  ]
  const child = spawn(process.execPath, [program, ...words, ...where, '--json'], {
    stdio: 'ignore',
  })
  return new Promise((resolve) => {
    child.once('exit', resolve)
  })
}

test('buckets move to another database with what they have taken, while views come twice, and none is lost or doubled', async () => {
  const before = await viewsInDatabases()
  const seen = posts(60)
  const buckets = [...new Set(seen.map((id) => Math.floor(slotOfId(id) / slotsPerBucket)))]
  const mine = buckets.filter((bucket) => bucket < bucketCount / 2).slice(0, 3)
  const ranges = mine.map((n) => `${n * slotsPerBucket}-${(n + 1) * slotsPerBucket - 1}`)
  await spoil('redis', { action: 'duplicate', times: null, match: { contains: 'XADD' } })
  let accepted = 0
  const moved = new AbortController()
  const count = async (api: Api) => {
    while (!moved.signal.aborted) {
      const taken = await view(api, seen)
      accepted += taken
      await drain(api).catch(() => false)
      await sleep(50)
    }
  }
  const counting = Promise.all(apis.map(count))
  await vi.waitFor(() => expect(accepted).toBeGreaterThan(200))

  const codes = [
    await stoa('move', 'stats', '--slots', ranges.join(), '--to', 'stats-1', '--yes'),
    await stoa('move', 'stats', '--slots', '0-99', '--to', 'stats-1', '--yes'),
  ]
  moved.abort()
  await counting
  await drainAll()

  expect(codes[0]).toBe(0)
  expect(codes[1]).not.toBe(0)
  expect(mine.length).toBeGreaterThan(0)
  expect((await viewsInDatabases()) - before).toBe(accepted)
  expect(await viewsShown(seen)).toBe(accepted)
  const slots = JSON.stringify(mine.map((bucket) => slotText(bucket * slotsPerBucket)))
  const applied = await everywhere(system, 'stats', {
    sql: `SELECT (SELECT shard FROM _shard_meta) AS shard, count(*) AS n FROM count_applied
WHERE slot IN (SELECT value FROM json_each(?)) HAVING count(*) > 0`,
    args: [slots],
  })
  expect(applied.map(({ shard }) => shard)).toEqual(['stats-1'])
}, 120_000)
