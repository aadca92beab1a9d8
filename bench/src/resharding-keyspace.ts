import { randomBytes } from 'node:crypto'

import { type Client, createClient } from '@libsql/client/web'
import { localProvider, migrate, migrationsOf } from '@stoa/cli'
import { slotRange } from '@stoa/kernel'
import { devTokens } from '@stoa/local'
import type { Keyspace, ShardInfo, SlotRange } from '@stoa/sharding'

const token = devTokens.libsql

/** A new database of the local server at `origin`, in the newest schema of `keyspace`, fenced. */
export async function openDatabase(
  origin: string,
  { name, keyspace }: { readonly name: string; readonly keyspace: string },
): Promise<{ readonly url: string; readonly client: Client }> {
  const url = await localProvider(origin, token).createDatabase(name)
  const client = createClient({ url, authToken: token })
  await migrate(client, { database: name, migrations: await migrationsOf(keyspace) })
  return { url, client }
}

async function claim(client: Client, name: string, ranges: readonly SlotRange[]): Promise<string> {
  const incarnation = randomBytes(8).toString('hex')
  const pieces = ranges.flatMap(({ from, to, epoch }) =>
    Array.from({ length: to - from + 1 }, (_, index) => {
      const piece = slotRange(from + index)
      return [piece.from, piece.to, epoch]
    }),
  )
  await client.batch(
    [
      {
        sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)
ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation`,
        args: [name, incarnation],
      },
      {
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 0, value ->> 1, value ->> 2, 'serving' FROM json_each(?)`,
        args: [JSON.stringify(pieces)],
      },
    ],
    'write',
  )
  return incarnation
}

/** The keyspace `catalog` in new databases that own `slots`; the clients are in the order of `names`. */
export async function openCatalog(
  origin: string,
  { names, slots }: { readonly names: readonly string[]; readonly slots: readonly SlotRange[] },
): Promise<{ readonly keyspace: Keyspace; readonly clients: readonly Client[] }> {
  const shards: ShardInfo[] = []
  const clients: Client[] = []
  for (const name of names) {
    const { url, client } = await openDatabase(origin, { name, keyspace: 'catalog' })
    const ranges = slots.filter(({ shard }) => shard === name)
    shards.push({ name, url, incarnation: await claim(client, name, ranges) })
    clients.push(client)
  }
  return { keyspace: { shards, slots }, clients }
}
