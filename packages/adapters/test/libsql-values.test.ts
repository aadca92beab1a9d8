import { createClient } from '@libsql/client'
import { rootCall, type SqlValue } from '@stoa/kernel'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { sqlShardOf } from '../src/libsql.ts'

const call = rootCall('values')
const values: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  fc.uint8Array(),
)

/** A bigint that is exact as a number comes back as one. */
function narrowed(value: SqlValue): SqlValue {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
}

test('a value comes back as it went, through the engine, whatever it is', async () => {
  const client = createClient({ url: 'file::memory:', intMode: 'bigint' })
  const shard = sqlShardOf(client, 'memory')

  await fc.assert(
    fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 20 }), async (row) => {
      const statement = { sql: `SELECT ${row.map(() => '?').join(', ')}`, args: row }
      const [answer] = await shard.batch([statement], 'read', call)
      expect(answer?.rows[0]).toEqual(row.map(narrowed))
    }),
  )
  client.close()
})
