import { createClient } from '@libsql/client'
import { devTokens, type Local, startLocal } from '@stoa/local'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  ChangedMigrationError,
  keyspaceNames,
  localProvider,
  migrate,
  migrationsOf,
  provision,
  type Provider,
} from '../src/index.ts'

let local: Local
let provider: Provider

beforeEach(async () => {
  local = await startLocal({ redisEngine: 'in-process' })
  provider = localProvider(`http://127.0.0.1:${local.ports.libsql}`, devTokens.libsql)
})

afterEach(() => local.close())

async function rowsOf(name: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = createClient({
    url: await provider.createDatabase(name),
    authToken: devTokens.libsql,
  })
  try {
    return (await client.execute(sql)).rows.map((row) => ({ ...row }))
  } finally {
    client.close()
  }
}

describe('provision', () => {
  test('gives every slot of every keyspace to exactly one database', async () => {
    const { keyspaces } = await provision({ provider, shardsPerKeyspace: 3 })

    expect(Object.keys(keyspaces).toSorted()).toEqual(
      (await keyspaceNames()).filter((name) => name !== 'meta'),
    )
    const slots = new Set<unknown>()
    let rows = 0
    for (const { name } of keyspaces['users']?.shards ?? []) {
      const owned = await rowsOf(
        name,
        "SELECT lo FROM _slot_owner WHERE state = 'serving' AND epoch = 1",
      )
      rows += owned.length
      for (const { lo } of owned) slots.add(lo)
    }
    expect([rows, slots.size]).toEqual([16_384, 16_384])
  })

  test('run again changes nothing', async () => {
    const first = await provision({ provider, shardsPerKeyspace: 2 })
    const topology = await rowsOf('meta', 'SELECT version, document FROM topology')

    const second = await provision({ provider, shardsPerKeyspace: 7 })

    expect(second).toEqual({ ...first, applied: 0 })
    expect(await rowsOf('meta', 'SELECT version, document FROM topology')).toEqual(topology)
  })

  test('leaves a keyspace of another version where it is', async () => {
    await provision({ provider, shardsPerKeyspace: 2 })
    const later = {
      shards: [{ name: 'later-0', url: 'http://127.0.0.1:1', incarnation: 'a' }],
      slots: [{ from: 0, to: 16_383, shard: 'later-0', epoch: 3 }],
    }
    const grown = `UPDATE topology SET version = version + 1,
document = json_set(document, '$.later', json('${JSON.stringify(later)}'))`
    await rowsOf('meta', grown)
    // A database that is to be provisioned anew makes this run write the topology.
    await rowsOf('users-0', "UPDATE _shard_meta SET incarnation = 'adopted'")

    await provision({ provider, shardsPerKeyspace: 2 })

    const [row] = await rowsOf('meta', "SELECT document ->> '$.later' AS later FROM topology")
    expect(JSON.parse(String(row?.['later']))).toEqual(later)
  })

  test('keeps the overrides of a keyspace', async () => {
    await provision({ provider, shardsPerKeyspace: 2 })
    const range = { from: '0A3XY', to: '0A3XZ', shard: 'users-1', epoch: 2 }
    await rowsOf(
      'meta',
      `UPDATE topology SET version = version + 1,
document = json_set(document, '$.users.ranges', json('${JSON.stringify([range])}'))`,
    )
    // A database that is to be provisioned anew makes this run write the topology.
    await rowsOf('users-0', "UPDATE _shard_meta SET incarnation = 'adopted'")

    const { keyspaces } = await provision({ provider, shardsPerKeyspace: 2 })

    expect(keyspaces['users']?.ranges).toEqual([range])
  })

  test('brings the reference tables to every database and replica, and puts no older rows back', async () => {
    await provision({ provider, shardsPerKeyspace: 1 })
    const code = "SELECT exponent FROM _currency WHERE code = 'JPY'"
    expect(await rowsOf('catalog-0', code)).toEqual([{ exponent: 0 }])
    await rowsOf('meta', `UPDATE reference SET version = 2, rows = '[["XTS",3,"Test"]]'`)
    await rowsOf(
      'meta',
      `UPDATE topology SET version = version + 1, document = json_set(document, '$.users.shards[0].replicas',
json('[{"name":"users-0-replica","url":"http://127.0.0.1:1","weight":2}]'))`,
    )

    const { keyspaces } = await provision({ provider, shardsPerKeyspace: 1 })

    for (const name of ['catalog-0', 'orders-0', 'users-0-replica']) {
      const [row] = await rowsOf(name, 'SELECT code, version FROM _currency, _reference')
      expect(row).toEqual({ code: 'XTS', version: 2 })
    }
    // A replica owns nothing, and has the address that it has now.
    const url = await provider.createDatabase('users-0-replica')
    const replicas = [{ name: 'users-0-replica', url, weight: 2 }]
    expect(keyspaces['users']?.shards[0]?.replicas).toEqual(replicas)
    const owned = await rowsOf('users-0-replica', 'SELECT count(*) AS n FROM _slot_owner')
    expect(owned).toEqual([{ n: 0 }])
  })

  test.each([1, 4, 9])(
    'completes what a run that died after %i databases began',
    async (survives) => {
      let left = survives
      const dying: Provider = {
        token: provider.token,
        createDatabase: (name) => {
          left -= 1
          if (left < 0) return Promise.reject(new Error('the machine died'))
          return provider.createDatabase(name)
        },
      }
      await expect(provision({ provider: dying, shardsPerKeyspace: 2 })).rejects.toThrow('died')

      // Another number of databases now: the plan of the first run holds once it is written.
      const { keyspaces } = await provision({ provider, shardsPerKeyspace: survives === 1 ? 2 : 5 })

      expect(keyspaces['orders']?.shards.map(({ name }) => name)).toEqual(['orders-0', 'orders-1'])
      const counts = await Promise.all(
        ['orders-0', 'orders-1'].map((name) =>
          rowsOf(name, 'SELECT count(*) AS n FROM _slot_owner'),
        ),
      )
      expect(counts.flat().map(({ n }) => n)).toEqual([8_192, 8_192])
    },
  )
})

describe('migrate', () => {
  test('refuses a migration that was applied in another form', async () => {
    const client = createClient({
      url: await provider.createDatabase('alone'),
      authToken: devTokens.libsql,
    })
    const one = { name: '0001.sql', sql: 'CREATE TABLE t (a)', hash: 'one' }

    expect(await migrate(client, { database: 'alone', migrations: [one] })).toBe(1)
    expect(await migrate(client, { database: 'alone', migrations: [one] })).toBe(0)
    const changed = { ...one, sql: 'CREATE TABLE t (a, b)', hash: 'two' }
    await expect(migrate(client, { database: 'alone', migrations: [changed] })).rejects.toThrow(
      ChangedMigrationError,
    )
    client.close()
  })

  test('applies a migration whole or not at all', async () => {
    const client = createClient({
      url: await provider.createDatabase('half'),
      authToken: devTokens.libsql,
    })
    const bad = {
      name: '0001.sql',
      sql: 'CREATE TABLE first (a); CREATE TABLE first (a)',
      hash: 'x',
    }

    await expect(migrate(client, { database: 'half', migrations: [bad] })).rejects.toThrow(
      'already exists',
    )

    expect(await rowsOf('half', "SELECT name FROM sqlite_master WHERE name = 'first'")).toEqual([])
    client.close()
  })

  test('run twice at once applies each migration once', async () => {
    const url = await provider.createDatabase('twice')
    const migrations = await migrationsOf('users')
    const counts = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = createClient({ url, authToken: devTokens.libsql })
        const count = await migrate(client, { database: 'twice', migrations })
        client.close()
        return count
      }),
    )

    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(migrations.length)
  })

  test('begins every sharded keyspace with the shared tables', async () => {
    const sharded = (await keyspaceNames()).filter((name) => name !== 'meta')
    const firsts = await Promise.all(
      sharded.map(async (name) => (await migrationsOf(name))[0]?.name),
    )

    expect(new Set(firsts)).toEqual(new Set(['0000_shared.sql']))
  })
})
