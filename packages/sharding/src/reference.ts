import type { Call, Rows, SqlShard, Statement } from '@stoa/kernel'

import { utf8 } from './hash/utf8.ts'
import {
  InvalidReferenceError,
  ReferenceConflictError,
  ReferenceNotFoundError,
  ReferenceTooLargeError,
} from './reference-faults.ts'

/** Numbers are whole and safe: a fraction is given as text, as money is. */
export type ReferenceValue = string | number | null

/** A small table that is the same everywhere. */
export type ReferenceTable = {
  /** Without the underscore with which the copies' name begins. */
  readonly name: string
  /** The first is the key, a text. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly ReferenceValue[])[]
}

/** A reference table as it was published: rows in the order of their keys. */
export type Reference = ReferenceTable & {
  /** One more with each publication, from 1. */
  readonly version: number
}

/** The text of the rows goes twice into one batch to each database, and that is far below what a statement may have. */
export const referenceBytesMax = 262_144
/** A write transaction replaces them all, and others wait for it. */
export const referenceRowsMax = 10_000

const nameForm = /^[a-z][a-z0-9_]{0,39}$/

/** What keeps publishing right, one by one, so that a test can take each away and must notice. */
export type PublishSafeguards = {
  /** A version is published only over the one that it was made from. */
  readonly compareAndSet: boolean
  /** A publication whose reply was lost is found again. */
  readonly adopt: boolean
}

function isValue(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  return value === null || Number.isSafeInteger(value)
}

function problemOf({ name, columns, rows }: ReferenceTable): string | undefined {
  if (!nameForm.test(name)) return 'a name is up to 40 of a-z, 0-9 and _, and begins with a letter'
  const wrong = columns.find((column) => !nameForm.test(column))
  if (wrong !== undefined) return `"${wrong}" is no name of a column`
  if (columns.length === 0) return 'it has no columns'
  if (new Set(columns).size < columns.length) return 'a column is named twice'
  const keys = new Set<ReferenceValue>()
  for (const [at, row] of rows.entries()) {
    const [key = null] = row
    if (row.length !== columns.length) return `row ${at + 1} has ${row.length} values`
    if (!row.every(isValue))
      return `row ${at + 1} has a value that is no text, whole number or null`
    if (typeof key !== 'string' || key === '') return `row ${at + 1} has no text as its key`
    if (keys.has(key)) return `key "${key}" is there twice`
    keys.add(key)
  }
  return undefined
}

/** The rows as they are kept and compared: equal texts, equal rows. */
export function rowsText(rows: readonly (readonly unknown[])[]): string {
  const keyed = rows.map((row) => [String(row[0]), row] as const)
  const sorted = keyed.toSorted(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(sorted.map(([, row]) => row))
}

/** @throws InvalidReferenceError, ReferenceTooLargeError */
function checkedText(table: ReferenceTable): string {
  const { name, rows } = table
  if (rows.length > referenceRowsMax)
    throw new ReferenceTooLargeError(name, `${rows.length} rows`, String(referenceRowsMax))
  const problem = problemOf(table)
  if (problem !== undefined) throw new InvalidReferenceError(name, problem)
  const text = rowsText(rows)
  const bytes = utf8(text).length
  if (bytes > referenceBytesMax)
    throw new ReferenceTooLargeError(name, `${bytes} bytes`, String(referenceBytesMax))
  return text
}

function selectReference(name: string): Statement {
  return { sql: 'SELECT name, version, columns, rows FROM reference WHERE name = ?', args: [name] }
}

function referenceIn(found: Rows | undefined): Reference | undefined {
  const [row] = found?.rows ?? []
  if (row === undefined) return undefined
  const [name, version, columns, rows] = row
  return {
    name: String(name),
    version: Number(version),
    // Written by publishing, from values of these types.
    columns: JSON.parse(String(columns)) as readonly string[],
    rows: JSON.parse(String(rows)) as readonly (readonly ReferenceValue[])[],
  }
}

/** The newest version. One round trip. @throws ReferenceNotFoundError */
export async function readReference(meta: SqlShard, name: string, call: Call): Promise<Reference> {
  const [found] = await meta.batch([selectReference(name)], 'read', call)
  const reference = referenceIn(found)
  if (reference === undefined) throw new ReferenceNotFoundError(name)
  return reference
}

/** The newest version of each reference table, by name. One round trip. */
export async function referenceVersions(
  meta: SqlShard,
  call: Call,
): Promise<ReadonlyMap<string, number>> {
  const select = { sql: 'SELECT name, version FROM reference ORDER BY name', args: [] }
  const [found] = await meta.batch([select], 'read', call)
  return new Map(found?.rows.map(([name, version]) => [String(name), Number(version)]))
}

export type PublishOptions = ReferenceTable & {
  /** The version that these rows were made from; 0 when there was none. Default: the one that is there now. */
  readonly over?: number | undefined
  /** Versions up to this one are taken: copies have them, and `meta` was restored from before. Default: 0. */
  readonly beyond?: number | undefined
  /** Milliseconds since 1970. */
  readonly at: number
}

/** As {@link publishReference}, with some safeguards taken away. */
export async function publishUnsafely(
  meta: SqlShard,
  { at, over: given, beyond = 0, ...table }: PublishOptions,
  { safeguards, call }: { readonly safeguards: PublishSafeguards; readonly call: Call },
): Promise<Reference> {
  const { name } = table
  const rows = checkedText(table)
  const columns = JSON.stringify(table.columns)
  const over = given ?? (await referenceVersions(meta, call)).get(name) ?? 0
  const isOver = safeguards.compareAndSet ? 'reference.version = ?' : '? IS NOT NULL'
  const isThere = `(reference.columns, reference.rows) = (excluded.columns, excluded.rows) AND reference.version > ?`
  const publish = {
    // One that was never published is not published over a version, and what is there already not again.
    sql: `INSERT INTO reference (name, version, columns, rows, changed_at) SELECT ?, ?, ?, ?, ?
WHERE ? = 0 OR EXISTS (SELECT 1 FROM reference WHERE name = ?)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, columns = excluded.columns, rows = excluded.rows,
changed_at = excluded.changed_at WHERE ${isOver} AND ${safeguards.adopt ? `NOT (${isThere})` : '? IS NOT NULL'}`,
    args: [name, Math.max(over, beyond) + 1, columns, rows, at, over, name, over, beyond],
  }
  const [done, found] = await meta.batch([publish, selectReference(name)], 'write', call)
  const now = referenceIn(found)
  const isMine =
    now !== undefined &&
    now.version > beyond &&
    JSON.stringify(now.columns) === columns &&
    rowsText(now.rows) === rows
  if (isMine && (safeguards.adopt || done?.rowsAffected === 1)) return now
  throw new ReferenceConflictError(name, over, now?.version ?? 0)
}

/**
 * Makes these rows the newest version, by compare-and-set on the version that they were made from. What is published
 * already stays as it is: a publication whose reply was lost may be repeated. The copies have it when it has been spread.
 *
 * At most 10,000 rows and 256 KiB of JSON. One round trip, and one more without `over`.
 *
 * @throws InvalidReferenceError, ReferenceTooLargeError, before anything is asked.
 * @throws ReferenceConflictError when somebody else has published other rows meanwhile.
 */
export function publishReference(
  meta: SqlShard,
  options: PublishOptions,
  call: Call,
): Promise<Reference> {
  return publishUnsafely(meta, options, { safeguards: { compareAndSet: true, adopt: true }, call })
}
