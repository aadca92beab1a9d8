import { rootCall, type SqlShard } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import { type Engine, type EngineOptions, openEngine, shardOn } from '../src/index.ts'

const call = rootCall('test')
const schema = `CREATE TABLE thing (id TEXT PRIMARY KEY, n INTEGER NOT NULL, body BLOB);
CREATE TRIGGER refuse BEFORE INSERT ON thing WHEN new.id = 'fenced'
BEGIN SELECT RAISE(ABORT, 'SHARD_FENCED|000|7|frozen|'); END`

let engine: Engine
afterEach(() => engine.close())

async function open(name: EngineOptions['name'], isReversed = false): Promise<SqlShard> {
  engine = await openEngine({ name, schema, isReversed })
  return shardOn(engine, 'a')
}

const insert = (id: string, n: number | bigint | null) => ({
  sql: 'INSERT INTO thing (id, n, body) VALUES (?, ?, ?)',
  args: [id, n, new Uint8Array([1, 2])],
})
const all = { sql: 'SELECT id, n, typeof(n), body FROM thing', args: [] }

describe.each(['libsql', 'sqlite'] as const)('the engine %s', (name) => {
  test('gives back what it was given, whole numbers as numbers', async () => {
    const shard = await open(name)
    const [written] = await shard.batch([insert('a', 5)], 'write', call)

    const [rows] = await shard.batch([all], 'read', call)

    expect(written?.rowsAffected).toBe(1)
    expect(rows?.rows).toEqual([['a', 5, 'integer', new Uint8Array([1, 2])]])
  })

  test('commits a batch whole or not at all, and says what was broken', async () => {
    const shard = await open(name)

    await expect(
      shard.batch([insert('a', 1), insert('b', null)], 'write', call),
    ).rejects.toMatchObject({ code: 'sql_constraint', type: 'not_null' })
    await expect(shard.batch([insert('fenced', 1)], 'write', call)).rejects.toMatchObject({
      code: 'shard_fenced',
      epoch: 7,
    })

    const [rows] = await shard.batch([all], 'read', call)
    expect(rows?.rows).toEqual([])
  })

  test('can give rows that nobody ordered the other way round', async () => {
    const ids = async (isReversed: boolean) => {
      const shard = await open(name, isReversed)
      await shard.batch([insert('a', 1), insert('b', 2)], 'write', call)
      const [rows] = await shard.batch([all], 'read', call)
      engine.close()
      return rows?.rows.map(([id]) => id)
    }

    expect([await ids(false), await ids(true)]).toEqual([
      ['a', 'b'],
      ['b', 'a'],
    ])
    await open(name)
  })

  test('begins empty, whatever was in the one before', async () => {
    const first = await open(name)
    await first.batch([insert('a', 1)], 'write', call)
    engine.close()

    const [rows] = await (await open(name)).batch([all], 'read', call)

    expect(rows?.rows).toEqual([])
  })
})
