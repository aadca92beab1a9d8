import { readdir, readFile } from 'node:fs/promises'

import { createClient } from '@libsql/client'
import { catalogueQuery, readCatalogue, shapeOf } from '@stoa/sharding'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'

import { tableShapes } from '../src/table-shapes.ts'

const drizzle = new URL('../../../drizzle/', import.meta.url)
const keyspaces = (await readdir(drizzle, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory() && !['meta', 'node_modules'].includes(entry.name))
  .map((entry) => entry.name)

/** The shapes of the tables that a keyspace's migrations make. */
async function made(keyspace: string) {
  const folder = new URL(keyspace === 'shared' ? 'shared/' : `${keyspace}/migrations/`, drizzle)
  const client = createClient({ url: 'file::memory:' })
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()) {
    await client.executeMultiple(await readFile(new URL(file, folder), 'utf8'))
  }
  const { rows } = await client.execute(catalogueQuery.sql)
  client.close()
  return readCatalogue(rows).map(shapeOf)
}

test.for(keyspaces)(
  'the schema of %s names and places rows as its migrations do',
  async (keyspace) => {
    const schema = (await import(new URL(`${keyspace}/schema.ts`, drizzle).href)) as Record<
      string,
      unknown
    >
    const expected = await made(keyspace)
    const names = new Set(expected.map((shape) => shape?.name))

    const shapes = tableShapes(schema).filter(
      ({ name }) => keyspace === 'shared' || names.has(name),
    )

    expect(shapes.length).toBeGreaterThan(0)
    expect(shapes.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(expected)
  },
)

test('a table without a key is refused by name', () => {
  const lost = sqliteTable('lost', { n: integer('n').primaryKey(), a: text('a') })

  expect(() => tableShapes({ lost })).toThrow('Cannot place the rows of "lost"')
})
