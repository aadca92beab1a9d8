import { readFile } from 'node:fs/promises'

import { z } from 'zod'

import { importRows } from '../import/import-rows.ts'
import {
  type ImportOptions,
  type ImportProgress,
  type ImportReport,
  type KeyRule,
  type Source,
  valueTypes,
} from '../import/options.ts'
import { BadCommandError } from './faults.ts'
import { exitCodes, type Output } from './output.ts'
import { type Progress, progressOf } from './progress.ts'
import type { Stopper } from './stopper.ts'
import type { System } from './system.ts'

/** The words of the command, as they were written. */
export type ImportWords = {
  readonly ndjson?: string
  readonly csv?: string
  readonly delimiter?: string
  readonly header?: string
  readonly db?: string
  readonly dbTable?: string
  readonly dbToken?: string
  readonly mapping?: string
  readonly key?: string
  readonly idFrom?: string
  readonly ownerFrom?: string
  readonly slotFrom?: string
  readonly ignore?: string
  readonly threads?: number
  readonly batchRows?: number
  readonly maxRate?: number
  readonly state?: string
  readonly errors?: string
  readonly dryRun?: boolean
  readonly resume: boolean
  readonly verify?: boolean
}

export type ImportCommand = {
  readonly system: System
  readonly output: Output
  readonly stopper: Stopper
  readonly keyspace: string
  readonly table: string
  readonly words: ImportWords
}

const value = z.union([z.string(), z.number(), z.null()])
const derived = z.union([
  z.strictObject({
    idFrom: z.array(z.string()),
    ownerFrom: z.array(z.string()).exactOptional(),
    timeFrom: z.string().exactOptional(),
  }),
  z.strictObject({ slotFrom: z.array(z.string()) }),
])
const mappingFile = z.strictObject({
  key: z.union([z.strictObject({ column: z.string() }), derived]).exactOptional(),
  columns: z
    .record(
      z.string(),
      z.union([
        z.strictObject({
          column: z.string(),
          type: z.enum(valueTypes).exactOptional(),
          default: value.exactOptional(),
        }),
        z.strictObject({ value }),
        derived,
      ]),
    )
    .exactOptional(),
  ignore: z.array(z.string()).exactOptional(),
})

type Rules = Pick<ImportOptions, 'key' | 'columns' | 'ignore'>

async function readMapping(file: string): Promise<Rules> {
  try {
    return mappingFile.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)
    throw new BadCommandError(`Cannot read the rules in "${file}": ${why}`, { cause })
  }
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((each) => each.trim())
}

function sourceOf({ ndjson, csv, db, dbTable, dbToken, delimiter, header }: ImportWords): Source {
  const given = [ndjson, csv, db].filter((each) => each !== undefined)
  if (given.length !== 1)
    throw new BadCommandError('Cannot import without one of --ndjson, --csv and --db')
  if (ndjson !== undefined) return { kind: 'ndjson', file: ndjson }
  if (csv !== undefined)
    return {
      kind: 'csv',
      file: csv,
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(header === undefined ? {} : { columns: listOf(header) }),
    }
  if (db === undefined || dbTable === undefined)
    throw new BadCommandError('Cannot import from a database without --db-table')
  const url = /^[a-z]+:/.test(db) ? db : `file:${db}`
  return {
    kind: 'table',
    url,
    table: dbTable,
    ...(dbToken === undefined ? {} : { token: dbToken }),
  }
}

function keyOf({ key, idFrom, ownerFrom, slotFrom }: ImportWords): KeyRule | undefined {
  if (key !== undefined) return { column: key }
  if (slotFrom !== undefined) return { slotFrom: listOf(slotFrom) }
  if (idFrom === undefined) return undefined
  const owner = ownerFrom === undefined ? {} : { ownerFrom: listOf(ownerFrom) }
  return { idFrom: listOf(idFrom), ...owner }
}

async function rulesOf(words: ImportWords): Promise<Rules> {
  const rules = words.mapping === undefined ? {} : await readMapping(words.mapping)
  const key = keyOf(words) ?? rules.key
  const ignore = [
    ...(rules.ignore ?? []),
    ...(words.ignore === undefined ? [] : listOf(words.ignore)),
  ]
  return { ...rules, ignore, ...(key === undefined ? {} : { key }) }
}

/** Progress is a part of the source: its rows are not counted beforehand. */
function follow(progress: Progress): (event: ImportProgress) => void {
  const sent = { import: 0, verify: 0 }
  return ({ phase, part, rows }) => {
    progress.begin(phase, { total: 0 })
    const now = phase === 'import' ? rows : Math.round(part * rows)
    progress.expect(part > 0 ? Math.round(now / part) : now)
    progress.add(now - sent[phase])
    sent[phase] = now
  }
}

function textOf(report: ImportReport): string {
  const { inserted, existing, rejected, rows, billedWrites, errorFile, verification } = report
  const counts = `${rows} rows: ${inserted} inserted, ${existing} were there, ${rejected} rejected`
  const lines = [`${counts}; about ${billedWrites.toLocaleString('en')} billed writes`]
  for (const { line, reason } of report.firstErrors) lines.push(`line ${line}: ${reason}`)
  if (errorFile !== undefined) lines.push(`All rejected lines: ${errorFile}`)
  if (verification !== undefined) {
    const { ok, missing, different, extra } = verification
    lines.push(
      `${ok ? 'Verified' : 'Differs'}: ${missing} missing, ${different} different, ${extra} more`,
    )
  }
  return lines.join('\n')
}

/**
 * Brings the rows of a file or a table into a table of a keyspace. Stopped or killed anywhere, the same command goes on.
 * Answers the exit code: a rejected line, or a difference, is a failure.
 *
 * @throws as `importRows`
 */
export async function importCommand(command: ImportCommand): Promise<number> {
  const { system, output, stopper, keyspace, table, words } = command
  const { threads, batchRows, maxRate, dryRun = false, resume, verify = false } = words
  const progress = progressOf(output)
  try {
    const report = await importRows({
      source: sourceOf(words),
      target: { metaUrl: system.metaUrl, token: system.token, keyspace, table },
      ...(await rulesOf(words)),
      ...(threads === undefined ? {} : { threads }),
      ...(batchRows === undefined ? {} : { batchRows }),
      ...(maxRate === undefined ? {} : { maxRate }),
      ...(words.state === undefined ? {} : { stateFolder: words.state }),
      ...(words.errors === undefined ? {} : { errorFile: words.errors }),
      dryRun,
      resume,
      verify,
      signal: stopper.signal,
      onProgress: follow(progress),
    })
    progress.stop()
    const goesOn = report.finished ? '' : '\nStopped. The same command goes on.'
    output.tell({ event: 'import', ...report }, `${textOf(report)}${goesOn}`)
    if (!report.finished) return exitCodes.stopped
    const isWhole = report.rejected === 0 && report.verification?.ok !== false
    return isWhole ? exitCodes.done : exitCodes.refused
  } finally {
    progress.stop()
  }
}
