import { existsSync } from 'node:fs'

import { createClient } from '@libsql/client'
import { libsqlShard, sqlShardOf } from '@stoa/adapters/shard'
import {
  type Call,
  isFault,
  type Rows,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'

import type { Batch, KeyWindow } from './batch.ts'
import { ImportSourceError } from './faults.ts'
import type { SourceRecord } from './mapping.ts'
import type { Source } from './options.ts'
import { patiently } from './patience.ts'

export type TableSource = Extract<Source, { kind: 'table' }>

/** A table as it is read: by windows of the columns that order it, which no two rows share. */
export type TableForm = {
  readonly fields: readonly string[]
  readonly order: readonly string[]
  readonly rows: number
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function listOf(names: readonly string[]): string {
  return names.map(quoted).join(', ')
}

export type OpenSource = { readonly shard: SqlShard; readonly close: () => void }

/** A client of the source; a file is never made by opening it. @throws ImportSourceError */
export function openDatabase({ url, token }: TableSource): OpenSource {
  const file = /^file:(?:\/\/(?=\/))?([^?]*)/.exec(url)?.[1]
  if (file === undefined) {
    try {
      const shard = libsqlShard({ name: 'source', url, ...(token === undefined ? {} : { token }) })
      return { shard, close: () => undefined }
    } catch (error) {
      throw new ImportSourceError(`Cannot read "${url}": ${String(error)}`, { cause: error })
    }
  }
  if (!existsSync(decodeURIComponent(file)))
    throw new ImportSourceError(`Cannot read "${file}": there is no such file`)
  const client = createClient({ url, intMode: 'bigint' })
  return { shard: sqlShardOf(client, 'source'), close: () => client.close() }
}

async function ask(shard: SqlShard, statement: Statement, call: Call): Promise<Rows> {
  const [rows] = await patiently(() => shard.batch([statement], 'read', call), call)
  if (rows === undefined) throw new Error('Cannot read the source: it gave no rows')
  return rows
}

/** What orders the rows: the primary key when no part of it can be null, else the row number. */
function orderOf(columns: readonly (readonly SqlValue[])[], hasRowid: boolean): readonly string[] {
  const keyed = columns.filter(([, , , position]) => Number(position) > 0)
  const names = keyed
    .toSorted(([, , , one], [, , , other]) => Number(one) - Number(other))
    .map(([name]) => String(name))
  const isRowNumber = keyed.length === 1 && String(keyed[0]?.[1]).toUpperCase() === 'INTEGER'
  const isFull = keyed.length > 0 && keyed.every(([, , isNotNull]) => isNotNull === 1)
  if (!hasRowid || isRowNumber || isFull) return names
  const taken = new Set(columns.map(([name]) => String(name).toLowerCase()))
  const alias = ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name))
  if (alias === undefined)
    throw new ImportSourceError('Cannot order the rows: columns hide the row number')
  return [alias]
}

/** What the table is, before any row is read. Three round trips. @throws ImportSourceError */
export async function describeTable(
  shard: SqlShard,
  table: string,
  call: Call,
): Promise<TableForm> {
  try {
    const [kind] = (
      await ask(
        shard,
        { sql: "SELECT type, wr FROM pragma_table_list(?) WHERE schema = 'main'", args: [table] },
        call,
      )
    ).rows
    if (kind === undefined || kind[0] !== 'table')
      throw new ImportSourceError(`Cannot read "${table}": the source has no such table`)
    const columns = await ask(
      shard,
      {
        sql: 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid',
        args: [table],
      },
      call,
    )
    const count = await ask(shard, { sql: `SELECT count(*) FROM ${quoted(table)}`, args: [] }, call)
    return {
      fields: columns.rows.map(([name]) => String(name)),
      order: orderOf(columns.rows, kind[1] === 0),
      rows: Number(count.rows[0]?.[0] ?? 0),
    }
  } catch (error) {
    if (isFault(error)) throw error
    throw new ImportSourceError(`Cannot read "${table}": ${String(error)}`, { cause: error })
  }
}

/** The condition on the window's ends, and what it binds. */
function within(order: readonly string[], { after, upTo }: Partial<KeyWindow>): Statement {
  const marks = `(${order.map(() => '?').join(', ')})`
  const lower = after === undefined ? [] : [`(${listOf(order)}) > ${marks}`]
  const upper = upTo === undefined ? [] : [`(${listOf(order)}) <= ${marks}`]
  return {
    sql: [...lower, ...upper].join(' AND ') || '1',
    args: [...(after ?? []), ...(upTo ?? [])],
  }
}

/** A key as text that tells 1 from '1' and from a blob. */
function spelled(key: readonly SqlValue[] | undefined): string {
  return (key ?? [])
    .map((value) =>
      value instanceof Uint8Array
        ? `x${Buffer.from(value).toString('hex')}`
        : typeof value === 'string'
          ? JSON.stringify(value)
          : String(value),
    )
    .join()
}

/** The batches of a table from its first key: windows of its order, `batchRows` each but the last. One round trip each. */
export async function* tableBatches(
  {
    shard,
    table,
    form,
  }: { readonly shard: SqlShard; readonly table: string; readonly form: TableForm },
  batchRows: number,
  call: Call,
): AsyncGenerator<Batch, void> {
  const { order } = form
  const [ascending, descending] = ['ASC', 'DESC'].map((way) =>
    order.map((name) => `${quoted(name)} ${way}`).join(', '),
  )
  let after: readonly SqlValue[] | undefined
  for (let index = 0; ; index += 1) {
    const { sql, args } = within(order, { after })
    const from = `FROM ${quoted(table)} WHERE ${sql} ORDER BY`
    const nth = {
      sql: `SELECT ${listOf(order)} ${from} ${ascending} LIMIT 1 OFFSET ${batchRows - 1}`,
      args,
    }
    const last = { sql: `SELECT ${listOf(order)} ${from} ${descending} LIMIT 1`, args }
    const full = (await ask(shard, nth, call)).rows[0]
    const upTo = full ?? (await ask(shard, last, call)).rows[0]
    if (upTo === undefined) return
    const rows = full === undefined ? Math.max(0, form.rows - index * batchRows) : batchRows
    yield {
      id: `${spelled(after)}-${spelled(upTo)}`,
      index,
      rows,
      line: index * batchRows + 1,
      part: Math.min(1, (index * batchRows + rows) / Math.max(1, form.rows)),
      range: { kind: 'keys', after, upTo },
    }
    if (full === undefined) return
    after = upTo
  }
}

/** The rows of one batch, in order. One round trip. */
export async function readWindow(
  {
    shard,
    table,
    form,
  }: { readonly shard: SqlShard; readonly table: string; readonly form: TableForm },
  batch: Batch,
  call: Call,
): Promise<readonly SourceRecord[]> {
  const { range } = batch
  if (range.kind !== 'keys') throw new TypeError('Cannot read a byte range of a table')
  const { sql, args } = within(form.order, range)
  const found = await ask(
    shard,
    {
      sql: `SELECT ${listOf(form.fields)} FROM ${quoted(table)} WHERE ${sql} ORDER BY ${listOf(form.order)}`,
      args,
    },
    call,
  )
  return found.rows.map((row, index) => ({
    line: batch.line + index,
    values: Object.fromEntries(form.fields.map((name, at) => [name, row[at] ?? null])),
  }))
}
