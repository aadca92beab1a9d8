import type { SqlValue } from '@stoa/kernel'

/**
 * A part of the source that one thread reads by itself: it says where the rows are, is never changed, and is cloned into
 * the thread. The same part of the same source always has the same id.
 */
export type Batch = {
  readonly id: string
  /** Where it lies among the others, from 0. */
  readonly index: number
  readonly rows: number
  /** The number of its first line; in a table, of its first row. */
  readonly line: number
  /** Where in the source it ends, from 0 to 1. */
  readonly part: number
  readonly range: ByteRange | KeyWindow
}

export type ByteRange = {
  readonly kind: 'bytes'
  readonly from: number
  readonly to: number
  /** Why it is no record at all. */
  readonly broken?: string
}

/** Rows with `after < key <= upTo`. */
export type KeyWindow = {
  readonly kind: 'keys'
  readonly after: readonly SqlValue[] | undefined
  readonly upTo: readonly SqlValue[]
}
