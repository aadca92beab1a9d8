import type { SqlValue } from '@stoa/kernel'

import { ImportMappingError } from './faults.ts'

/** Where rows come from. None of them may change while it is being imported. */
export type Source =
  | { readonly kind: 'ndjson'; readonly file: string }
  | {
      readonly kind: 'csv'
      readonly file: string
      /** One ASCII character. Default: a comma. */
      readonly delimiter?: string
      /** The names of the columns of a file without a header. */
      readonly columns?: readonly string[]
    }
  | {
      readonly kind: 'table'
      /** `file:` of a SQLite database, or `libsql:`, `https:`, `http:`. */
      readonly url: string
      readonly token?: string
      readonly table: string
    }

export type Target = {
  /** The `meta` database, which holds the topology. */
  readonly metaUrl: string
  /** One token for every database of the group. */
  readonly token: string
  readonly keyspace: string
  readonly table: string
}

/** How a value is read. Without it the declared type of the target column decides. */
export const valueTypes = [
  'any',
  'text',
  'integer',
  'real',
  'numeric',
  'blob',
  'boolean',
  'time',
] as const
export type ValueType = (typeof valueTypes)[number]

/**
 * A key made of source columns; the same texts give the same key in every import and every table, so that a child finds
 * its parent. `idFrom` gives an id: in the place of `ownerFrom` when that is given, and made at `timeFrom`, or else
 * before 2005. `slotFrom` gives the slot of a text.
 */
export type DerivedRule =
  | {
      readonly idFrom: readonly string[]
      readonly ownerFrom?: readonly string[]
      readonly timeFrom?: string
    }
  | { readonly slotFrom: readonly string[] }

/** What the key column gets: a key that the source has, or one made of its columns. */
export type KeyRule = { readonly column: string } | DerivedRule

/** What a column of the target gets. */
export type ColumnRule =
  | {
      readonly column: string
      readonly type?: ValueType
      /** Stands for a value that is missing or null. */
      readonly default?: SqlValue
    }
  | { readonly value: SqlValue }
  | DerivedRule

export type ImportOptions = {
  readonly source: Source
  readonly target: Target
  /** Default: the source column that is named as the key column. */
  readonly key?: KeyRule
  /** By target column. A column without a rule gets the source column of its name. */
  readonly columns?: Readonly<Record<string, ColumnRule>>
  /** Source columns to leave out; any other that goes nowhere is refused. */
  readonly ignore?: readonly string[]
  /** Worker threads. Default: 2. */
  readonly threads?: number
  /** Rows in a batch. Default: 250 for each shard, from 1,000 to 10,000. */
  readonly batchRows?: number
  /** The most rows a second. Default: as fast as it goes. */
  readonly maxRate?: number
  /** Where the journal of each import lies. Default: `.stoa/import`. */
  readonly stateFolder?: string
  /** Where the refused lines go, as NDJSON. Default: beside the journal. */
  readonly errorFile?: string
  /** Reads and maps everything and writes nothing. */
  readonly dryRun?: boolean
  /** `false` begins anew, whatever an earlier run did. */
  readonly resume?: boolean
  /** Compares the shards with the source afterwards. */
  readonly verify?: boolean
  /** Stops after the batches that are being written. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ImportProgress) => void
}

export type ImportProgress = {
  readonly phase: 'import' | 'verify'
  /** From 0 to 1. */
  readonly part: number
  readonly rows: number
  readonly inserted: number
  readonly existing: number
  readonly rejected: number
}

/** A line that did not become a row: its number in the file (of a table: the row's, in key order). */
export type BadLine = { readonly line: number; readonly reason: string; readonly text: string }

export type ImportReport = {
  /** Names this import of this source into this table by these rules, in the journal and in the shards. */
  readonly job: string
  /** False when it was stopped by its signal: the same import again goes on. */
  readonly finished: boolean
  /** Rows of earlier runs, which this run did not send. */
  readonly resumed: number
  /** All rows read, of earlier runs too; each is inserted, existing or rejected (in a dry run, mapped or rejected). */
  readonly rows: number
  readonly inserted: number
  /** Rows that were there with the same content. */
  readonly existing: number
  readonly rejected: number
  readonly firstErrors: readonly BadLine[]
  /** Absent when no line was rejected, and in a dry run. */
  readonly errorFile?: string
  /** Rows by shard. */
  readonly shards: Readonly<Record<string, number>>
  /** What the provider bills: a write for each row and each of its index entries. An estimate. */
  readonly billedWrites: number
  readonly verification?: Verification
}

/** The shards beside the source, by counts and content digests of each slot, and by row where these differ. */
export type Verification = {
  readonly ok: boolean
  /** Distinct rows of the source that were taken. */
  readonly rows: number
  readonly slots: number
  readonly missing: number
  readonly different: number
  /** Rows of the table that the source has not: there before, or written since. */
  readonly extra: number
  /** Some keys that are missing or different. */
  readonly examples: readonly string[]
}

export type Limits = {
  readonly threads: number
  readonly batchRows: number
  readonly maxRate: number | undefined
}

/** More threads than this would only wait for each other's databases. */
const threadsMax = 64
/** A batch is held in memory, once in each thread. */
const batchRowsMax = 100_000

function whole(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new ImportMappingError(
    `Cannot import with ${name} ${value}: it must be a whole number from 1 to ${max}`,
  )
}

/** The numbers of `options`, checked. @throws ImportMappingError */
export function limitsOf(options: ImportOptions, shards: number): Limits {
  const { threads = 2, maxRate } = options
  const batchRows = options.batchRows ?? Math.min(10_000, Math.max(1_000, 250 * shards))
  return {
    threads: whole('threads', threads, threadsMax),
    batchRows: whole('batchRows', batchRows, batchRowsMax),
    maxRate: maxRate === undefined ? undefined : whole('maxRate', maxRate, 1_000_000_000),
  }
}
