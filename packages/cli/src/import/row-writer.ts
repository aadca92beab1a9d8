import { hash } from 'node:crypto'

import {
  type Call,
  type Rows,
  ShardFencedError,
  SqlConstraintError,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import { inWaves, type Router, SplitWriteError } from '@stoa/sharding'

import { canonical } from './digest.ts'
import type { MappedRow, Mapping } from './mapping.ts'
import { backOff, patiently } from './patience.ts'
import { quoted } from './table-source.ts'
import type { TargetTable } from './target.ts'

/** SQLite binds 32,766 values to a statement. */
const bindingsMax = 30_000
/** Enough that the round trip is small beside the rows, and few enough that nobody waits long for the write lock. */
const rowsMax = 500
/** A batch beyond this risks the 5 s after which a waiting writer takes the lock away. */
const pieceCharsMax = 1_000_000
/** A slot is frozen for less than a second; its map is known everywhere soon after. */
const fencedTriesMax = 12

/** The guard and the record stand before the rows. */
const statementsBefore = 2

export type Refusal = { readonly line: number; readonly reason: string }

export type Written = {
  readonly inserted: number
  /** Rows that were there before with the same content. */
  readonly existing: number
  readonly rejected: readonly Refusal[]
  readonly shards: Readonly<Record<string, number>>
}

export type RowWriterOptions = {
  readonly router: Router
  readonly job: string
  readonly table: TargetTable
  readonly mapping: Mapping
}

/** What a part's record says: the lines whose rows were there before, and those that the schema refused. */
type PartRecord = { readonly present: readonly number[]; readonly rejected: readonly Refusal[] }

type Piece = { readonly batch: string; readonly rows: readonly MappedRow[] }

function isRecorded(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint.startsWith('_import.')
}

/** Writes the rows of batches: each part that goes to one shard as one transaction with its record, exactly once. */
export class RowWriter {
  readonly #options: RowWriterOptions
  readonly #keyAt: readonly number[]
  readonly #rowsMax: number

  constructor(options: RowWriterOptions) {
    this.#options = options
    const { table, mapping } = options
    const names = mapping.columns.map(({ name }) => name)
    this.#keyAt = table.primaryKey.map((name) => names.indexOf(name))
    const widest = Math.max(names.length, table.primaryKey.length + 1)
    this.#rowsMax = Math.max(1, Math.min(rowsMax, Math.floor(bindingsMax / widest)))
  }

  /**
   * Writes the rows of one batch. Doing it again, after whatever became of the first time, changes nothing.
   *
   * One round trip for each 500 rows of a shard, five at a time; one more where rows were there before, and one for
   * each row that the schema refuses.
   *
   * @throws ShardUnavailableError and the like, when a shard stays away; what was written stays.
   */
  async write(batch: string, rows: readonly MappedRow[], call: Call): Promise<Written> {
    const { distinct, repeated } = this.#distinct(rows)
    const found = await this.#route({ batch, rows: distinct }, call)
    const same = repeated.filter(({ isSame }) => isSame).length
    const others = repeated.filter(({ isSame }) => !isSame)
    const clashes = others.map(({ line, first }) => ({
      line,
      reason: `conflict: line ${first} has the same key and other content`,
    }))
    return {
      ...found,
      existing: found.existing + same,
      rejected: [...found.rejected, ...clashes].toSorted((one, other) => one.line - other.line),
    }
  }

  #primaryKey({ values }: MappedRow): readonly SqlValue[] {
    return this.#keyAt.map((at) => values[at] ?? null)
  }

  /** Rows with a key of their own; the others would vanish in ON CONFLICT DO NOTHING. */
  #distinct(rows: readonly MappedRow[]) {
    const byKey = new Map<string, MappedRow>()
    const repeated: { line: number; first: number; isSame: boolean }[] = []
    for (const row of rows) {
      const key = canonical(this.#primaryKey(row))
      const first = byKey.get(key)
      if (first === undefined) byKey.set(key, row)
      else {
        const isSame = canonical(first.values) === canonical(row.values)
        repeated.push({ line: row.line, first: first.line, isSame })
      }
    }
    return { distinct: [...byKey.values()], repeated }
  }

  /** Sends rows to the shards that have them now; one whose slot moved meanwhile is routed again. */
  async #route({ batch, rows }: Piece, call: Call, tries = 0): Promise<Written> {
    const { router } = this.#options
    const groups = await patiently(() => router.groups(rows, (row) => row.key, call), call)
    const pieces = groups.flatMap((group) => this.#pieces(group))
    const results: Written[] = []
    await inWaves(pieces, async (piece) => {
      try {
        results.push(await this.#writePiece({ batch, rows: piece }, call))
      } catch (error) {
        const moved = error instanceof SplitWriteError || error instanceof ShardFencedError
        if (!moved || tries === fencedTriesMax) throw error
        await backOff(Math.min(tries, 4), call)
        results.push(await this.#route({ batch, rows: piece }, call, tries + 1))
      }
    })
    return {
      inserted: results.reduce((sum, { inserted }) => sum + inserted, 0),
      existing: results.reduce((sum, { existing }) => sum + existing, 0),
      rejected: results.flatMap(({ rejected }) => rejected),
      shards: sumOf(results.map(({ shards }) => shards)),
    }
  }

  #pieces(rows: readonly MappedRow[]): readonly (readonly MappedRow[])[] {
    const pieces: MappedRow[][] = []
    let room = 0
    for (const row of rows) {
      const chars = row.values.reduce<number>((sum, value) => sum + sizeOf(value), 0)
      const piece = pieces.at(-1)
      if (piece === undefined || piece.length === this.#rowsMax || chars > room) {
        pieces.push([row])
        room = pieceCharsMax
      } else piece.push(row)
      room -= chars
    }
    return pieces
  }

  async #writePiece(piece: Piece, call: Call): Promise<Written> {
    const { router } = this.#options
    const record = await this.#commit(piece, call)
    const refused = new Set(record.rejected.map(({ line }) => line))
    const present = new Set(record.present)
    const before = piece.rows.filter(({ line }) => present.has(line) && !refused.has(line))
    const clashes = before.length === 0 ? [] : await this.#clashes(before, call)
    const [first] = piece.rows
    const shard = first === undefined ? '' : await router.shardOf(first.key, call)
    return {
      inserted: piece.rows.length - refused.size - before.length,
      existing: before.length - clashes.length,
      rejected: [...record.rejected, ...clashes],
      shards: { [shard]: piece.rows.length - refused.size - clashes.length },
    }
  }

  /**
   * Commits the piece with its record. The record is written first: when it is there already, an earlier try has
   * committed, and nothing is written again. A row that the schema refuses is named in the record and left out.
   */
  async #commit(piece: Piece, call: Call): Promise<PartRecord> {
    const { router } = this.#options
    const part = partOf(piece)
    const keys = piece.rows.map(({ key }) => key)
    const rejected: Refusal[] = []
    let { rows } = piece
    // A statement for each row says which of them a constraint refused.
    let isEach = false
    for (;;) {
      const parts = isEach ? rows.map((row) => [row]) : [rows]
      const record = this.#record(part, rows, rejected)
      const work = [record, ...parts.map((each) => this.#insert(each))]
      try {
        const results = await patiently(() => router.writeAll(keys, work, call), call)
        return { present: presentIn(results[0]), rejected }
      } catch (error) {
        if (isRecorded(error)) return await this.#recordOf(part, keys[0] ?? '', call)
        if (!(error instanceof SqlConstraintError)) throw error
        const refused = rows[(error.statement ?? 0) - statementsBefore]
        if (isEach && refused === undefined) throw error
        if (isEach && refused !== undefined) {
          rejected.push({ line: refused.line, reason: `${error.type}: ${error.constraint}` })
          rows = rows.filter((row) => row !== refused)
        }
        isEach = true
      }
    }
  }

  #record(part: string, rows: readonly MappedRow[], rejected: readonly Refusal[]): Statement {
    const { job, table } = this.#options
    const { name, primaryKey } = table
    const marks = `(${['?', ...primaryKey.map(() => '?')].join(', ')})`
    const same = primaryKey.map((column, at) => `t.${quoted(column)} = v.column${at + 2}`)
    const present = `SELECT json_group_array(v.column1) FROM (VALUES ${rows.map(() => marks).join(', ')}) AS v
WHERE EXISTS (SELECT 1 FROM ${quoted(name)} AS t WHERE ${same.join(' AND ')})`
    return {
      sql: `INSERT INTO _import (job, part, rejected, present) VALUES (?, ?, ?, ${
        rows.length === 0 ? "'[]'" : `(${present})`
      }) RETURNING present`,
      args: [
        job,
        part,
        JSON.stringify(rejected),
        ...rows.flatMap((row) => [row.line, ...this.#primaryKey(row)]),
      ],
    }
  }

  #insert(rows: readonly MappedRow[]): Statement {
    const { table, mapping } = this.#options
    const names = mapping.columns.map(({ name }) => quoted(name)).join(', ')
    const marks = `(${mapping.columns.map(() => '?').join(', ')})`
    const target = table.primaryKey.map(quoted).join(', ')
    return {
      sql: `INSERT INTO ${quoted(table.name)} (${names}) VALUES ${rows.map(() => marks).join(', ')}
ON CONFLICT (${target}) DO NOTHING`,
      args: rows.flatMap(({ values }) => values),
    }
  }

  async #recordOf(part: string, key: string, call: Call): Promise<PartRecord> {
    const { router, job } = this.#options
    const query = {
      sql: 'SELECT present, rejected FROM _import WHERE job = ? AND part = ?',
      args: [job, part],
    }
    const found = await patiently(() => router.read(key, query, call), call)
    const [row] = found.rows
    // It moved away between the two: its rows came along, and are found where they are now.
    if (row === undefined) throw new SplitWriteError(key, key)
    return {
      present: JSON.parse(String(row[0])) as number[],
      rejected: JSON.parse(String(row[1])) as Refusal[],
    }
  }

  /** Of rows that were there before, those with other content. One that is gone since is no clash. */
  async #clashes(rows: readonly MappedRow[], call: Call): Promise<readonly Refusal[]> {
    const { router, table, mapping } = this.#options
    const names = mapping.columns.map(({ name }) => quoted(name)).join(', ')
    const same = table.primaryKey.map((column) => `${quoted(column)} = ?`).join(' AND ')
    const sql = `SELECT ${names} FROM ${quoted(table.name)} WHERE ${same}`
    const queries = rows.map((row) => ({
      key: row.key,
      statement: { sql, args: this.#primaryKey(row) },
    }))
    const found = await patiently(() => router.readMany(queries, call), call)
    return rows.flatMap(({ line, values }, at) => {
      const there = found[at]?.rows[0]
      if (there === undefined || canonical(there) === canonical(values)) return []
      return [{ line, reason: 'conflict: a row with this key and other content is there' }]
    })
  }
}

/** The same rows of the same batch have one record, wherever they go; other rows have another. */
function partOf({ batch, rows }: Piece): string {
  const lines = hash('sha256', rows.map(({ line }) => line).join(), 'base64url')
  return `${batch}/${lines.slice(0, 16)}`
}

function presentIn(rows: Rows | undefined): readonly number[] {
  return JSON.parse(String(rows?.rows[0]?.[0] ?? '[]')) as number[]
}

function sizeOf(value: SqlValue): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 8
}

/** Counts by name, added up. */
export function sumOf(
  counts: readonly Readonly<{ [name: string]: number }>[],
): Readonly<{ [name: string]: number }> {
  const sums: { [name: string]: number } = {}
  for (const [name, count] of counts.flatMap((each) => Object.entries(each)))
    sums[name] = (sums[name] ?? 0) + count
  return sums
}
