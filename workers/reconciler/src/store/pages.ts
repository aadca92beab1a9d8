import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import {
  type Call,
  type Clock,
  type Rows,
  slotOfKey,
  slotRange,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import {
  type Entry,
  type FieldValue,
  keysetPages,
  type Side,
  type Span,
} from '@stoa/reconciliation'

/** What an auditor may do with a service's keyspace: nothing but read. */
export type Reader = Pick<KeyspaceAccess['router'], 'scatter' | 'readRange' | 'readMany'>

export type ReaderOf = (keyspace: string) => Reader

/** A condition, with what it binds. */
export type Condition = { readonly sql: string; readonly args: readonly SqlValue[] }

/**
 * A page of a table. Its keys are `columns` joined by colons, each but the last of them `width` characters long, and the
 * rows are ordered by them; `sql` puts the condition where it belongs.
 */
export type Page = {
  readonly columns: readonly [first: string, ...rest: string[]]
  /** Of every column but the last; 20, as ids have, unless it says otherwise. */
  readonly width?: number
  /** Gives columns `key`, `at` and the fields, without ORDER BY and LIMIT. */
  readonly select: (where: string) => string
  /** What `select` binds, before the condition's own. */
  readonly args?: readonly SqlValue[]
}

function partsOf(text: string, { columns, width = 20 }: Page): readonly string[] {
  const last = columns.length - 1
  return columns.map((_, index) => {
    const start = index * (width + 1)
    return index === last ? text.slice(start) : text.slice(start, start + width)
  })
}

/** `from <= key < to`, so that an index over the columns answers it. */
function between(page: Page, { from, to }: Span): Condition {
  const { columns } = page
  if (columns.length === 1) {
    const [column] = columns
    return { sql: `${column} >= ? AND ${column} < ?`, args: [from, to] }
  }
  const row = `(${columns.join(', ')})`
  const marks = `(${columns.map(() => '?').join(', ')})`
  return {
    sql: `${row} >= ${marks} AND ${row} < ${marks}`,
    args: [...partsOf(from, page), ...partsOf(to, page)],
  }
}

function statementOf(
  page: Page,
  { span, limit, owned }: { readonly span: Span; readonly limit: number; readonly owned: string },
): Statement {
  const range = between(page, span)
  return {
    sql: `${page.select(`${range.sql} AND ${owned}`)} ORDER BY ${page.columns.join(', ')} LIMIT ?`,
    args: [...(page.args ?? []), ...range.args, limit],
  }
}

/** Whether all keys of the span lie in one slot: then only the shards that have it are asked. */
function isOfOneSlot({ from, to }: Span): boolean {
  return from.length >= 3 && to <= slotRange(slotOfKey(from)).to
}

async function rowsIn(
  [reader, page]: readonly [Reader, Page],
  { span, limit }: { readonly span: Span; readonly limit: number },
  call: Call,
): Promise<readonly Entry[]> {
  if (isOfOneSlot(span)) {
    const select = (part: Span) => statementOf(page, { span: part, limit, owned: 'TRUE' })
    const sets = await reader.readRange(span, select, call)
    return sets.flatMap(entriesOf).slice(0, limit)
  }
  const { rows } = await reader.scatter(
    {
      select: (isOwned) => statementOf(page, { span, limit, owned: isOwned(page.columns[0]) }),
      order: [{ column: 'key' }],
      limit,
      // A comparison that leaves out a shard would find everything in it missing.
      unreachable: 'fail',
    },
    call,
  )
  return entriesOf(rows)
}

function fieldOf(value: SqlValue | undefined): FieldValue {
  return value instanceof Uint8Array || value === undefined ? null : value
}

/** Rows with the columns `key`, `at`, and a field each. */
function entriesOf({ columns, rows }: Rows): readonly Entry[] {
  const [keyAt, atAt] = [columns.indexOf('key'), columns.indexOf('at')]
  return rows.map((row) => ({
    key: String(row[keyAt]),
    at: Number(row[atAt]),
    fields: Object.fromEntries(
      columns.flatMap((name, index) =>
        index === keyAt || index === atAt ? [] : [[name, fieldOf(row[index])]],
      ),
    ),
  }))
}

/** A table of a keyspace as a side. One round trip to each shard for every 1,000 rows. */
export function tableSide(
  name: string,
  { reader, page, clock }: { readonly reader: Reader; readonly page: Page; readonly clock: Clock },
): Side {
  return {
    name,
    watermark: async () => clock.now(),
    read: (span, call) =>
      keysetPages(span, (part, limit) => rowsIn([reader, page], { span: part, limit }, call)),
  }
}

/** How many rows are looked up in one round trip to a shard. */
const lookupsMax = 250

/** Where what belongs to an entry of another side lies, and the SELECT for it. */
export type Lookup = { readonly key: string; readonly statement: Statement }

/**
 * What belongs to each entry of `lead`, looked up one by one where it lies: a side for what has another order than its
 * counterpart. What is there and belongs to no entry of `lead` is not found: compare the other way round for that.
 */
export function lookedUpSide(
  name: string,
  options: {
    readonly lead: Side
    readonly reader: Reader
    readonly lookupsOf: (entry: Entry) => readonly Lookup[]
    /** From the rows of each of its lookups; several entries under one key are allowed. */
    readonly entriesOf: (entry: Entry, rows: readonly Rows[]) => readonly Entry[]
  },
): Side {
  const { lead, reader, lookupsOf, entriesOf: made } = options
  const resolve = async (entries: readonly Entry[], call: Call): Promise<readonly Entry[]> => {
    const lookups = entries.map(lookupsOf)
    const answers = await reader.readMany(lookups.flat(), call)
    let next = 0
    return entries.flatMap((entry, index) => {
      const start = next
      next += lookups[index]?.length ?? 0
      return made(entry, answers.slice(start, next))
    })
  }
  return {
    name,
    watermark: (call) => lead.watermark(call),
    read: async function* read(span, call) {
      for await (const entries of lead.read(span, call)) {
        for (let start = 0; start < entries.length; start += lookupsMax)
          yield resolve(entries.slice(start, start + lookupsMax), call)
      }
    },
  }
}
