import type { Call } from '@stoa/kernel'

/** What a field holds. Amounts are whole minor units; a bigint equals the number of the same worth. */
export type FieldValue = string | number | bigint | null

export type Fields = Readonly<Record<string, FieldValue>>

/** What one side says about one thing. */
export type Entry = {
  /** What all sides call the thing. */
  readonly key: string
  /** When this side changed it last, in milliseconds since 1970. It grows with every change. */
  readonly at: number
  readonly fields: Fields
}

/** The keys `from <= key < to`. */
export type Span = { readonly from: string; readonly to: string }

/** All keys that begin with a printable ASCII character. */
export const everything: Span = { from: '', to: '\u{10ffff}' }

/** The span that holds nothing but `key`. */
export function spanOf(key: string): Span {
  return { from: key, to: `${key}\0` }
}

/**
 * One of the records that are compared: a table, a file, a hot view.
 *
 * What a side deletes must stay as an entry that says so for as long as a change may be under way, or it looks lost.
 */
export type Side = {
  readonly name: string
  /** Everything that happened up to this time is in it: now for a database, the close of the last file for a statement. */
  watermark(call: Call): Promise<number>
  /** Entries of `span` in pages of at most some thousands; keys ascend as SQLite orders text. A key may come several times. */
  read(span: Span, call: Call): AsyncIterable<readonly Entry[]>
}

/** How many entries a page of {@link keysetPages} has. */
const pageMax = 1_000

/**
 * Reads `span` by keyset: `page` gives at most `limit` entries of a span, ascending. One call for each 1,000 entries.
 *
 * A page that is full is cut before its last key, whose entries may go on, and the next begins there.
 *
 * @throws RangeError when one key has a whole page of entries: `page` must aggregate them.
 */
export async function* keysetPages(
  span: Span,
  page: (span: Span, limit: number) => Promise<readonly Entry[]>,
): AsyncGenerator<readonly Entry[]> {
  let { from } = span
  for (;;) {
    const entries = await page({ from, to: span.to }, pageMax)
    const last = entries.at(-1)
    if (last === undefined) return
    if (entries.length < pageMax) {
      yield entries
      return
    }
    const whole = entries.filter(({ key }) => key !== last.key)
    if (whole.length === 0)
      throw new RangeError(`Cannot read past key "${last.key}": it has ${pageMax} entries or more`)
    yield whole
    from = last.key
  }
}
