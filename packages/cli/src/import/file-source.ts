import { type FileHandle, open, stat } from 'node:fs/promises'

import { parse } from 'csv-parse/sync'

import type { Batch, ByteRange } from './batch.ts'
import { ImportSourceError } from './faults.ts'
import type { Source } from './options.ts'
import { recordBytesMax, type Span, splitRecords, type SplitOptions } from './split-records.ts'

export type FileSource = Exclude<Source, { kind: 'table' }>

/** Read at a time, and the most a batch holds: more than a record may have. */
const chunkBytes = 4 * recordBytesMax
/** How much of a refused line is kept. */
const shownBytes = 4096
const byteOrderMark = [0xef, 0xbb, 0xbf]

/** A record of a file as it was written. */
export type RawRecord = Span & { readonly text: string }

function delimiterOf(source: FileSource): number | undefined {
  return source.kind === 'csv' ? (source.delimiter ?? ',').charCodeAt(0) : undefined
}

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r')
  } catch (error) {
    throw new ImportSourceError(`Cannot read "${file}": ${String(error)}`, { cause: error })
  }
}

async function bytesOf(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, from + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Cells as a CSV record has them: an empty one is null, one that is quoted and empty is an empty text. */
export type Cells = readonly (string | null)[]

function nullWhenBare(value: string, { quoting }: { readonly quoting: boolean }): string | null {
  return value === '' && !quoting ? null : value
}

/** Reads whole CSV records. @throws CsvError of csv-parse */
export function parseCsv(text: string, delimiter: string): readonly Cells[] {
  const options = {
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
  }
  // Asking of each cell whether it was quoted costs as much as the reading; most files have nothing to ask.
  if (!text.includes(`""${delimiter}`) && !/""\r?$/m.test(text)) {
    return parse(text, options).map((cells) => cells.map((cell) => (cell === '' ? null : cell)))
  }
  return parse(text, { ...options, cast: nullWhenBare })
}

type Head = {
  /** The columns of a CSV file; the records of an NDJSON file have each their own. */
  readonly fields: readonly string[] | undefined
  /** Where the first record begins. */
  readonly from: number
  readonly line: number
  readonly size: number
  /** Changes when the file does. */
  readonly identity: readonly (string | number)[]
}

function headerOf(
  source: Extract<FileSource, { kind: 'csv' }>,
  start: Uint8Array,
): Pick<Head, 'fields' | 'line'> & { readonly bytes: number } {
  const { columns, delimiter = ',', file } = source
  if (!/^[\t\x20-\x7e]$/.test(delimiter) || delimiter === '"')
    throw new ImportSourceError(`Cannot read "${file}": its delimiter must be one ASCII character`)
  if (columns !== undefined) return { fields: checked(columns, file), line: 1, bytes: 0 }
  const options = { line: 1, isLast: true, delimiter: delimiter.charCodeAt(0) }
  const [first, next] = splitRecords(start, options).spans
  if (first === undefined || first.broken !== undefined)
    throw new ImportSourceError(`Cannot read "${file}": it has no header`)
  const text = Buffer.from(start.subarray(first.from, first.to)).toString()
  const [cells = []] = parseCsv(text, delimiter)
  const fields = checked(
    cells.map((cell) => cell ?? ''),
    file,
  )
  // A file of a header alone has no next record; its line is then never asked for.
  return { fields, line: next?.line ?? 2, bytes: next?.from ?? start.length }
}

function checked(names: readonly string[], file: string): readonly string[] {
  const twice = names.find((name, index) => name === '' || names.indexOf(name) !== index)
  if (twice === undefined && names.length > 0) return names
  throw new ImportSourceError(
    `Cannot read "${file}": column "${twice ?? ''}" of its header is empty or there twice`,
  )
}

/** What a file is, before any record is read. @throws ImportSourceError */
export async function openFile(source: FileSource): Promise<Head> {
  const file = await opened(source.file)
  try {
    const { size, mtimeMs } = await stat(source.file)
    const start = await bytesOf(file, 0, Math.min(size, chunkBytes))
    const mark = byteOrderMark.every((byte, index) => start[index] === byte) ? 3 : 0
    const isWide =
      (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff)
    if (isWide) throw new ImportSourceError(`Cannot read "${source.file}": it is not UTF-8`)
    const identity = [source.file, size, mtimeMs]
    if (source.kind === 'ndjson') return { fields: undefined, from: mark, line: 1, size, identity }
    const { fields, line, bytes } = headerOf(source, start.subarray(mark))
    return {
      fields,
      from: mark + bytes,
      line,
      size,
      identity: [...identity, source.delimiter ?? ','],
    }
  } catch (error) {
    if (error instanceof ImportSourceError) throw error
    throw new ImportSourceError(`Cannot read "${source.file}": ${String(error)}`, { cause: error })
  } finally {
    await file.close()
  }
}

/** Where the line that begins at `from` ends, when it is too long to be held. */
async function skipLine(file: FileHandle, from: number, size: number): Promise<number> {
  for (let at = from; at < size; at += chunkBytes) {
    const found = (await bytesOf(file, at, Math.min(chunkBytes, size - at))).indexOf(0x0a)
    if (found >= 0) return at + found + 1
  }
  return size
}

/** Neighbouring records in groups of `size`, each up to where the next begins. */
function groupsOf(spans: readonly Span[], consumed: number, size: number) {
  return spans.flatMap(({ from, line }, at) => {
    if (at % size !== 0) return []
    const to = spans[at + size]?.from ?? consumed
    return [{ from, to, line, rows: Math.min(size, spans.length - at) }]
  })
}

/** The batches of a file from its start: byte ranges that hold whole records, at most `batchRows` each. */
export async function* fileBatches(
  source: FileSource,
  head: Pick<Head, 'from' | 'line' | 'size'>,
  batchRows: number,
): AsyncGenerator<Batch, void> {
  const file = await opened(source.file)
  const delimiter = delimiterOf(source)
  let { from, line } = head
  let index = 0
  const batchOf = (range: Omit<ByteRange, 'kind'>, first: number, rows: number): Batch => ({
    id: `${range.from}-${range.to}`,
    index: index++,
    rows,
    line: first,
    part: range.to / head.size,
    range: { kind: 'bytes', ...range },
  })
  try {
    while (from < head.size) {
      const bytes = await bytesOf(file, from, Math.min(chunkBytes, head.size - from))
      const isLast = from + bytes.length >= head.size
      const options: SplitOptions = {
        line,
        isLast,
        ...(delimiter === undefined ? {} : { delimiter }),
      }
      const { spans, consumed, line: next } = splitRecords(bytes, options)
      if (consumed === 0) {
        const to = await skipLine(file, from, head.size)
        yield batchOf({ from, to, broken: 'it is longer than 1 MiB' }, line, 1)
        from = to
        line += 1
        continue
      }
      for (const each of groupsOf(spans, consumed, batchRows))
        yield batchOf({ from: from + each.from, to: from + each.to }, each.line, each.rows)
      from += consumed
      line = next
    }
  } finally {
    await file.close()
  }
}

/** The records of one batch. One read of the file. */
export async function readRange(source: FileSource, batch: Batch): Promise<readonly RawRecord[]> {
  const { range } = batch
  if (range.kind !== 'bytes') throw new TypeError('Cannot read a key window of a file')
  const file = await opened(source.file)
  try {
    const length = range.to - range.from
    const isLong = range.broken !== undefined
    const bytes = await bytesOf(file, range.from, isLong ? Math.min(length, shownBytes) : length)
    const textOf = (from: number, to: number) => bytes.subarray(from, to).toString('utf8')
    if (range.broken !== undefined) {
      const text = textOf(0, bytes.length)
      return [{ from: 0, to: bytes.length, line: batch.line, text, broken: range.broken }]
    }
    if (bytes.length < length)
      throw new ImportSourceError(`Cannot read "${source.file}": it became shorter`)
    const delimiter = delimiterOf(source)
    const options: SplitOptions = {
      line: batch.line,
      isLast: true,
      ...(delimiter === undefined ? {} : { delimiter }),
    }
    return splitRecords(bytes, options).spans.map((span) => {
      const text = textOf(span.from, span.to)
      const isUtf8 =
        !text.includes('\ufffd') || Buffer.from(text).equals(bytes.subarray(span.from, span.to))
      return { ...span, text, ...(isUtf8 ? {} : { broken: 'it is not UTF-8' }) }
    })
  } finally {
    await file.close()
  }
}

/** As much of a line as the error file shows. */
export function shownText(text: string): string {
  return text.length > shownBytes ? `${text.slice(0, shownBytes)}…` : text
}
