import { randomBytes } from 'node:crypto'

import { createClient } from '@libsql/client'
import type { Call } from '@stoa/kernel'
import type { Keyspace, ShardInfo, Topology } from '@stoa/sharding'

import { migrate, migrationsOf } from '../migrations.ts'
import { BadCommandError, DatabaseTakenError } from './faults.ts'
import { changeKeyspace, type System } from './system.ts'

const nameForm = /^[a-z0-9][a-z0-9-]{0,63}$/

/** @throws BadCommandError when a database cannot have that name. @throws DatabaseTakenError when another keyspace has it */
export function checkNewName(topology: Topology, keyspace: string, name: string): void {
  if (!nameForm.test(name))
    throw new BadCommandError(
      `Cannot name a database "${name}": a name is up to 64 of a-z, 0-9 and -, and begins with no -`,
    )
  const taken = Object.entries(topology.keyspaces).find(([other, { shards }]) =>
    shards.some(
      (shard) =>
        (other !== keyspace && shard.name === name) ||
        shard.replicas?.some((replica) => replica.name === name),
    ),
  )
  if (taken !== undefined || name === 'meta')
    throw new DatabaseTakenError(name, `it belongs to ${taken?.[0] ?? 'the topology'}`)
}

/** Brings the database to the newest schema, fenced. */
export async function migrateNew({
  url,
  token,
  keyspace,
  name,
}: Record<'url' | 'token' | 'keyspace' | 'name', string>): Promise<void> {
  const client = createClient({ url, authToken: token })
  try {
    await migrate(client, { database: name, migrations: await migrationsOf(keyspace) })
  } finally {
    client.close()
  }
}

/** Gives the database its incarnation, once. @throws DatabaseTakenError when it is another shard, or a copy of one */
async function adopt(
  { open }: System,
  shard: Pick<ShardInfo, 'name' | 'url'>,
  call: Call,
): Promise<ShardInfo> {
  const [, found] = await open(shard).batch(
    [
      {
        sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE
SET incarnation = excluded.incarnation WHERE incarnation IS NULL AND NOT EXISTS (SELECT 1 FROM _slot_owner)`,
        args: [shard.name, randomBytes(8).toString('hex')],
      },
      { sql: 'SELECT shard, incarnation FROM _shard_meta WHERE id = 1', args: [] },
    ],
    'write',
    call,
  )
  const [name, incarnation] = found?.rows[0] ?? []
  if (name !== shard.name) throw new DatabaseTakenError(shard.name, `it is shard "${String(name)}"`)
  if (typeof incarnation !== 'string')
    throw new DatabaseTakenError(shard.name, 'it is a copy that has owned slots')
  return { ...shard, incarnation }
}

/**
 * Makes a database, migrated and fenced, a shard of the keyspace that owns nothing yet. Dying anywhere is completed by
 * the next run.
 *
 * @throws DatabaseTakenError when a database of that name is another shard.
 */
export async function addShard(
  system: System,
  { keyspace, name }: { readonly keyspace: string; readonly name: string },
  call: Call,
): Promise<void> {
  const url = await system.provider.createDatabase(name)
  await migrateNew({ url, token: system.token, keyspace, name })
  const shard = await adopt(system, { name, url }, call)
  const change = (known: Keyspace) =>
    known.shards.some((each) => each.name === name)
      ? known
      : { ...known, shards: [...known.shards, shard] }
  await changeKeyspace(system, { keyspace, change }, call)
}
