import { createClient } from '@libsql/client'
import { rootCall } from '@stoa/kernel'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { sqlShardOf } from '../src/libsql.ts'
import { narrowed, values } from './values.ts'

const call = rootCall('values')
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
