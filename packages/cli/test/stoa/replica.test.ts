import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { openTown, seedPosts, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town

beforeAll(async () => {
  town = await openTown()
  await seedPosts(town, 400)
})

afterAll(() => town.close())

const replicasOf = async (name: string) =>
  (await town.social()).shards.find((shard) => shard.name === name)?.replicas ?? []
const posts = async (name: string) =>
  (await town.rows(name, 'SELECT id FROM post ORDER BY id')).map(([id]) => id)

describe('stoa replica', () => {
  test('makes a copy of a shard, and names it only when it is level', async () => {
    const { code, events } = await town.stoa('replica', 'add', 'social-0', '--weight', '2')

    expect([code, events.at(-1)]).toEqual([
      0,
      { event: 'replica', shard: 'social-0', replica: 'social-0-replica', is: 'added' },
    ])
    expect(await replicasOf('social-0')).toMatchObject([{ name: 'social-0-replica', weight: 2 }])
    expect(await posts('social-0-replica')).toEqual(await posts('social-0'))
    const status = await town.stoa('replica', 'status')
    expect(status.code).toBe(0)
    expect(status.events).toMatchObject([{ replica: 'social-0-replica', lag: 0, wanted: 0 }])
    expect((await town.stoa('shards')).code).toBe(0)
  })

  test('given again changes nothing but the weight', async () => {
    expect((await town.stoa('replica', 'add', 'social-0')).code).toBe(0)

    const [replica, ...others] = await replicasOf('social-0')
    expect([replica?.name, replica?.weight, others]).toEqual(['social-0-replica', undefined, []])
  })

  test('shows how far behind it is, and a feed brings it level', async () => {
    await seedPosts(town, 100)
    const behind = (await town.stoa('replica', 'status', 'social-0')).events[0]

    const feed = town.start('replica', 'feed')
    await vi.waitFor(
      async () => expect(await posts('social-0-replica')).toEqual(await posts('social-0')),
      {
        timeout: 20_000,
        interval: 200,
      },
    )
    feed.process.kill('SIGINT')

    expect(Number(behind?.['lag'])).toBeGreaterThan(0)
    expect(await feed.ended).toBe(0)
    expect((await town.stoa('replica', 'feed', 'social-0', '--once')).code).toBe(0)
    expect((await town.stoa('replica', 'status')).events).toMatchObject([{ lag: 0, wanted: 0 }])
  })

  test('is migrated, and has the reference tables, as its shard', async () => {
    const migrated = (await town.stoa('migrate', 'social')).events
    expect(migrated.map(({ database, outcome }) => [database, outcome])).toEqual([
      ['social-0', 'current'],
      ['social-0-replica', 'current'],
      ['social-1', 'current'],
    ])
    const copies = (await town.stoa('reference', 'status')).events
    expect(copies.at(-1)).toMatchObject({ ok: true, databases: 3 })
  })

  test('is refused where it cannot be, and nothing is changed', async () => {
    const everything = async () => {
      const response = await fetch(`http://127.0.0.1:${town.local.ports.libsql}/_local/databases`)
      return [await town.topology(), await response.json()]
    }
    const before = await everything()
    const refused = async (...words: readonly string[]) => {
      const { code, events } = await town.stoa('replica', ...words)
      expect(events.at(-1)?.['advice'] ?? '').not.toBe('')
      return [code, events.at(-1)?.['code']]
    }

    expect(await refused('add', 'social-9')).toEqual([1, 'unknown_shard'])
    expect(await refused('add', 'social-0', '--name', 'social-1')).toEqual([1, 'database_taken'])
    expect(await refused('add', 'social-1', '--name', 'social-0-replica')).toEqual([
      1,
      'database_taken',
    ])
    expect(await refused('add', 'social-0', '--name', 'So cial')).toEqual([2, 'bad_command'])
    expect(await refused('remove', 'social-1')).toEqual([1, 'unknown_shard'])
    const { code, events } = await town.with('wrong', 'replica', 'add', 'social-1')
    expect([code, events.at(-1)?.['code']]).toEqual([3, 'shard_unavailable'])
    const split = ['split', 'social', '--from', 'social-0', '--to', 'social-0-replica', '--yes']
    expect((await town.stoa(...split)).events.at(-1)?.['code']).toBe('database_taken')
    expect(await everything()).toEqual(before)
  })

  test('that is removed is fed and named no more, and nothing is kept for it', async () => {
    const { code } = await town.stoa('replica', 'remove', 'social-0')
    await seedPosts(town, 20)

    expect(code).toBe(0)
    expect(await replicasOf('social-0')).toEqual([])
    expect(await town.rows('social-0', 'SELECT capture FROM _fence')).toEqual([[0]])
    expect(await town.rows('social-0', 'SELECT count(*) FROM _cdc')).toEqual([[0]])
    expect((await town.stoa('replica', 'status')).events).toEqual([])
    expect((await town.stoa('replica', 'remove', 'social-0')).events.at(-1)?.['code']).toBe(
      'unknown_shard',
    )
  })

  test('killed while it is filled goes on with the same command', async () => {
    await seedPosts(town, 600)
    const child = town.start('replica', 'add', 'social-1')
    await child.until(({ event }) => event === 'filling')
    child.process.kill('SIGKILL')
    await child.ended
    expect(await replicasOf('social-1')).toEqual([])
    const [unnamed] = (await town.stoa('replica', 'status')).events
    expect(unnamed?.['problem']).toContain('does not name it')

    expect((await town.stoa('replica', 'add', 'social-1')).code).toBe(0)

    expect(await posts('social-1-replica')).toEqual(await posts('social-1'))
    expect((await town.stoa('replica', 'status')).code).toBe(0)
  })
})
