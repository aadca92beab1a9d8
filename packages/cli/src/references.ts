import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { type Call, type SqlShard, systemClock } from '@stoa/kernel'
import {
  publishReference,
  ReferenceConflictError,
  type ReferenceTable,
  referenceVersions,
  spreadReference,
} from '@stoa/sharding'
import { z } from 'zod'

const folder = fileURLToPath(new URL('../../../drizzle/shared/reference/', import.meta.url))

const tableFile = z.strictObject({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
})

/** A reference table from a file of JSON: `columns`, and `rows` as arrays. @throws when it is none. */
export async function readReferenceFile(
  file: string,
): Promise<Pick<ReferenceTable, 'columns' | 'rows'>> {
  return tableFile.parse(JSON.parse(await readFile(file, 'utf8')))
}

/**
 * Publishes the tables of `drizzle/shared/reference` that `meta` does not have. What is there stays: an older release
 * that is provisioned again puts nothing back. One round trip when nothing is missing.
 */
export async function publishMissing(meta: SqlShard, call: Call): Promise<void> {
  const known = await referenceVersions(meta, call)
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).toSorted()
  for (const file of files) {
    const name = path.basename(file, '.json')
    if (known.has(name)) continue
    const table = await readReferenceFile(path.join(folder, file))
    try {
      await publishReference(meta, { name, ...table, over: 0, at: systemClock.now() }, call)
    } catch (error) {
      // Another run was first, with its own release's rows.
      if (!(error instanceof ReferenceConflictError)) throw error
    }
  }
}

/**
 * Brings databases to the newest version of every reference table: those that are about to serve. One round trip to each
 * for each table.
 *
 * @throws what the first that failed answered.
 */
export async function levelReferences(
  meta: SqlShard,
  databases: readonly SqlShard[],
  call: Call,
): Promise<void> {
  for (const name of (await referenceVersions(meta, call)).keys()) {
    const { copies } = await spreadReference({ meta, name, databases }, call)
    const failed = copies.find(({ error }) => error !== undefined)
    if (failed?.error !== undefined) throw failed.error
  }
}
