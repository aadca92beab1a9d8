import type { TableInfo } from './catalogue.ts'
import type { TableShape } from './shape.ts'

/** A trigger by its name, and the statement that makes it. */
export type Trigger = { readonly name: string; readonly sql: string }

/** Names that are the fence's own: to fence a database anew drops every trigger that has one. */
const ours = /^fence_.+_(ins|upd|del|key)$/

/** Whether a trigger of this name is a part of the fence. */
export function isFenceTrigger(name: string): boolean {
  return ours.test(name)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function listOf(row: 'NEW' | 'OLD', columns: readonly string[]): string {
  return columns.map((column) => `${row}.${quoted(column)}`).join(', ')
}

/** The columns by which rows are named that hold bytes. */
function bytesOf({ primaryKey }: TableShape, { columns }: TableInfo): readonly string[] {
  const bytes = new Set(columns.filter(({ type }) => type === 'BLOB').map(({ name }) => name))
  return primaryKey.filter((name) => bytes.has(name))
}

/** A row's name as JSON, which has no bytes: they are spelt in hexadecimal digits, in capitals. */
function nameOf(row: 'NEW' | 'OLD', shape: TableShape, info: TableInfo): string {
  const bytes = new Set(bytesOf(shape, info))
  const parts = shape.primaryKey.map((column) => {
    const value = listOf(row, [column])
    return bytes.has(column) ? `hex(${value})` : value
  })
  return `json_array(${parts.join(', ')})`
}

/**
 * Looks once at the innermost piece that holds the row: fails unless it may be written, and captures the row when the
 * piece is being moved, or the database has replicas. A row captured in vain (ON CONFLICT DO NOTHING) is copied once more, which does no harm.
 *
 * A piece lies in one slot, so nothing before the slot's own text is read. RAISE takes only a literal; a path that does
 * not begin with $ makes json_extract fail with the path in its message.
 */
function checkRow(row: 'NEW' | 'OLD', shape: TableShape, info: TableInfo): string {
  const { name, key } = shape
  const place = `${row}.${quoted(key)}`
  return `INSERT INTO _cdc (tbl, key, pk) SELECT ${literal(name)}, ${place}, ${nameOf(row, shape, info)}
  FROM (SELECT max(lo), epoch, state, peer, job FROM _slot_owner
    WHERE lo >= substr(${place}, 1, 3) AND lo <= ${place} AND ${place} < hi)
  WHERE CASE WHEN state IN ('serving', 'migrating') THEN job IS NOT NULL OR (SELECT capture FROM _fence)
    ELSE json_extract('{}', 'SHARD_FENCED|'
    || coalesce(${place}, '') || '|' || coalesce(epoch || '|' || state || '|' || coalesce(peer, ''), '0|unknown|')) END;`
}

/**
 * Refuses OR REPLACE, which deletes rows that no DELETE trigger sees, and OR ABORT, OR FAIL and OR ROLLBACK with it. The
 * conflict clause of the statement that fires a trigger takes the place of the one here: without a clause, or with OR
 * IGNORE, this row that the check of `_fence` forbids is passed over in silence; with any other it fails.
 *
 * @see https://sqlite.org/lang_createtrigger.html
 */
const refuseReplace = 'INSERT OR IGNORE INTO _fence (id) VALUES (0);'

function triggerOf(
  { name: table }: TableShape,
  [suffix, event]: readonly [suffix: 'ins' | 'upd' | 'del' | 'key', event: string],
  body: readonly string[],
): Trigger {
  const name = `fence_${table}_${suffix}`
  const sql = `CREATE TRIGGER ${quoted(name)} BEFORE ${event} ON ${quoted(table)} WHEN (SELECT mover FROM _fence) IS NULL
BEGIN
  ${body.join('\n  ')}
END`
  return { name, sql }
}

/**
 * Refuses anything but bytes where bytes name a row: a BLOB column takes text and numbers as they are, and their digits
 * would name another row.
 */
function keepBytes(shape: TableShape, info: TableInfo): readonly string[] {
  const wrong = bytesOf(shape, info).map((column) => `typeof(NEW.${quoted(column)}) <> 'blob'`)
  if (wrong.length === 0) return []
  const refusal = literal(`SHARD_KEY_NOT_BYTES|${shape.name}`)
  return [`SELECT RAISE(ABORT, ${refusal}) WHERE ${wrong.join(' OR ')};`]
}

/** Where a row lives and what it is called stay as they are: a row is moved by the mover, or is another row. */
function keepKeys(shape: TableShape, info: TableInfo): Trigger {
  const rowNumber = info.hasRowid ? ['rowid'] : []
  const fixed = [...new Set([shape.key, ...shape.primaryKey, ...info.primaryKey, ...rowNumber])]
  const unique = info.uniqueKeys.flatMap(({ columns }) =>
    columns.filter((one) => one !== undefined),
  )
  const aliases = info.hasRowid ? ['oid', '_rowid_'] : []
  const watched = [...new Set([...fixed, ...aliases, ...unique])].map(quoted).join(', ')
  const changed = `(${listOf('NEW', fixed)}) IS NOT (${listOf('OLD', fixed)})`
  const refusal = literal(`SHARD_KEY_IMMUTABLE|${shape.name}`)
  return triggerOf(
    shape,
    ['key', `UPDATE OF ${watched}`],
    [refuseReplace, `SELECT RAISE(ABORT, ${refusal}) WHERE ${changed};`],
  )
}

/**
 * The triggers that let nobody write a row whose key this database does not own at that moment, not even raw SQL, and
 * that capture which rows change while they are being moved, or copied to replicas. Each row written costs one index look-up.
 *
 * The mover alone passes, by naming itself in `_fence` for the length of a batch.
 */
export function fenceOf(shape: TableShape, info: TableInfo): readonly Trigger[] {
  return [
    triggerOf(
      shape,
      ['ins', 'INSERT'],
      [refuseReplace, ...keepBytes(shape, info), checkRow('NEW', shape, info)],
    ),
    triggerOf(shape, ['upd', 'UPDATE'], [checkRow('OLD', shape, info)]),
    triggerOf(shape, ['del', 'DELETE'], [checkRow('OLD', shape, info)]),
    keepKeys(shape, info),
  ]
}
