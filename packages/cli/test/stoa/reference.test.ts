import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { libsqlShard } from '@stoa/adapters/shard'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { migrate, migrationsOf } from '../../src/index.ts'
import { unknownNames } from '../../src/stoa/reference-uses.ts'
import { call, openTown, seedPosts, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town
let folder: string

beforeAll(async () => {
  town = await openTown()
  folder = await mkdtemp(path.join(tmpdir(), 'stoa-reference-'))
})

afterAll(async () => {
  await town.close()
  await rm(folder, { recursive: true })
})

const open = async (name: string) =>
  libsqlShard({ name, url: await town.provider.createDatabase(name), token: town.provider.token })

async function fileOf(content: unknown): Promise<string> {
  const file = path.join(folder, 'table.json')
  await writeFile(file, JSON.stringify(content))
  return file
}

const columns = ['code', 'exponent', 'name']
const table = (name: string) => ({ columns, rows: [['EUR', 2, name]] })

async function publish(name: string, ...words: readonly string[]) {
  return town.stoa(
    'reference',
    'publish',
    'currency',
    '--file',
    await fileOf(table(name)),
    ...words,
  )
}

describe('stoa reference', () => {
  test('publishes a file, spreads it, and says how every database is', async () => {
    const published = await publish('Euro')
    const before = await town.stoa('reference', 'status')
    const spread = await town.stoa('reference', 'spread')
    const after = await town.stoa('reference', 'status', 'currency')

    expect(published.events).toEqual([
      { event: 'reference', reference: 'currency', version: 1, rows: 1 },
    ])
    expect([before.code, spread.code, after.code]).toEqual([1, 0, 0])
    const states = [before, spread, after].map(({ events }) => events.map(({ state }) => state))
    expect(states).toEqual([
      ['behind', 'behind', undefined],
      ['current', 'current', undefined],
      ['current', 'current', undefined],
    ])
    expect(await town.rows('social-1', 'SELECT * FROM _currency')).toEqual([['EUR', 2, 'Euro']])
  })

  test('finds a copy that was spoilt, and a database that is away stops no other', async () => {
    expect((await publish('Euro 2')).events[0]).toMatchObject({ version: 2 })
    const rename = async (from: string, to: string) => {
      const sql = 'UPDATE topology SET document = replace(document, ?, ?)'
      await town.meta.batch([{ sql, args: [from, to] }], 'write', call)
    }
    await rename('social-0/', 'nowhere/')
    const partly = await town.stoa('reference', 'spread')
    await rename('nowhere/', 'social-0/')
    const shard = await open('social-1')
    await shard.batch([{ sql: 'UPDATE _currency SET exponent = 0', args: [] }], 'write', call)
    const found = await town.stoa('reference', 'status')
    const mended = await town.stoa('reference', 'spread')

    expect([partly.code, found.code, mended.code]).toEqual([3, 1, 0])
    expect(partly.events.map(({ state }) => state)).toEqual(['failed', 'current', undefined])
    expect(found.events.map(({ state }) => state)).toEqual(['behind', 'differs', undefined])
    expect((await town.stoa('reference', 'status')).code).toBe(0)
  })

  test('refuses what it cannot publish, and changes nothing', async () => {
    const bad = async (content: unknown, name = 'currency', ...words: readonly string[]) => {
      const file = await fileOf(content)
      const { code, events } = await town.stoa(
        'reference',
        'publish',
        name,
        '--file',
        file,
        ...words,
      )
      expect(events.at(-1)?.['advice'] ?? '').not.toBe('')
      return [code, events.at(-1)?.['code']]
    }
    const before = await town.rows('meta', 'SELECT name, version FROM reference')

    expect(await bad('no table')).toEqual([2, 'bad_command'])
    expect(await bad(table('Euro'), 'weather')).toEqual([2, 'bad_command'])
    expect(await bad({ columns: ['code', 'colour'], rows: [] })).toEqual([2, 'bad_command'])
    expect(await bad({ columns, rows: [['EUR', 2]] })).toEqual([1, 'invalid_reference'])
    expect(await bad(table('é'.repeat(140_000)))).toEqual([1, 'reference_too_large'])
    expect(await bad(table('old'), 'currency', '--over', '1')).toEqual([1, 'reference_conflict'])
    expect(await bad(table('old'), 'currency', '--over', 'x')).toEqual([2, 'bad_command'])
    expect((await town.stoa('reference', 'spread', 'weather')).events.at(-1)).toMatchObject({
      code: 'reference_not_found',
    })
    const { code, events } = await town.with('wrong', 'reference', 'spread')
    expect([code, events.at(-1)?.['code']]).toEqual([3, 'shard_unavailable'])
    expect(await town.rows('meta', 'SELECT name, version FROM reference')).toEqual(before)
  })

  test('is what a new database has before anything moves to it', async () => {
    await seedPosts(town, 20)
    await publish('Euro 3')

    const words = ['move', 'social', '--slots', '0-9', '--to', 'social-2', '--yes'] as const
    expect((await town.stoa(...words)).code).toBe(0)

    expect(await town.rows('social-2', 'SELECT * FROM _currency')).toEqual([['EUR', 2, 'Euro 3']])
    expect((await town.stoa('reference', 'spread')).code).toBe(0)
    expect((await town.stoa('verify', 'social')).code).toBe(0)
  })

  test('is joined with the products of the catalogue, to find prices that nobody can read', async () => {
    const name = 'catalog-0'
    const shard = await open(name)
    const clientOf = async () => {
      const { createClient } = await import('@libsql/client')
      return createClient({
        url: await town.provider.createDatabase(name),
        authToken: town.provider.token,
      })
    }
    const client = await clientOf()
    await migrate(client, { database: name, migrations: await migrationsOf('catalog') })
    client.close()
    const [columnsOf] = await shard.batch(
      [
        {
          sql: `SELECT name, type FROM pragma_table_info('product') WHERE "notnull" AND dflt_value IS NULL AND NOT pk`,
          args: [],
        },
      ],
      'read',
      call,
    )
    const names = columnsOf?.rows.map(([column]) => String(column)) ?? []
    const valueOf = (column: string, id: string, currency: string) => {
      if (column === 'currency') return currency
      return columnsOf?.rows.some(([each, type]) => each === column && type === 'TEXT') ? id : 1
    }
    const pass = (mover: string | null) => ({ sql: 'UPDATE _fence SET mover = ?', args: [mover] })
    const insert = (id: string, currency: string) => ({
      sql: `INSERT INTO product (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      args: names.map((column) => valueOf(column, id, currency)),
    })
    await shard.batch(
      [
        pass('test'),
        { sql: "INSERT INTO _currency VALUES ('EUR', 2, 'Euro')", args: [] },
        insert('001AB000000000000001', 'EUR'),
        insert('001AB000000000000002', 'DEM'),
        pass(null),
      ],
      'write',
      call,
    )

    expect(await unknownNames(shard, 'catalog', call)).toEqual([
      'catalog-0 has 1 rows of "product" with currency "DEM", which "_currency" has not',
    ])
  })
})
