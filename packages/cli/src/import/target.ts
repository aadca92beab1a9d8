import { libsqlShard } from '@stoa/adapters/shard'
import { type Call, type SqlShard, type SqlValue } from '@stoa/kernel'
import {
  InvalidTopologyError,
  inWaves,
  type SlotMap,
  slotMapOf,
  type Topology,
} from '@stoa/sharding'

import { ImportTargetError } from './faults.ts'
import type { Target } from './options.ts'
import { literalOf } from './values.ts'

export type TargetColumn = {
  readonly name: string
  /** As declared. */
  readonly type: string
  readonly isNotNull: boolean
  /** The value of a literal DEFAULT. */
  readonly fallback?: SqlValue
  /** Whether the database takes a row without it. */
  readonly isOptional: boolean
  /** Whether the database works its DEFAULT out. */
  readonly isComputed: boolean
}

/** The table that rows go to, the same in every shard. Plain data: it is cloned into each thread. */
export type TargetTable = {
  readonly name: string
  /** The column that says where a row lives. */
  readonly key: string
  /** The columns that name a row. */
  readonly primaryKey: readonly string[]
  readonly columns: readonly TargetColumn[]
  /** Rows written for one row: its own and one for each index. */
  readonly writesPerRow: number
}

/** The events of an aggregate live with the aggregate, whatever their own ids are. */
const keyColumns: Readonly<Record<string, string>> = { outbox: 'okey' }

const describe = `SELECT
  (SELECT json_group_array(json_array(c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden))
    FROM (SELECT * FROM pragma_table_xinfo(?) ORDER BY cid) AS c),
  (SELECT json_group_array(json_array(i.origin, i."unique", (SELECT json_group_array(x.name)
      FROM (SELECT * FROM pragma_index_info(i.name) ORDER BY seqno) AS x)))
    FROM (SELECT * FROM pragma_index_list(?) ORDER BY seq DESC) AS i),
  (SELECT wr FROM pragma_table_list(?) WHERE schema = 'main' AND type = 'table')`

type ColumnRow = readonly [string, string, number, string | null, number, number]
type IndexRow = readonly ['c' | 'u' | 'pk', number, readonly (string | null)[]]

type Described = { readonly columns: readonly ColumnRow[]; readonly indexes: readonly IndexRow[] }

/** JSON that {@link describe} itself made, so its form is known. */
function parsed(columns: SqlValue | undefined, indexes: SqlValue | undefined): Described {
  return JSON.parse(`{"columns":${String(columns)},"indexes":${String(indexes)}}`) as Described
}

function columnOf([name, type, isNotNull, dflt, position]: ColumnRow): TargetColumn {
  const fallback = dflt === null ? undefined : literalOf(dflt)
  return {
    name,
    type,
    isNotNull: isNotNull === 1 || position > 0,
    isOptional: dflt !== null || (isNotNull === 0 && position === 0),
    isComputed: dflt !== null && fallback === undefined,
    ...(fallback === undefined ? {} : { fallback }),
  }
}

/** The column that is only another name of the row number, which is local to a database. */
function rowNumberOf(columns: readonly ColumnRow[]): string | undefined {
  const [key, ...others] = columns.filter(([, , , , position]) => position > 0)
  return others.length === 0 && key?.[1].toUpperCase() === 'INTEGER' ? key[0] : undefined
}

/** The table in one shard; `undefined` when it is not there. One round trip. */
async function tableIn(
  shard: SqlShard,
  name: string,
  call: Call,
): Promise<TargetTable | undefined> {
  const [rows] = await shard.batch([{ sql: describe, args: [name, name, name] }], 'read', call)
  const [columns, indexes, isWithoutRowid] = rows?.rows[0] ?? []
  const { columns: list, indexes: all } = parsed(columns, indexes)
  if (list.length === 0 || isWithoutRowid === null) return undefined
  const unique = all.filter(([origin]) => origin !== 'c')
  // A primary key that is a row number has no index, and is local to its database.
  const named = unique.find(([origin]) => origin === 'pk') ?? unique[0]
  const primaryKey = (named?.[2] ?? []).filter((column) => column !== null)
  const key = keyColumns[name] ?? primaryKey[0]
  if (key === undefined) {
    throw new ImportTargetError(
      `Cannot import into "${name}": no primary key or UNIQUE of it begins with text that says where a row lives`,
    )
  }
  const rowNumber = isWithoutRowid === 1 ? undefined : rowNumberOf(list)
  return {
    name,
    key,
    primaryKey,
    columns: list
      .filter(([column, , , , , hidden]) => hidden === 0 && column !== rowNumber)
      .map(columnOf),
    // The primary key of a table WITHOUT ROWID is the table itself.
    writesPerRow: 1 + all.length - (isWithoutRowid === 1 ? 1 : 0),
  }
}

/** Reads the topology from the `meta` database. One round trip. */
export async function readTopology(
  { metaUrl, token }: Pick<Target, 'metaUrl' | 'token'>,
  call: Call,
): Promise<Topology> {
  const meta = libsqlShard({ name: 'meta', url: metaUrl, token })
  const query = { sql: 'SELECT version, document FROM topology WHERE id = 1', args: [] }
  const [rows] = await meta.batch([query], 'read', call)
  const [version, document] = rows?.rows[0] ?? []
  if (version === undefined)
    throw new ImportTargetError('Cannot import: the meta database holds no topology')
  // The document is written by one job, from a value of this type.
  return {
    version: Number(version),
    keyspaces: JSON.parse(String(document)) as Topology['keyspaces'],
  }
}

async function mapOf(target: Target, call: Call): Promise<SlotMap> {
  const { keyspaces } = await readTopology(target, call)
  const keyspace = keyspaces[target.keyspace]
  if (keyspace !== undefined) return slotMapOf(target.keyspace, keyspace)
  const known = Object.keys(keyspaces).toSorted().join(', ')
  throw new ImportTargetError(
    `Cannot import into keyspace "${target.keyspace}": the topology has ${known || 'none'}`,
    { cause: new InvalidTopologyError(target.keyspace, 'the topology does not name it') },
  )
}

/**
 * The table and the names of the shards, after asking each shard. One round trip for the topology, and one a shard.
 *
 * @throws ImportTargetError when the keyspace or table is unknown, local, without a key, or not the same everywhere.
 * @throws ShardUnavailableError when a database cannot be reached or refuses the token.
 */
export async function readTarget(
  target: Target,
  call: Call,
): Promise<{ readonly table: TargetTable; readonly shards: readonly string[] }> {
  const name = target.table
  if (name.startsWith('_'))
    throw new ImportTargetError(`Cannot import into "${name}": it is the database's own`)
  const map = await mapOf(target, call)
  const tables: TargetTable[] = []
  await inWaves(map.shards, async (info) => {
    const shard = libsqlShard({ name: info.name, url: info.url, token: target.token })
    const table = await tableIn(shard, name, call)
    if (table === undefined)
      throw new ImportTargetError(`Cannot import into "${name}": shard "${info.name}" has it not`)
    tables.push(table)
  })
  const [table, ...others] = tables
  if (table === undefined)
    throw new ImportTargetError(`Cannot import into "${name}": its keyspace has no shard`)
  if (others.some((other) => JSON.stringify(other) !== JSON.stringify(table)))
    throw new ImportTargetError(
      `Cannot import into "${name}": it differs between shards; migrate them first`,
    )
  return { table, shards: map.shards.map((shard) => shard.name) }
}
