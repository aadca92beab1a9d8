import { readdir, readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    countingTables: readonly string[]
  }
}

const folder = new URL('../../../drizzle/stats/migrations/', import.meta.url)

/** Tests run in workerd, which has neither files nor a database: what the migrations make of one is read for them. */
export async function setup(project: TestProject): Promise<void> {
  const database = new DatabaseSync(':memory:')
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  for (const file of files) database.exec(await readFile(new URL(file, folder), 'utf8'))
  const tables = database.prepare(
    String.raw`SELECT sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 'count\_%' ESCAPE '\' ORDER BY name`,
  )
  project.provide(
    'countingTables',
    tables.all().map(({ sql }) => String(sql)),
  )
  database.close()
}
