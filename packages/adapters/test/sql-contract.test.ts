import { createClient } from '@libsql/client'
import { sqlContract } from '@stoa/kernel/contract'

import { sqlShardOf } from '../src/libsql.ts'

// The libSQL engine in this process; libsql-shard.test.ts runs the same suite over HTTP.
sqlContract('libSQL in memory', async () => {
  const client = createClient({ url: 'file::memory:', intMode: 'bigint' })
  return { port: sqlShardOf(client, 'memory'), close: async () => client.close() }
})
