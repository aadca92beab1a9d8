import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { call, openTown, seedPosts, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town

beforeAll(async () => {
  town = await openTown()
  await seedPosts(town, 100)
})

afterAll(() => town.close())

/** What may not change when nothing is to be changed. */
async function everything(): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${town.local.ports.libsql}/_local/databases`)
  return {
    topology: await town.topology(),
    databases: await response.json(),
    jobs: (await town.rows('meta', 'SELECT count(*) FROM reshard_job'))[0],
    owners: await town.rows('social-0', 'SELECT state, count(*), count(job) FROM _slot_owner'),
  }
}

describe('stoa shards', () => {
  test('tells slots, epochs, rows and problems of every database, and the unfinished jobs', async () => {
    const { code, events } = await town.stoa('shards')

    const shards = events.filter(({ event }) => event === 'shard')
    expect(code).toBe(0)
    expect(shards.map(({ shard, slots, epochs }) => ({ shard, slots, epochs }))).toEqual([
      { shard: 'social-0', slots: 8_192, epochs: [1] },
      { shard: 'social-1', slots: 8_192, epochs: [1] },
    ])
    const posts = shards.map(({ rows }) => (rows as Record<string, number>)['post'] ?? 0)
    expect((posts[0] ?? 0) + (posts[1] ?? 0)).toBe(100)
    expect(events.filter(({ event }) => event === 'problem' || event === 'job')).toEqual([])
  })

  test('goes on when a database is away, and says which', async () => {
    const rename = async (from: string, to: string) => {
      const sql = 'UPDATE topology SET document = replace(document, ?, ?)'
      await town.meta.batch([{ sql, args: [from, to] }], 'write', call)
    }
    await rename('social-1/', 'nowhere/')

    const { code, events } = await town.stoa('shards')
    await rename('nowhere/', 'social-1/')

    expect(code).toBe(1)
    expect(events.filter(({ event }) => event === 'shard')).toHaveLength(2)
    expect(events.some(({ event, shard }) => event === 'problem' && shard === 'social-1')).toBe(
      true,
    )
  })
})

describe('stoa plan', () => {
  test('tells rows, billed writes and pause, and changes nothing', async () => {
    const before = await everything()

    const { code, events } = await town.stoa(
      'plan',
      'social',
      'split',
      '--from',
      'social-0',
      '--to',
      'social-2',
    )

    const [plan] = events
    expect(code).toBe(0)
    expect(plan).toMatchObject({ event: 'plan', verb: 'split', newShards: ['social-2'] })
    const [move] = (plan?.['moves'] ?? []) as readonly Record<string, unknown>[]
    const rows = Number(move?.['rows'])
    expect(rows).toBeGreaterThan(10)
    // A post has a row, its UNIQUE and an index at the target, and is deleted at the source.
    expect(move?.['billedWrites']).toBe(rows * 4)
    expect(move?.['pauseMs']).toBeGreaterThan(0)
    expect(await everything()).toEqual(before)
  })

  test('refuses to begin when nobody agrees', async () => {
    const before = await everything()

    const { code, events } = await town.stoa(
      'split',
      'social',
      '--from',
      'social-0',
      '--to',
      'social-2',
    )

    expect([code, events.at(-1)?.['code']]).toEqual([1, 'not_confirmed'])
    expect(await everything()).toEqual(before)
  })
})
