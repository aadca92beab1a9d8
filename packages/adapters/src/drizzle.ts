import type { Client, ResultSet, Row } from '@libsql/client/web'
import type { Call, Rows, SqlShard, SqlValue, Statement } from '@stoa/kernel'
import type { BatchItem } from 'drizzle-orm/batch'
import type { LibSQLDatabase } from 'drizzle-orm/libsql'
import { drizzle } from 'drizzle-orm/libsql/web'

type Query = BatchItem<'sqlite'>
export type Item = Query | Statement

/** What a batch gives for each of its items: typed rows for a query, {@link Rows} for a plain statement. */
export type Answers<T extends readonly Item[]> = {
  -readonly [K in keyof T]: T[K] extends Query ? T[K]['_']['result'] : Rows
}

/**
 * A drizzle database that only *builds* queries; awaiting one of them throws. Send them with
 * {@link readBatch} or {@link writeBatch}. Knows no shard, so one serves a whole service; make it on
 * first use when `schema` is large.
 */
export function drizzleOn<TSchema extends Record<string, unknown> = Record<string, never>>(
  schema?: TSchema,
): LibSQLDatabase<TSchema> {
  return drizzle({ client: clientOver(refuse), ...(schema ? { schema } : {}) })
}

/** Runs drizzle queries and plain statements as one read of `shard`. One round trip. @see SqlShard.batch */
export function readBatch<const T extends readonly Item[]>(
  shard: SqlShard,
  items: T,
  call: Call,
): Promise<Answers<T>> {
  return send(items, (statements) => shard.batch(statements, 'read', call))
}

/**
 * Runs drizzle queries and plain statements as one write transaction of `shard`. One round trip, always
 * in `write` mode, which drizzle's own `batch` does not ask for. @see SqlShard.batch
 */
export function writeBatch<const T extends readonly Item[]>(
  shard: SqlShard,
  items: T,
  call: Call,
): Promise<Answers<T>> {
  return send(items, (statements) => shard.batch(statements, 'write', call))
}

/** A drizzle query as a plain statement, for a batch that is put together elsewhere. */
export function statement(query: {
  toSQL(): { readonly sql: string; readonly params: readonly unknown[] }
}): Statement {
  const { sql, params } = query.toSQL()
  return { sql, args: params.map(asSqlValue) }
}

/** The typed result of `query`, read from the {@link Rows} that its {@link statement} gave. */
export async function rowsOf<Q extends Query>(query: Q, rows: Rows): Promise<Q['_']['result']> {
  const [result] = await send([query], () => Promise.resolve([rows]))
  return result
}

type Run = (statements: readonly Statement[]) => Promise<readonly Rows[]>

/**
 * Lets drizzle's public `batch` build the queries and type their rows, over a client that hands the
 * statements, with the plain ones put back between them, to `run`.
 */
export async function send<const T extends readonly Item[]>(
  items: T,
  run: Run,
): Promise<Answers<T>> {
  const plain = items.map((item) => (isStatement(item) ? item : undefined))
  const queries = items.filter(isQuery)
  let answers: readonly Rows[] = []
  const runBuilt: Run = async (built) => {
    const queue = built.values()
    const all = plain.map((item) => item ?? queue.next().value)
    answers = await run(all.filter((item) => item !== undefined))
    return answers.filter((_, i) => plain[i] === undefined)
  }
  const [first, ...rest] = queries
  const typed: readonly unknown[] = first
    ? await drizzle({ client: clientOver(runBuilt) }).batch([first, ...rest])
    : await runBuilt([])
  const next = typed.values()
  return inOrder<T>(plain.map((item, i) => (item ? answers[i] : next.next().value)))
}

/** The one place that trusts position: `results` has, for each item of T, what was asked for it. */
function inOrder<T extends readonly Item[]>(results: readonly unknown[]): Answers<T> {
  return results as Answers<T>
}

function isStatement(item: Item): item is Statement {
  return 'sql' in item && typeof item.sql === 'string' && 'args' in item
}

function isQuery(item: Item): item is Query {
  return !isStatement(item)
}

async function refuse(): Promise<never> {
  throw new TypeError('Cannot run this query by itself: hand it to readBatch or writeBatch')
}

/** The part of libSQL's client that drizzle's `batch` uses; the rest is refused. */
function clientOver(run: Run): Client {
  return {
    batch: async (built) => (await run(built.map(asStatement))).map(asResultSet),
    execute: refuse,
    migrate: refuse,
    transaction: refuse,
    executeMultiple: refuse,
    sync: refuse,
    close: () => undefined,
    reconnect: () => undefined,
    closed: false,
    protocol: 'http',
  }
}

function asStatement(built: Parameters<Client['batch']>[0][number]): Statement {
  if (typeof built === 'string' || Array.isArray(built) || !Array.isArray(built.args)) {
    throw new TypeError('Cannot read the query that drizzle built')
  }
  return { sql: built.sql, args: built.args.map(asSqlValue) }
}

function asSqlValue(value: unknown): SqlValue {
  if (value === null || value instanceof Uint8Array) return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  throw new TypeError(
    `Cannot bind a ${typeof value}: a placeholder was not filled, or a column has no codec`,
  )
}

/** {@link Rows} in the shape of the client's: a row is read by place, and by name without the places. */
function asResultSet({ columns, rows, rowsAffected }: Rows): ResultSet {
  return {
    columns: [...columns],
    columnTypes: columns.map(() => ''),
    rows: rows.map((values) => asRow(columns, values)),
    rowsAffected,
    lastInsertRowid: undefined,
    toJSON: () => ({ columns, rows, rowsAffected }),
  }
}

function asRow(columns: readonly string[], values: readonly SqlValue[]): Row {
  const row = Object.fromEntries(columns.map((name, i) => [name, values[i] ?? null]))
  const places = values.map((value, i) => [i, { value }] as const)
  const hidden = Object.fromEntries([...places, ['length', { value: values.length }]])
  return Object.defineProperties(row, hidden) as unknown as Row
}
