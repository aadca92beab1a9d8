import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { libsqlShard } from '@stoa/adapters/shard'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { call, openTown, seedPosts, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town

beforeAll(async () => {
  town = await openTown()
  await seedPosts(town, 20)
})

afterAll(() => town.close())

/** What may not change when a command is refused. */
async function everything(): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${town.local.ports.libsql}/_local/databases`)
  return {
    topology: await town.topology(),
    databases: await response.json(),
    jobs: await town.rows('meta', 'SELECT id, phase FROM reshard_job'),
    owners: await town.rows('social-0', 'SELECT state, count(*), count(job) FROM _slot_owner'),
    others: await town.rows('social-1', 'SELECT state, count(*), count(job) FROM _slot_owner'),
    posts: await town.rows('social-0', 'SELECT count(*) FROM post'),
  }
}

/** Runs a command that is refused: its exit code and its error code, and that nothing has changed. */
async function refused(...words: readonly string[]): Promise<readonly unknown[]> {
  const before = await everything()
  const { code, events } = await town.stoa(...words)
  expect(await everything()).toEqual(before)
  expect(events.at(-1)?.['advice'] ?? '').not.toBe('')
  return [code, events.at(-1)?.['code']]
}

/** Changes the topology for one test. */
async function withTopology(change: (document: string) => string, work: () => Promise<void>) {
  const [[before] = []] = await town.rows('meta', 'SELECT document FROM topology')
  const write = async (document: string) => {
    const sql = 'UPDATE topology SET document = ? WHERE id = 1'
    await town.meta.batch([{ sql, args: [document] }], 'write', call)
  }
  await write(change(String(before)))
  try {
    await work()
  } finally {
    await write(String(before))
  }
}

const move = ['move', 'social', '--slots', '0-9', '--to', 'social-1', '--yes'] as const

describe('stoa refuses, before anything has changed,', () => {
  test.each([
    ['an unknown keyspace', ['drain', 'cities', '--from', 'a', '--yes'], 1, 'unknown_shard'],
    ['an unknown shard', ['drain', 'social', '--from', 'social-9', '--yes'], 1, 'unknown_shard'],
    ['an unknown job', ['verify', 'no-job'], 1, 'unknown_shard'],
    [
      'slots that are named twice',
      ['move', 'social', '--slots', '0-9,5', '--to', 'social-1', '--yes'],
      1,
      'overlapping_ranges',
    ],
    [
      'ranges that overlap',
      ['move', 'social', '--range', '0A0AB..0A0AD,0A0AC..0A0AE', '--to', 'social-1', '--yes'],
      1,
      'overlapping_ranges',
    ],
    [
      'a range of two slots',
      ['move', 'social', '--range', '0A0AB..0A1AB', '--to', 'social-1', '--yes'],
      2,
      'bad_command',
    ],
    [
      'slots beyond the last',
      ['move', 'social', '--slots', '16384', '--to', 'social-1', '--yes'],
      2,
      'bad_command',
    ],
    [
      'slots of another shard',
      ['move', 'social', '--from', 'social-1', '--slots', '0-9', '--to', 'social-2', '--yes'],
      2,
      'bad_command',
    ],
    [
      'an owner that is none',
      ['isolate', 'social', '--owner', 'nobody', '--to', 'social-2', '--yes'],
      2,
      'bad_command',
    ],
    [
      'an owner with too few rows to cut',
      ['spread', 'social', '--owner', '0A0AB', '--to', 'social-0,social-1', '--yes'],
      2,
      'bad_command',
    ],
    [
      'cuts that do not ascend',
      [
        'spread',
        'social',
        '--owner',
        '0A0AB',
        '--at',
        '0A0ABZ,0A0ABC',
        '--to',
        'social-0,social-1,social-2',
        '--yes',
      ],
      2,
      'bad_command',
    ],
    [
      'a target that holds slots, of a split',
      ['split', 'social', '--from', 'social-0', '--to', 'social-1', '--yes'],
      1,
      'invalid_placement',
    ],
    [
      'a name that no database can have',
      ['split', 'social', '--from', 'social-0', '--to', 'So cial', '--yes'],
      2,
      'bad_command',
    ],
    [
      'the name of meta',
      ['split', 'social', '--from', 'social-0', '--to', 'meta', '--yes'],
      1,
      'database_taken',
    ],
    [
      'a weight that is none',
      ['rebalance', 'social', '--weight', 'social-0=much', '--yes'],
      2,
      'bad_command',
    ],
    ['an import without a source', ['import', 'social', 'post'], 2, 'bad_command'],
    [
      'an import into no table',
      ['import', 'social', 'nothing', '--ndjson', '/dev/null'],
      1,
      'import_target',
    ],
  ])('%s', async (_what, words, exit, code) => {
    expect(await refused(...words)).toEqual([exit, code])
  })

  test('words that are no command', async () => {
    expect((await town.stoa('shuffle')).code).toBe(2)
    expect((await town.stoa('split', 'social')).code).toBe(2)
    expect((await town.stoa('move', 'social', '--max-rate', 'slow')).code).toBe(2)
    expect(await refused('plan', 'social', 'shuffle')).toEqual([2, 'bad_command'])
  })

  test('a wrong token', async () => {
    const before = await everything()

    const { code, events } = await town.with('wrong', ...move)

    expect([code, events.at(-1)?.['code']]).toEqual([3, 'shard_unavailable'])
    expect(events.at(-1)?.['advice']).toContain('--token')
    expect(await everything()).toEqual(before)
  })

  test('a database that is away', async () => {
    await withTopology(
      (document) => document.replace(/http:[^"]*social-1\//, 'http://127.0.0.1:1/'),
      async () => expect(await refused(...move)).toEqual([3, 'shard_unavailable']),
    )
  })

  test('a map with a gap', async () => {
    await withTopology(
      (document) => document.replace('"from":8192', '"from":8200'),
      async () => expect(await refused(...move)).toEqual([1, 'invalid_topology']),
    )
  })

  test('a map in which two own a slot, and one that ends before the last', async () => {
    const refuses = async () => expect(await refused(...move)).toEqual([1, 'invalid_topology'])
    await withTopology((document) => document.replace('"to":8191', '"to":8195'), refuses)
    await withTopology((document) => document.replace('"to":16383', '"to":16000'), refuses)
  })

  test('ranges in the map that cross', async () => {
    const range = (from: string, to: string) => ({ from, to, shard: 'social-0', epoch: 2 })
    const ranges = JSON.stringify([range('0A0AB', '0A0AD'), range('0A0AC', '0A0AE')])
    await withTopology(
      (document) => document.replace('"slots":', `"ranges":${ranges},"slots":`),
      async () => expect(await refused(...move)).toEqual([1, 'invalid_topology']),
    )
  })

  test('a meta database that is away, or is none', async () => {
    const before = await everything()
    const at = async (url: string) => {
      const { code, events } = await town.at(url, ...move)
      expect(events.at(-1)?.['advice'] ?? '').not.toBe('')
      return [code, events.at(-1)?.['code']]
    }

    expect(await at('http://127.0.0.1:1')).toEqual([3, 'shard_unavailable'])
    expect(await at('nowhere')).toEqual([2, 'bad_command'])
    expect(await everything()).toEqual(before)
  })

  test('a map in which a shard is unknown', async () => {
    await withTopology(
      (document) => document.replace('"shard":"social-1"', '"shard":"social-7"'),
      async () => expect(await refused(...move)).toEqual([1, 'invalid_topology']),
    )
  })

  test('a target that has rows of what moves', async () => {
    const url = await town.provider.createDatabase('social-1')
    const shard = libsqlShard({ name: 'social-1', url, token: town.provider.token })
    const mover = async (sql: string) => {
      const pass = (value: string) => `UPDATE _fence SET mover = ${value} WHERE id = 1`
      const list = [pass("'test'"), sql, pass('NULL')].map((each) => ({ sql: each, args: [] }))
      await shard.batch(list, 'write', call)
    }
    const id = '001AB000000000000001'
    await mover(
      `INSERT INTO post (id, author, text, created_at) VALUES ('${id}', '${id}', 'left', 1)`,
    )

    expect(await refused(...move)).toEqual([1, 'target_not_empty'])
    expect((await town.stoa('verify', 'social')).events).toContainEqual({
      event: 'problem',
      problem: 'social-1 has 1 rows of "post" that are not its own',
    })
    await mover(`DELETE FROM post WHERE id = '${id}'`)
  })

  test('a database that is a copy of the one in the topology', async () => {
    await withTopology(
      (document) => document.replace('inc-social-1', 'another'),
      async () => expect(await refused(...move)).toEqual([1, 'wrong_incarnation']),
    )
  })
})

describe('stoa migrate', () => {
  test('says of each database how it is', async () => {
    const { code, events } = await town.stoa('migrate')

    expect(code).toBe(0)
    expect(events.map(({ database, outcome }) => [database, outcome])).toEqual([
      ['meta', 'current'],
      ['social-0', 'current'],
      ['social-1', 'current'],
    ])
  })
})

describe('stoa import', () => {
  test('brings a file into the shards, verified, and reports bad lines by number', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'stoa-cli-'))
    const file = path.join(folder, 'posts.ndjson')
    const rules = path.join(folder, 'rules.json')
    const lines = Array.from({ length: 50 }, (_, at) => ({
      nr: at,
      who: `m${at % 5}`,
      text: 'hello',
    }))
    await writeFile(file, [...lines.map((line) => JSON.stringify(line)), '{broken'].join('\n'))
    await writeFile(
      rules,
      JSON.stringify({
        columns: { author: { idFrom: ['who'] }, created_at: { value: 5 } },
      }),
    )
    const words = [
      'import',
      'social',
      'post',
      '--ndjson',
      file,
      '--mapping',
      rules,
      '--id-from',
      'nr',
      '--owner-from',
      'who',
      '--state',
      folder,
    ]

    const first = await town.stoa(...words, '--verify')
    const again = await town.stoa(...words)

    expect(first.events.at(-1)).toMatchObject({
      event: 'import',
      rows: 51,
      inserted: 50,
      rejected: 1,
    })
    expect(first.events.at(-1)?.['verification']).toMatchObject({ ok: true })
    expect(first.code).toBe(1)
    expect(again.events.at(-1)).toMatchObject({ resumed: 51, inserted: 50 })
    await rm(folder, { recursive: true })
  })
})
