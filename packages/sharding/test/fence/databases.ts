import { readdir, readFile } from 'node:fs/promises'

import { type Client, createClient, type InValue } from '@libsql/client'
import type { SlotState } from '@stoa/kernel'

import { catalogueQuery, readCatalogue, type TableInfo } from '../../src/fence/catalogue.ts'
import { fenceSetOf, installFence } from '../../src/fence/fence-set.ts'
import type { Trigger } from '../../src/fence/triggers.ts'
import { bareDdl } from './bare-ddl.ts'

const drizzle = new URL('../../../../drizzle/', import.meta.url)

/** The sharded keyspaces of the house. */
export const keyspaces: readonly string[] = (await readdir(drizzle, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .filter((name) => !['shared', 'meta', 'node_modules'].includes(name))
  .toSorted()

function sharedDdl(): Promise<string> {
  return readFile(new URL('shared/0000_shared.sql', drizzle), 'utf8')
}

async function ddlOf(keyspace: string): Promise<readonly string[]> {
  const folder = new URL(`${keyspace}/migrations/`, drizzle)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  const own = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')))
  return [await sharedDdl(), ...own.map(bareDdl)]
}

export type FencedDatabase = {
  readonly client: Client
  readonly tables: readonly TableInfo[]
  /** Runs one statement, and gives its rows. */
  run(sql: string, ...args: InValue[]): Promise<readonly (readonly unknown[])[]>
  /** Runs it with the mover's pass. */
  move(sql: string, ...args: InValue[]): Promise<void>
  /** Says what this database may do with the keys `lo <= key < hi`; `unknown` forgets them. */
  own(piece: Piece): Promise<void>
}

export type Piece = {
  readonly lo: string
  readonly hi: string
  readonly state: SlotState | 'unknown'
  readonly job?: string
}

export async function tablesOf(client: Client): Promise<readonly TableInfo[]> {
  const { rows } = await client.execute(catalogueQuery.sql)
  return readCatalogue(rows)
}

/** A database of a keyspace, or of other tables, behind its fence; `mutate` spoils the fence's triggers. */
export async function openFenced(
  what: { readonly keyspace: string } | { readonly ddl: string },
  mutate: (trigger: Trigger) => readonly Trigger[] = (trigger) => [trigger],
): Promise<FencedDatabase> {
  const client = createClient({ url: 'file::memory:' })
  const files = 'keyspace' in what ? await ddlOf(what.keyspace) : [await sharedDdl(), what.ddl]
  for (const file of files) await client.executeMultiple(file)
  const tables = await tablesOf(client)
  const { triggers, hash } = fenceSetOf(tables)
  const spoilt = { triggers: triggers.flatMap(mutate), hash }
  for (const sql of installFence('a', spoilt)) await client.execute(sql)
  await client.execute("UPDATE _shard_meta SET incarnation = 'inc-a'")
  const move = async (sql: string, ...args: InValue[]) => {
    await client.batch(
      ["UPDATE _fence SET mover = 'm'", { sql, args }, 'UPDATE _fence SET mover = NULL'],
      'write',
    )
  }
  return {
    client,
    tables,
    move,
    run: async (sql, ...args) => {
      const { rows, columns } = await client.execute({ sql, args })
      return rows.map((row) => columns.map((_, at) => row[at]))
    },
    own: async ({ lo, hi, state, job }) => {
      await client.execute({ sql: 'DELETE FROM _slot_owner WHERE lo = ?', args: [lo] })
      if (state === 'unknown') return
      await client.execute({
        sql: "INSERT INTO _slot_owner (lo, hi, epoch, state, peer, job) VALUES (?, ?, 3, ?, 'b', ?)",
        args: [lo, hi, state, job ?? null],
      })
    },
  }
}
