import { createClient } from '@libsql/client'

import type { Engine, EngineOptions } from './engine.ts'
import { bound, plain } from './values.ts'

export async function openLibsql({ schema, isReversed = false }: EngineOptions): Promise<Engine> {
  const client = createClient({ url: 'file::memory:' })
  await client.execute(`PRAGMA reverse_unordered_selects = ${isReversed ? 'ON' : 'OFF'}`)
  await client.executeMultiple(schema)
  return {
    transact: async (statements, mode) => {
      const built = statements.map(({ sql, args }) => ({ sql, args: args.map(bound) }))
      const results = await client.batch(built, mode)
      return results.map(({ columns, rows, rowsAffected }) => ({
        columns,
        rows: rows.map((row) => columns.map((_, index) => plain(row[index] ?? null))),
        rowsAffected,
      }))
    },
    close: () => client.close(),
  }
}
