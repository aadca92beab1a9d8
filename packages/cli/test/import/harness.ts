import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { slotRange } from '@stoa/kernel'
import { devTokens, type Local, startLocal } from '@stoa/local'
import { evenSlots } from '@stoa/sharding'

import { type ImportOptions } from '../../src/import/options.ts'
import { localProvider, migrate, migrationsOf, type Provider } from '../../src/index.ts'

/** One keyspace of two databases, with the shared tables and two of its own. */
export type Town = {
  readonly folder: string
  readonly local: Local
  readonly target: ImportOptions['target']
  readonly shards: readonly string[]
  readonly provider: Provider
  /** Rows of a query in every shard, together. */
  readonly rows: (sql: string) => Promise<readonly Record<string, unknown>[]>
  /** The same statements in every shard. */
  readonly each: (sql: string) => Promise<void>
  readonly file: (name: string, text: string | Uint8Array) => Promise<string>
  readonly close: () => Promise<void>
}

const tables = `CREATE TABLE person (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  name TEXT NOT NULL,
  age INTEGER CHECK (age < 200),
  score REAL,
  photo BLOB,
  state TEXT NOT NULL DEFAULT 'new'
);
CREATE TABLE word (
  slot TEXT NOT NULL CHECK (length(slot) = 3),
  text TEXT NOT NULL,
  uses INTEGER NOT NULL,
  PRIMARY KEY (slot, text)
) WITHOUT ROWID;`

/** Opens the platform and a keyspace `people` of `count` databases. */
export async function openTown(count = 2): Promise<Town> {
  const local = await startLocal({ redisEngine: 'in-process' })
  const folder = await mkdtemp(path.join(tmpdir(), 'stoa-import-'))
  const token = devTokens.libsql
  const provider = localProvider(`http://127.0.0.1:${local.ports.libsql}`, token)
  const shards = Array.from({ length: count }, (_, index) => `people-${index}`)
  const slots = evenSlots(shards)
  const infos = []
  const clients = new Map<string, ReturnType<typeof createClient>>()
  const shared = (await migrationsOf('users')).filter(({ name }) => name.includes('shared'))
  const own = { name: '0001_people.sql', sql: tables, hash: 'people' }
  for (const [index, name] of shards.entries()) {
    const url = await provider.createDatabase(name)
    const client = createClient({ url, authToken: token })
    clients.set(name, client)
    await migrate(client, { database: name, migrations: [...shared, own] })
    const range = slots[index]
    const owned = Array.from({ length: (range?.to ?? 0) - (range?.from ?? 0) + 1 }, (_, at) => {
      const { from, to } = slotRange((range?.from ?? 0) + at)
      return [from, to]
    })
    await client.batch(
      [
        {
          sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, 'one')
ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation`,
          args: [name],
        },
        {
          sql: `INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)`,
          args: [JSON.stringify(owned)],
        },
      ],
      'write',
    )
    infos.push({ name, url, incarnation: 'one' })
  }
  const metaUrl = await provider.createDatabase('meta')
  const meta = createClient({ url: metaUrl, authToken: token })
  await migrate(meta, { database: 'meta', migrations: await migrationsOf('meta') })
  await meta.execute({
    sql: 'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)',
    args: [JSON.stringify({ people: { shards: infos, slots } })],
  })
  meta.close()
  return {
    folder,
    local,
    shards,
    provider,
    target: { metaUrl, token, keyspace: 'people', table: 'person' },
    rows: async (sql) => {
      const results = await Promise.all([...clients.values()].map((client) => client.execute(sql)))
      return results.flatMap(({ rows }) => rows.map((row) => ({ ...row })))
    },
    each: async (sql) => {
      for (const client of clients.values()) await client.executeMultiple(sql)
    },
    file: async (name, text) => {
      const file = path.join(folder, name)
      await writeFile(file, text)
      return file
    },
    close: async () => {
      for (const client of clients.values()) client.close()
      await local.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
