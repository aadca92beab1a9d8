import type { InValue } from '@libsql/client'

import type { FencedDatabase } from './databases.ts'
import type { RowMaker, SomeRow } from './rows.ts'

/** A statement that writes, and whom it may be refused for. */
export type Form = {
  readonly name: string
  readonly sql: string
  readonly args: readonly InValue[]
  /** `never`: refused even where the row may be written. */
  readonly passes: 'where writable' | 'never'
}

function insert(maker: RowMaker, row: SomeRow, how = ''): Pick<Form, 'sql' | 'args'> {
  const marks = maker.columns.map(() => '?').join(', ')
  return {
    sql: `INSERT ${how} INTO "${maker.table}" (${maker.columns.join(', ')}) VALUES (${marks})`,
    args: maker.columns.map((column) => row[column] ?? null),
  }
}

function whereRow({ shape }: RowMaker, row: SomeRow): { sql: string; args: readonly InValue[] } {
  const columns = [...new Set([...shape.primaryKey, shape.key])]
  return {
    sql: `WHERE ${columns.map((column) => `"${column}" = ?`).join(' AND ')}`,
    args: columns.map((column) => row[column] ?? null),
  }
}

/** Every way to write `old`, which is there, or `fresh`, which is not, by SQL alone. */
export function formsOf(
  maker: RowMaker,
  { old, fresh }: { readonly old: SomeRow; readonly fresh: SomeRow },
): readonly Form[] {
  const { table, shape } = maker
  const free = maker.free ?? shape.key
  const there = whereRow(maker, old)
  const target = shape.primaryKey.join(', ')
  const form = (
    name: string,
    { sql, args }: Pick<Form, 'sql' | 'args'>,
    passes: Form['passes'],
  ) => ({
    name,
    sql,
    args,
    passes,
  })
  const changed = (set: string, how = '') => ({
    sql: `UPDATE ${how} "${table}" SET ${set} ${there.sql}`,
    args: there.args,
  })
  const upsert = (row: SomeRow, doing: string) => {
    const plain = insert(maker, row)
    return { ...plain, sql: `${plain.sql} ON CONFLICT (${target}) DO ${doing}` }
  }
  const also = ({ sql, args }: Pick<Form, 'sql' | 'args'>, more: string) => ({
    sql: `${sql} ${more}`,
    args,
  })
  const selected = {
    sql: `INSERT INTO "${table}" (${maker.columns.join(', ')}) SELECT ${maker.columns.map(() => '?').join(', ')} WHERE true`,
    args: insert(maker, fresh).args,
  }
  const removed = { sql: `DELETE FROM "${table}" ${there.sql}`, args: there.args }
  const rekeyed = `"${shape.key}" = '0ZZ' || substr("${shape.key}", 4)`
  const asState: readonly Form[] = [
    form('INSERT', insert(maker, fresh), 'where writable'),
    form('INSERT RETURNING', also(insert(maker, fresh), 'RETURNING *'), 'where writable'),
    form('INSERT OR IGNORE', insert(maker, fresh, 'OR IGNORE'), 'where writable'),
    form(
      'INSERT OR IGNORE of a row that is there',
      insert(maker, old, 'OR IGNORE'),
      'where writable',
    ),
    form('INSERT SELECT', selected, 'where writable'),
    form('INSERT ON CONFLICT DO NOTHING', upsert(fresh, 'NOTHING'), 'where writable'),
    form('UPSERT', upsert(old, `UPDATE SET "${free}" = excluded."${free}"`), 'where writable'),
    form(
      'UPSERT RETURNING',
      also(upsert(old, `UPDATE SET "${free}" = excluded."${free}"`), 'RETURNING 1'),
      'where writable',
    ),
    form('UPDATE', changed(`"${free}" = "${free}"`), 'where writable'),
    form('UPDATE OR IGNORE', changed(`"${free}" = "${free}"`, 'OR IGNORE'), 'where writable'),
    form('UPDATE OR REPLACE', changed(`"${free}" = "${free}"`, 'OR REPLACE'), 'where writable'),
    form(
      'UPDATE RETURNING',
      also(changed(`"${free}" = "${free}"`), 'RETURNING *'),
      'where writable',
    ),
    form(
      'UPDATE FROM',
      {
        sql: `UPDATE "${table}" SET "${free}" = "${table}"."${free}" FROM (SELECT 1) ${there.sql}`,
        args: there.args,
      },
      'where writable',
    ),
    form('DELETE', removed, 'where writable'),
    form('DELETE RETURNING', also(removed, 'RETURNING *'), 'where writable'),
    form('DELETE of everything', { sql: `DELETE FROM "${table}"`, args: [] }, 'where writable'),
  ]
  const changes = /^(?:UPDATE|UPSERT)/
  return [
    // Of a row that is all key nothing may be changed.
    ...asState.filter(({ name }) => maker.free !== undefined || !changes.test(name)),
    form('INSERT OR REPLACE', insert(maker, fresh, 'OR REPLACE'), 'never'),
    form('REPLACE of a row that is there', insert(maker, old, 'OR REPLACE'), 'never'),
    form('UPDATE of the key', changed(rekeyed), 'never'),
    form('UPDATE OR IGNORE of the key', changed(rekeyed, 'OR IGNORE'), 'never'),
    form('UPDATE OR REPLACE of the key', changed(rekeyed, 'OR REPLACE'), 'never'),
    form('UPSERT of the key', upsert(old, `UPDATE SET ${rekeyed}`), 'never'),
  ]
}

/** The mover's insert: no fence stands before it. */
export async function place(
  database: FencedDatabase,
  maker: RowMaker,
  row: SomeRow,
): Promise<void> {
  const { sql, args } = insert(maker, row)
  await database.move(sql, ...args)
}
