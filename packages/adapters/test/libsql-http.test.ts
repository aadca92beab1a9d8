import {
  createIds,
  rootCall,
  secureRandom,
  type Statement,
  systemClock,
  within,
} from '@stoa/kernel'
import { sqlContract } from '@stoa/kernel/contract'
import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { libsqlShard } from '../src/libsql.ts'
import { devTokens, type LocalServer, openLocal } from './local-server.ts'
import { narrowed, values } from './values.ts'

const insert = (id: string) => ({ sql: 'INSERT INTO t VALUES (?)', args: [id] })
const soon = () => within(rootCall('slow'), 50, systemClock)

async function openShard(server: LocalServer, database: string) {
  await server.control('POST', 'databases', { name: database })
  return libsqlShard({ name: database, url: `${server.url}/${database}`, token: devTokens.libsql })
}

sqlContract('libSQL over HTTP', async () => {
  const server = await openLocal('libsql')
  return { port: await openShard(server, 'contract'), close: server.close }
})

describe('libSQL over HTTP', () => {
  const ids = createIds({ clock: systemClock, random: secureRandom })
  let server: LocalServer
  let shard: ReturnType<typeof libsqlShard>
  beforeAll(async () => {
    server = await openLocal('libsql')
    shard = await openShard(server, 'faults')
    const create = { sql: 'CREATE TABLE t (id TEXT PRIMARY KEY) WITHOUT ROWID', args: [] }
    await shard.batch([create], 'write', rootCall('setup'))
  })
  beforeEach(() => server.control('DELETE', 'faults'))
  afterAll(() => server.close())

  const count = async (id: string) => {
    const statement = { sql: 'SELECT count(*) FROM t WHERE id = ?', args: [id] }
    return (await shard.batch([statement], 'read', rootCall('count')))[0]?.rows
  }

  test('a write whose reply is lost is ambiguous, and did happen', async () => {
    const id = ids.root('lost reply')
    await server.control('POST', 'faults', {
      action: 'drop-reply',
      match: { requestId: 'lost-reply' },
    })

    const write = shard.batch([insert(id)], 'write', rootCall('lost-reply'))

    await expect(write).rejects.toMatchObject({ code: 'ambiguous_write', retryable: true })
    expect(await count(id)).toEqual([[1]])
    await expect(shard.batch([insert(id)], 'write', rootCall('retry'))).rejects.toMatchObject({
      code: 'sql_constraint',
      type: 'unique',
    })
  })

  test('a write whose request is lost is ambiguous too, and did not happen', async () => {
    const id = ids.root('lost request')
    await server.control('POST', 'faults', { action: 'drop-request', match: { requestId: 'lost' } })

    const write = shard.batch([insert(id)], 'write', rootCall('lost'))

    await expect(write).rejects.toMatchObject({ code: 'ambiguous_write' })
    expect(await count(id)).toEqual([[0]])
  })

  test('one SELECT, which goes without the client, gives what the client gives of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 20 }), async (row) => {
        const columns = row.map((_, n) => `? AS c${n}`)
        const statement = { sql: `SELECT ${columns.join(', ')}`, args: row }
        const one = await shard.batch([statement], 'read', rootCall('one'))
        const two = await shard.batch([statement, statement], 'read', rootCall('two'))
        expect([one[0], one[0]]).toEqual(two)
        // JSON has no negative zero.
        expect(one[0]?.rows).toEqual([row.map(narrowed).map((value) => (value === 0 ? 0 : value))])
      }),
      { numRuns: 60 },
    )
  })

  test('and fails as the client does', async () => {
    const failing = [
      { sql: 'SELECT * FROM nowhere', args: [] },
      { sql: "SELECT json_extract('{}', 'x')", args: [] },
      { sql: 'SELECT 9e999', args: [] },
      { sql: 'SELECT ?', args: [2n ** 64n] },
      { sql: 'SELECT ?', args: [Number.NaN] },
    ]
    for (const statement of failing) {
      const of = (statements: readonly Statement[]) =>
        shard.batch(statements, 'read', rootCall('x')).then(
          () => undefined,
          (error: Error & { readonly code?: string }) => [error.name, error.code],
        )
      const one = await of([statement])
      expect(one).toBeDefined()
      expect(one?.[1]).toEqual((await of([statement, statement]))?.[1])
    }
  })

  test('a read whose reply is lost is unavailable', async () => {
    await server.control('POST', 'faults', { action: 'drop-reply', match: { requestId: 'count' } })

    await expect(count('x')).rejects.toMatchObject({ code: 'shard_unavailable', reason: 'network' })
  })

  test('a deadline cuts off a slow read and leaves a slow write ambiguous', async () => {
    const rule = { action: 'delay', delayMs: 2_000, times: 2, match: { requestId: 'slow' } }
    await server.control('POST', 'faults', rule)

    const read = shard.batch([{ sql: 'SELECT 1', args: [] }], 'read', soon())
    await expect(read).rejects.toMatchObject({ code: 'deadline_exceeded' })
    const write = shard.batch([insert(ids.root('slow'))], 'write', soon())
    await expect(write).rejects.toMatchObject({ code: 'ambiguous_write' })
  })

  test('a wrong token is unauthorized, and an unknown database is unknown', async () => {
    const select = [{ sql: 'SELECT 1', args: [] }]
    const wrong = libsqlShard({ name: 'w', url: `${server.url}/faults`, token: 'wrong' })
    const absent = libsqlShard({ name: 'a', url: `${server.url}/absent`, token: devTokens.libsql })

    await expect(wrong.batch(select, 'read', rootCall('w'))).rejects.toMatchObject({
      code: 'shard_unavailable',
      reason: 'unauthorized',
    })
    await expect(absent.batch(select, 'read', rootCall('a'))).rejects.toMatchObject({
      code: 'shard_unavailable',
      reason: 'unknown_database',
    })
  })

  test('a batch is one round trip, by the meter of the server', async () => {
    const many = Array.from({ length: 40 }, (_, i) => insert(ids.root(`many ${i}`)))

    await shard.batch(many, 'write', rootCall('metered'))

    expect(await server.control('GET', 'meter?request=metered')).toMatchObject({
      counts: { roundTrips: 1, rowsWritten: 40 },
    })
  })
})
