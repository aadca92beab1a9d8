import { readdirSync, readFileSync } from 'node:fs'

import {
  catalogueQuery,
  type FenceSet,
  fenceSetOf,
  installFence,
  readCatalogue,
  shapeOf,
  type TableShape,
} from '@stoa/sharding'
import { openEngine } from '@stoa/test-engine'

const drizzle = new URL('../../../../../drizzle/', import.meta.url)

function read(file: string): string {
  return readFileSync(new URL(file, drizzle), 'utf8')
}

/** The `meta` database as its migrations make it. */
export const metaSchema = readdirSync(new URL('meta/migrations/', drizzle))
  .filter((file) => file.endsWith('.sql'))
  .toSorted()
  .map((file) => read(`meta/migrations/${file}`))
  .join(';\n')

/** Shared tables that the clients do not write: each would only take time, a millisecond a life. */
const unused = /^\s*CREATE (?:TABLE|INDEX) (?:inbox|parked|barrier|saga|lookup|listing)/

/** One table of each form that a table may have, and of each way in which rows change. */
const business = `
CREATE TABLE register (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  value INTEGER NOT NULL
);
CREATE TABLE tally (
  slot TEXT NOT NULL,
  name TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (slot, name)
) WITHOUT ROWID;
-- Whoever takes a seat replaces the row of whoever had it: the new row has another key and the same unique owner.
CREATE TABLE seat (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20),
  owner_id TEXT NOT NULL UNIQUE CHECK (length(owner_id) = 20),
  taker INTEGER NOT NULL
) WITHOUT ROWID;`

export type Trigger = FenceSet['triggers'][number]

export type Schema = {
  readonly tables: string
  readonly fence: FenceSet
  readonly shapes: readonly TableShape[]
}

/** The schema of a shard, and the fence that is made from it: the same for every seed, so it is read once. */
export async function readSchema(): Promise<Schema> {
  const shared = read('shared/0000_shared.sql')
    .split('--> statement-breakpoint')
    .map((statement) => statement.replaceAll(/^\s*--.*$/gm, ''))
    .filter((statement) => !unused.test(statement))
  const tables = [...shared, business].join(';\n')
  const engine = await openEngine({ name: 'sqlite', schema: tables })
  try {
    const [found] = await engine.transact([catalogueQuery], 'read')
    const infos = readCatalogue(found?.rows ?? [])
    return {
      tables,
      fence: fenceSetOf(infos),
      shapes: infos.flatMap((info) => shapeOf(info) ?? []),
    }
  } finally {
    engine.close()
  }
}

/** The statements that make a shard, with its triggers as a mutant has them. */
export function ddlOf(
  { tables, fence }: Schema,
  shard: string,
  change: (trigger: Trigger) => string = ({ sql }) => sql,
): string {
  const triggers = fence.triggers.map((trigger) => ({ ...trigger, sql: change(trigger) }))
  return [tables, ...installFence(shard, { ...fence, triggers })].join(';\n')
}
