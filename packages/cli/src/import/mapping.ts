import { isFault, parseId, parseSlot, slotOfText, slotText, type SqlValue } from '@stoa/kernel'

import { BadLineError, ImportMappingError } from './faults.ts'
import {
  type ColumnRule,
  type DerivedRule,
  type ImportOptions,
  type KeyRule,
  type ValueType,
  valueTypes,
} from './options.ts'
import { joined, stableId } from './stable-id.ts'
import type { TargetColumn, TargetTable } from './target.ts'
import { readValue, typeOfColumn } from './values.ts'

/** One record of a source, before anything is known of its values. */
export type SourceRecord = {
  readonly line: number
  readonly values: Readonly<Record<string, unknown>>
}

/** A row as the shards are to have it, its values in the order of the mapping. */
export type MappedRow = {
  readonly line: number
  readonly key: string
  readonly values: readonly SqlValue[]
}

type PlannedColumn = {
  readonly name: string
  readonly rule: ColumnRule
  readonly type: ValueType
  readonly isNotNull: boolean
  readonly fallback?: SqlValue
}

/** How a record becomes a row. Plain data: it is cloned into each thread, and names the job. */
export type Mapping = {
  readonly columns: readonly PlannedColumn[]
  /** The position of the key column. */
  readonly keyAt: number
  /** The fields a record may have, when they are not known beforehand. */
  readonly known?: readonly string[]
}

function fieldsOf(rule: ColumnRule | KeyRule): readonly string[] {
  if ('column' in rule) return [rule.column]
  if ('slotFrom' in rule) return rule.slotFrom
  if (!('idFrom' in rule)) return []
  const { idFrom, ownerFrom = [], timeFrom } = rule
  return [...idFrom, ...ownerFrom, ...(timeFrom === undefined ? [] : [timeFrom])]
}

function checkRule(column: string, rule: ColumnRule | KeyRule): void {
  const isEmpty =
    ('idFrom' in rule && (rule.idFrom.length === 0 || rule.ownerFrom?.length === 0)) ||
    ('slotFrom' in rule && rule.slotFrom.length === 0)
  if (isEmpty) throw new ImportMappingError(`Cannot make "${column}" from no column at all`)
  if ('type' in rule && rule.type !== undefined && !valueTypes.includes(rule.type))
    throw new ImportMappingError(`Cannot read "${column}" as "${rule.type as string}"`)
}

type Compiled = {
  readonly options: Pick<ImportOptions, 'source' | 'key' | 'columns' | 'ignore'>
  readonly table: TargetTable
  /** The columns of the source; `undefined` when each record has its own. */
  readonly fields: readonly string[] | undefined
}

/** The rule of a target column: its own, or the source column of its name; `undefined` leaves it to the database. */
function ruleOf(
  { name, isOptional, isComputed }: TargetColumn,
  { options, table, fields }: Compiled,
): ColumnRule | undefined {
  const given = options.columns?.[name]
  if (name === table.key && options.key !== undefined) return options.key
  if (given !== undefined) return given
  // Records of their own form may have it or not; a DEFAULT that is worked out would be lost to the null of those that have not.
  const isThere = fields?.includes(name) ?? !isComputed
  if (isThere) return { column: name }
  if (isOptional) return undefined
  const hint = name === table.key ? 'a key rule' : 'a column or a default'
  throw new ImportMappingError(`Cannot fill "${table.name}.${name}": it needs ${hint}`)
}

function planned(
  column: TargetColumn,
  rule: ColumnRule,
  { options, table }: Compiled,
): PlannedColumn {
  const isTable = options.source.kind === 'table'
  const declared = typeOfColumn(column.type)
  const byDefault = declared === 'blob' && isTable ? 'any' : declared
  const type = ('type' in rule ? rule.type : undefined) ?? byDefault
  const fallback = ('default' in rule ? rule.default : undefined) ?? column.fallback
  return {
    name: column.name,
    rule,
    type,
    // Two rows whose key holds a null are two rows to SQLite, whatever else they hold.
    isNotNull: column.isNotNull || table.primaryKey.includes(column.name),
    ...(fallback === undefined || fallback === null ? {} : { fallback }),
  }
}

function checkNames({ options, table, fields }: Compiled): void {
  const names = new Set(table.columns.map(({ name }) => name))
  const rules: Record<string, ColumnRule | KeyRule> = { ...options.columns }
  if (options.key !== undefined) rules[table.key] = options.key
  for (const [column, rule] of Object.entries(rules)) {
    if (!names.has(column))
      throw new ImportMappingError(`Cannot fill "${table.name}.${column}": there is no such column`)
    checkRule(column, rule)
    const unknown = fieldsOf(rule).find((field) => fields?.includes(field) === false)
    if (unknown !== undefined)
      throw new ImportMappingError(
        `Cannot fill "${table.name}.${column}": the source has no column "${unknown}"`,
      )
  }
}

/**
 * How records of the source become rows of the table. Every column of the source goes somewhere or is left out by name,
 * and every column of the table that must have a value gets one.
 *
 * @throws ImportMappingError
 */
export function compileMapping(given: Compiled): Mapping {
  const { options, table, fields } = given
  checkNames(given)
  const columns = table.columns.flatMap((column) => {
    const rule = ruleOf(column, given)
    return rule === undefined ? [] : [planned(column, rule, given)]
  })
  const unnamed = table.primaryKey.find((key) => columns.every(({ name }) => name !== key))
  if (unnamed !== undefined)
    throw new ImportMappingError(`Cannot fill "${table.name}.${unnamed}": rows are named by it`)
  const used = columns.flatMap(({ rule }) => fieldsOf(rule))
  const known = [...new Set([...used, ...(options.ignore ?? [])])]
  const stray = fields?.find((field) => !known.includes(field))
  if (stray !== undefined) {
    throw new ImportMappingError(
      `Cannot place source column "${stray}": "${table.name}" has no such column; map it or ignore it`,
    )
  }
  const keyAt = columns.findIndex(({ name }) => name === table.key)
  return { columns, keyAt, ...(fields === undefined ? { known } : {}) }
}

function fieldOf({ values }: SourceRecord, name: string): unknown {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null
}

/** The texts of `names`; `undefined` when all are missing. A key made of some of them would not be stable. */
function textsOf(record: SourceRecord, names: readonly string[]): readonly string[] | undefined {
  const values = names.map((name) => fieldOf(record, name))
  if (values.every((value) => value === null)) return undefined
  return values.map((value, index) => {
    if (value === null)
      throw new BadLineError(`"${names[index]}" is missing, and a key is made of it`)
    const text = readValue(value, 'text')
    return String(text)
  })
}

function derived(rule: DerivedRule, record: SourceRecord): SqlValue {
  if ('slotFrom' in rule) {
    const texts = textsOf(record, rule.slotFrom)
    return texts === undefined ? null : slotText(slotOfText(joined(texts)))
  }
  const texts = textsOf(record, rule.idFrom)
  if (texts === undefined) return null
  const owner = rule.ownerFrom === undefined ? texts : textsOf(record, rule.ownerFrom)
  if (owner === undefined) throw new BadLineError('the owner of a key is missing')
  const time =
    rule.timeFrom === undefined ? undefined : readValue(fieldOf(record, rule.timeFrom), 'time')
  if (time !== undefined && !(typeof time === 'number' && time >= 0))
    throw new BadLineError(`"${rule.timeFrom}" is no time since 1970`)
  return stableId(joined(texts), { owner: joined(owner), time })
}

function valueOf(column: PlannedColumn, record: SourceRecord): SqlValue {
  const { rule, type } = column
  const value =
    'value' in rule
      ? rule.value
      : 'column' in rule
        ? readValue(fieldOf(record, rule.column), type)
        : derived(rule, record)
  return value ?? column.fallback ?? null
}

/** `value` when it can say where a row lives: an id, or in a column named slot a slot or a longer key. */
function checkKey(name: string, value: SqlValue): string {
  try {
    const key = String(value)
    if (name !== 'slot') return parseId(key)
    parseSlot(key.slice(0, 3))
    if (key.length === 3 || key.length >= 5) return key
  } catch (error) {
    if (!isFault(error)) throw error
  }
  throw new BadLineError(`${JSON.stringify(value)} is no ${name === 'slot' ? 'slot' : 'id'}`)
}

/**
 * The row of `record`.
 *
 * @throws BadLineError when a value does not fit, is missing, or a field goes nowhere.
 */
export function mapRecord({ columns, keyAt, known }: Mapping, record: SourceRecord): MappedRow {
  const stray = known && Object.keys(record.values).find((name) => !known.includes(name))
  if (stray !== undefined) throw new BadLineError(`no column takes "${stray.slice(0, 100)}"`)
  let key = ''
  const values = columns.map((column, index) => {
    let value: SqlValue
    try {
      value = valueOf(column, record)
    } catch (error) {
      if (!isFault(error)) throw error
      throw new BadLineError(`${column.name}: ${error.message}`, { cause: error })
    }
    if (value === null && column.isNotNull) throw new BadLineError(`${column.name} is missing`)
    if (index === keyAt) key = checkKey(column.name, value)
    return value
  })
  return { line: record.line, key, values }
}
