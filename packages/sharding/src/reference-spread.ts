import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'

import { ReferenceUnlikeError } from './reference-faults.ts'
import { type Reference, readReference, rowsText } from './reference.ts'
import { inWaves } from './router.ts'

/**
 * How a database's copy is: `behind` at an older version or without any, `differs` at this version with other rows,
 * `ahead` at a newer one than was read, `failed` when it could not be asked or cannot hold it.
 */
export type ReferenceCopy = {
  readonly database: string
  readonly state: 'current' | 'behind' | 'differs' | 'ahead' | 'failed'
  /** 0 when it has none, or did not say. */
  readonly version: number
  /** Rows that were written or deleted now. */
  readonly changed: number
  readonly error?: Error
}

export type ReferenceReport = {
  /** The version that was compared with. */
  readonly version: number
  /** In the order of the databases. */
  readonly copies: readonly ReferenceCopy[]
}

export type SpreadOptions = {
  readonly meta: SqlShard
  readonly name: string
  /** Every database that has copies: shards, and their replicas, which nothing else brings them. */
  readonly databases: readonly SqlShard[]
}

/** What keeps spreading right, one by one, so that a test can take each away and must notice. */
export type SpreadSafeguards = {
  /** A version is never lowered. */
  readonly newerOnly: boolean
  /** Rows are written only at the version that they are of. */
  readonly sameVersion: boolean
  /** Rows and their version are one batch. */
  readonly oneBatch: boolean
}

const allSpreadSafeguards: SpreadSafeguards = {
  newerOnly: true,
  sameVersion: true,
  oneBatch: true,
}

type Written = { readonly reference: Reference; readonly safeguards: SpreadSafeguards }

function columnsOf({ columns }: Reference): string {
  return columns.map((column) => `"${column}"`).join(', ')
}

/** The names were checked when the table was published. */
function copyOf({ name }: Reference): string {
  return `"_${name}"`
}

function setVersion({ reference, safeguards }: Written): Statement {
  const { name, version } = reference
  const isNewer = safeguards.newerOnly ? ' WHERE _reference.version < excluded.version' : ''
  return {
    sql: `INSERT INTO _reference (name, version) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET version = excluded.version${isNewer}`,
    args: [name, version],
  }
}

/** Deletes the rows that are not just as they should be, and inserts those that are not there: unchanged ones cost nothing. */
function setRows({ reference, safeguards }: Written): readonly Statement[] {
  const { name, version, columns, rows } = reference
  const [key = ''] = columns
  const copy = copyOf(reference)
  const list = columnsOf(reference)
  const values = columns.map((_, at) => `value ->> ${at}`).join(', ')
  const isAt = safeguards.sameVersion
    ? 'EXISTS (SELECT 1 FROM _reference WHERE name = ? AND version = ?)'
    : '? <> ?'
  const text = JSON.stringify(rows)
  return [
    {
      sql: `DELETE FROM ${copy} WHERE "${key}" IN (SELECT "${key}" FROM (SELECT ${list} FROM ${copy}
EXCEPT SELECT ${values} FROM json_each(?))) AND ${isAt}`,
      args: [text, name, version],
    },
    {
      sql: `INSERT INTO ${copy} (${list}) SELECT ${values} FROM json_each(?) WHERE ${isAt}
EXCEPT SELECT ${list} FROM ${copy}`,
      args: [text, name, version],
    },
  ]
}

function selectCopy(reference: Reference): readonly Statement[] {
  const rows = `SELECT ${columnsOf(reference)} FROM ${copyOf(reference)}`
  return [
    { sql: 'SELECT version FROM _reference WHERE name = ?', args: [reference.name] },
    { sql: rows, args: [] },
  ]
}

function stateIn(
  { version, rows }: Reference,
  [own, found]: readonly (Rows | undefined)[],
): Pick<ReferenceCopy, 'state' | 'version'> {
  const at = Number(own?.rows[0]?.[0] ?? 0)
  if (at !== version) return { state: at < version ? 'behind' : 'ahead', version: at }
  const isSame = rowsText(found?.rows ?? []) === rowsText(rows)
  return { state: isSame ? 'current' : 'differs', version: at }
}

/** Brings one copy to a version. One batch. @throws ReferenceUnlikeError, and what the database answers. */
async function writeCopy(
  database: SqlShard,
  { reference, safeguards }: Written,
  call: Call,
): Promise<ReferenceCopy> {
  const written = { reference, safeguards }
  const asked = selectCopy(reference)
  if (!safeguards.oneBatch) await database.batch([setVersion(written)], 'write', call)
  const first = safeguards.oneBatch ? [setVersion(written)] : []
  const statements = [...first, ...setRows(written), ...asked]
  const answers = await database.batch(statements, 'write', call)
  const [deleted, inserted] = answers.slice(first.length)
  const found = stateIn(reference, answers.slice(-asked.length))
  if (found.state === 'differs') throw new ReferenceUnlikeError(reference.name, database.name)
  const changed = (deleted?.rowsAffected ?? 0) + (inserted?.rowsAffected ?? 0)
  return { database: database.name, ...found, changed }
}

async function lookAt(
  database: SqlShard,
  reference: Reference,
  call: Call,
): Promise<ReferenceCopy> {
  const answers = await database.batch(selectCopy(reference), 'read', call)
  return { database: database.name, ...stateIn(reference, answers), changed: 0 }
}

/** Asks five databases at a time; what one of them throws is its own. */
async function reportOver(
  { meta, name, databases }: SpreadOptions,
  ask: (database: SqlShard, reference: Reference) => Promise<ReferenceCopy>,
  call: Call,
): Promise<ReferenceReport> {
  const reference = await readReference(meta, name, call)
  const copies = new Map<SqlShard, ReferenceCopy>()
  await inWaves(databases, async (database) => {
    try {
      copies.set(database, await ask(database, reference))
    } catch (thrown) {
      call.signal.throwIfAborted()
      const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
      const failed = { state: 'failed', version: 0, changed: 0, error } as const
      copies.set(database, { database: database.name, ...failed })
    }
  })
  const { version } = reference
  return { version, copies: databases.flatMap((database) => copies.get(database) ?? []) }
}

/** As {@link spreadReference}, with some safeguards taken away. */
export function spreadUnsafely(
  options: SpreadOptions,
  { safeguards, call }: { readonly safeguards: SpreadSafeguards; readonly call: Call },
): Promise<ReferenceReport> {
  const write = (database: SqlShard, reference: Reference) =>
    writeCopy(database, { reference, safeguards }, call)
  return reportOver(options, write, call)
}

/**
 * Brings every copy to the newest version: rows and version in one batch a database, and only the rows that differ.
 *
 * Safe to repeat and to run twice at once: a version is never put back, so a spreader that comes late changes nothing and
 * finds copies `ahead`. One that died is completed by the next. A database that fails stops none of the others.
 * One round trip for each database, five at a time.
 *
 * @throws ReferenceNotFoundError, and the reason of `call.signal`.
 */
export function spreadReference(options: SpreadOptions, call: Call): Promise<ReferenceReport> {
  return spreadUnsafely(options, { safeguards: allSpreadSafeguards, call })
}

/**
 * Which copies lag, and which have other rows than their version: each is read whole and compared. Changes nothing.
 * One round trip for each database, five at a time.
 *
 * @throws ReferenceNotFoundError, and the reason of `call.signal`.
 */
export function verifyReference(options: SpreadOptions, call: Call): Promise<ReferenceReport> {
  return reportOver(options, (database, reference) => lookAt(database, reference, call), call)
}
