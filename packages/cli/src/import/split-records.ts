/** A record in a buffer: its bytes without the line end, and the number of its first line. */
export type Span = {
  readonly from: number
  readonly to: number
  readonly line: number
  /** Why its first line, which is all the span holds, is no record. */
  readonly broken?: string
}

export type Split = {
  readonly spans: readonly Span[]
  /** Where the bytes of the last span, line end and all, are over. */
  readonly consumed: number
  /** The number of the line that begins there. */
  readonly line: number
}

export type SplitOptions = {
  /** The number of the first line. */
  readonly line: number
  /** Whether nothing follows these bytes. */
  readonly isLast: boolean
  /** The byte between the fields of a CSV file; without it every line is a record. */
  readonly delimiter?: number
}

/** A longer record is taken for one whose quote was never closed. */
export const recordBytesMax = 2 ** 20

const lineFeed = 0x0a
const carriageReturn = 0x0d
const quote = 0x22

/** `next` is where the bytes after the record begin. */
type End = { readonly next: number } | { readonly broken: string } | 'incomplete'

/** The byte after the closing quote of a field whose opening quote is at `at`. */
function endOfQuoted(bytes: Uint8Array, at: number, limit: number): number {
  let close = bytes.indexOf(quote, at + 1)
  while (close >= 0 && close < limit && bytes[close + 1] === quote)
    close = bytes.indexOf(quote, close + 2)
  return close < 0 || close >= limit ? -1 : close + 1
}

function endOfLine(bytes: Uint8Array, from: number, isLast: boolean): End {
  const end = bytes.indexOf(lineFeed, from)
  if (end >= 0) return { next: end + 1 }
  return isLast ? { next: bytes.length } : 'incomplete'
}

/** Where the CSV record that begins at `from` ends: RFC 4180, where a quote counts only around a whole field. */
function endOfCsv(bytes: Uint8Array, from: number, { isLast, delimiter }: SplitOptions): End {
  const limit = Math.min(bytes.length, from + recordBytesMax)
  let at = from
  while (at < bytes.length) {
    if (bytes[at] === quote) {
      at = endOfQuoted(bytes, at, limit)
      if (at < 0) {
        const isWhole = isLast || limit < bytes.length
        return isWhole ? { broken: 'a quote is not closed' } : 'incomplete'
      }
      if (at === bytes.length) break
      const isLineEnd = bytes[at] === carriageReturn && bytes[at + 1] === lineFeed
      if (bytes[at] === carriageReturn && at + 1 === bytes.length) break
      if (bytes[at] !== delimiter && bytes[at] !== lineFeed && !isLineEnd)
        return { broken: 'text follows a closing quote' }
    } else {
      while (at < bytes.length && bytes[at] !== delimiter && bytes[at] !== lineFeed) at += 1
    }
    if (bytes[at] === carriageReturn) at += 1
    if (bytes[at] === lineFeed) return { next: at + 1 }
    at += 1
  }
  return isLast ? { next: bytes.length } : 'incomplete'
}

function countLines(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let at = bytes.indexOf(lineFeed, from); at >= 0 && at < to;) {
    count += 1
    at = bytes.indexOf(lineFeed, at + 1)
  }
  return count
}

/** The end of a record without its line feed, and the carriage return before that. */
function trimmed(bytes: Uint8Array, from: number, next: number): number {
  const end = next > from && bytes[next - 1] === lineFeed ? next - 1 : next
  return end > from && bytes[end - 1] === carriageReturn ? end - 1 : end
}

/**
 * Cuts bytes that begin with a record into records, without decoding them. Empty lines are none. The cut depends on the
 * bytes alone, so that who plans the ranges and who reads them see the same records. A record that cannot end (a quote
 * that is never closed, or text behind one that is) costs its first line, and the next line begins another.
 *
 * O(bytes); a broken record up to 1 MiB more.
 */
export function splitRecords(bytes: Uint8Array, options: SplitOptions): Split {
  const spans: Span[] = []
  let { line } = options
  let at = 0
  while (at < bytes.length) {
    let end =
      options.delimiter === undefined
        ? endOfLine(bytes, at, options.isLast)
        : endOfCsv(bytes, at, options)
    if (end === 'incomplete') break
    let broken: string | undefined
    if ('broken' in end) {
      broken = end.broken
      end = endOfLine(bytes, at, options.isLast)
      if (end === 'incomplete' || 'broken' in end) break
    }
    const to = trimmed(bytes, at, end.next)
    if (to - at > recordBytesMax) broken = 'it is longer than 1 MiB'
    if (to > at) spans.push({ from: at, to, line, ...(broken === undefined ? {} : { broken }) })
    line += countLines(bytes, at, end.next)
    at = end.next
  }
  return { spans, consumed: at, line }
}
