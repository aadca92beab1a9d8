import { allShards } from '@stoa/adapters/keyspace'
import { libsqlShard } from '@stoa/adapters/libsql'
import { rootCall, type Statement } from '@stoa/kernel'
import type { Topology } from '@stoa/sharding'

const call = rootCall('test')

/** The variables of the platform, as `stoaEnv` has them. */
type Platform = Readonly<Record<string, string>>

function databaseOf(env: Platform) {
  return { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }
}

async function run(env: Platform, shard: string, statement: Statement): Promise<void> {
  const shards = await allShards(databaseOf(env), call)
  await shards.find(({ name }) => name === shard)?.batch([statement], 'write', call)
}

/**
 * Sets keys that nobody has written apart, as a move of them would leave it: from the shard that has their slot to
 * another of its keyspace. The service is not told: the fence is to send it there.
 */
export async function setApart(
  env: Platform,
  range: { readonly keyspace: string; readonly from: string; readonly to: string },
  { shard: source, target }: { readonly shard: string; readonly target: string },
): Promise<void> {
  const { keyspace, from, to } = range
  const piece = `INSERT INTO _slot_owner (lo, hi, epoch, state, peer) VALUES (?, ?, 2, ?, ?)`
  await run(env, source, { sql: piece, args: [from, to, 'handed_off', target] })
  await run(env, target, { sql: piece, args: [from, to, 'serving', null] })
  const { metaUrl, token } = databaseOf(env)
  const meta = libsqlShard({ name: 'meta', url: metaUrl, token })
  const asked = { sql: 'SELECT document FROM topology', args: [] }
  const [rows] = await meta.batch([asked], 'read', call)
  const keyspaces = JSON.parse(String(rows?.rows[0]?.[0])) as Record<
    string,
    Topology['keyspaces'][string]
  >
  const own = keyspaces[keyspace]
  if (own === undefined) throw new Error(`there is no keyspace ${keyspace}`)
  const ranges = [...(own.ranges ?? []), { from, to, shard: target, epoch: 2 }]
  const document = JSON.stringify({ ...keyspaces, [keyspace]: { ...own, ranges } })
  const sql = 'UPDATE topology SET document = ?, version = version + 1'
  await meta.batch([{ sql, args: [document] }], 'write', call)
}
