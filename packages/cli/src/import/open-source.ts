import type { Call, SqlShard } from '@stoa/kernel'

import type { Batch } from './batch.ts'
import {
  fileBatches,
  type FileSource,
  openFile,
  parseCsv,
  type RawRecord,
  readRange,
} from './file-source.ts'
import type { SourceRecord } from './mapping.ts'
import type { Source } from './options.ts'
import {
  describeTable,
  openDatabase,
  readWindow,
  tableBatches,
  type TableForm,
} from './table-source.ts'

/** What a thread must know to read a part of the source by itself. Plain data. */
export type SourceForm =
  | {
      readonly kind: 'file'
      readonly source: FileSource
      readonly fields: readonly string[] | undefined
    }
  | {
      readonly kind: 'table'
      readonly source: Extract<Source, { kind: 'table' }>
      readonly form: TableForm
    }

/** A source that is there and can be read. */
export type Opened = {
  readonly form: SourceForm
  /** The columns; `undefined` when each record has its own. */
  readonly fields: readonly string[] | undefined
  /** Tells this source from another, and a file from what it was. */
  readonly identity: readonly (string | number)[]
  /** Its parts, in order; always the same ones. */
  batches(batchRows: number, call: Call): AsyncGenerator<Batch, void>
  close(this: void): void
}

/** Looks at the source. @throws ImportSourceError, ShardUnavailableError */
export async function openSource(source: Source, call: Call): Promise<Opened> {
  if (source.kind !== 'table') {
    const head = await openFile(source)
    return {
      form: { kind: 'file', source, fields: head.fields },
      fields: head.fields,
      identity: head.identity,
      batches: (batchRows) => fileBatches(source, head, batchRows),
      close: () => undefined,
    }
  }
  const { shard, close } = openDatabase(source)
  try {
    const { table, url } = source
    const form = await describeTable(shard, table, call)
    return {
      form: { kind: 'table', source, form },
      fields: form.fields,
      identity: [url, table],
      batches: (batchRows, each) => tableBatches({ shard, table, form }, batchRows, each),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/** A record or why it is none; `text` is the line as it was written. */
export type ReadRecord = { readonly text: string } & (
  | { readonly record: SourceRecord }
  | { readonly line: number; readonly reason: string }
)

/** A whole number that a double cannot hold would be changed by being read. */
const longNumber = /\d{16}/

function keepLong(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const written = context?.source ?? ''
  return typeof value === 'number' && /^-?\d{16,}$/.test(written) ? BigInt(written) : value
}

/** JSON with its long whole numbers as bigint. @throws SyntaxError */
function parseJson(text: string): unknown {
  return JSON.parse(text, longNumber.test(text) ? keepLong : undefined)
}

function readJson({ line, text, broken }: RawRecord): ReadRecord {
  if (broken !== undefined) return { text, line, reason: broken }
  try {
    const values = parseJson(text)
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      return { text, line, reason: 'it is no JSON object' }
    return { text, record: { line, values: values as Record<string, unknown> } }
  } catch (error) {
    return { text, line, reason: error instanceof Error ? error.message : String(error) }
  }
}

function readCells(
  { line, text }: RawRecord,
  cells: readonly (string | null)[],
  fields: readonly string[],
): ReadRecord {
  if (cells.length !== fields.length) {
    return { text, line, reason: `it has ${cells.length} columns, not ${fields.length}` }
  }
  const values = Object.fromEntries(fields.map((name, at) => [name, cells[at] ?? null]))
  return { text, record: { line, values } }
}

/** Reads CSV records one by one: a batch with a bad one among them. */
function readEach(
  records: readonly RawRecord[],
  delimiter: string,
  fields: readonly string[],
): readonly ReadRecord[] {
  return records.map((raw) => {
    const { line, text, broken } = raw
    if (broken !== undefined) return { text, line, reason: broken }
    try {
      const [cells, ...others] = parseCsv(text, delimiter)
      if (cells !== undefined && others.length === 0) return readCells(raw, cells, fields)
      return { text, line, reason: 'it is no CSV record' }
    } catch (error) {
      return { text, line, reason: error instanceof Error ? error.message : String(error) }
    }
  })
}

function readCsv(
  records: readonly RawRecord[],
  delimiter: string,
  fields: readonly string[],
): readonly ReadRecord[] {
  if (records.every(({ broken }) => broken === undefined)) {
    try {
      const all = parseCsv(records.map(({ text }) => text).join('\n'), delimiter)
      if (all.length === records.length)
        return records.map((raw, at) => readCells(raw, all[at] ?? [], fields))
    } catch {
      // One of them is bad: reading each by itself tells which.
    }
  }
  return readEach(records, delimiter, fields)
}

function shownRow({ values }: SourceRecord): string {
  return JSON.stringify(values, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value)
    return value instanceof Uint8Array ? `x'${Buffer.from(value).toString('hex')}'` : value
  })
}

/** Reads parts of a source, in the thread that has been given them. */
export type BatchReader = {
  read(batch: Batch, call: Call): Promise<readonly ReadRecord[]>
  close(): void
}

/** A reader for one thread, which opens the source for itself. */
export function openReader(form: SourceForm): BatchReader {
  if (form.kind === 'file') {
    const { source, fields = [] } = form
    const decode = (records: readonly RawRecord[]) =>
      source.kind === 'csv'
        ? readCsv(records, source.delimiter ?? ',', fields)
        : records.map(readJson)
    return {
      read: async (batch) => decode(await readRange(source, batch)),
      close: () => undefined,
    }
  }
  const { table } = form.source
  let opened: { readonly shard: SqlShard; readonly close: () => void } | undefined
  return {
    read: async (batch, call) => {
      opened ??= openDatabase(form.source)
      const records = await readWindow({ shard: opened.shard, table, form: form.form }, batch, call)
      return records.map((record) => ({ record, text: shownRow(record) }))
    },
    close: () => opened?.close(),
  }
}
