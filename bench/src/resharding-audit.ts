import { rootCall, type SqlShard, type SqlValue } from '@stoa/kernel'

import { idOf, productColumns, type Told, words } from './resharding-writer.ts'

const rowsPerPage = 4_000

/** What was found: how much there was to find, what of it is right, and what is there beside that. */
export type Audit = { readonly expected: number; readonly right: number; readonly extra: number }

/** All rows of a table in the order of its key, the first `key` of the columns. */
async function* pagesOf(
  shard: SqlShard,
  {
    table,
    columns,
    key,
  }: { readonly table: string; readonly columns: string; readonly key: number },
): AsyncGenerator<readonly (readonly SqlValue[])[]> {
  const order = columns.split(', ').slice(0, key).join(', ')
  let after: readonly SqlValue[] = Array.from({ length: key }, () => '')
  for (;;) {
    const sql = `SELECT ${columns} FROM ${table} WHERE (${order}) > (${after.map(() => '?').join()}) ORDER BY ${order} LIMIT ${rowsPerPage}`
    const [page] = await shard.batch([{ sql, args: after }], 'read', rootCall('audit'))
    const rows = page?.rows ?? []
    if (rows.length > 0) yield rows
    if (rows.length < rowsPerPage) return
    after = rows.at(-1)?.slice(0, key) ?? after
  }
}

async function countOf(shard: SqlShard): Promise<number> {
  const sql = 'SELECT (SELECT count(*) FROM product) + (SELECT count(*) FROM idempotency)'
  const [rows] = await shard.batch([{ sql, args: [] }], 'read', rootCall('audit'))
  return Number(rows?.rows[0]?.[0])
}

function numberOf(row: readonly SqlValue[]): number {
  return Number(String(row[0]).slice(5))
}

/** A product as it was last acknowledged, or as one of the writes may have left it of which nobody knows. */
function isRight({ known }: Told, row: readonly SqlValue[]): boolean {
  const n = numberOf(row)
  const { version, price, unsure } = known(n)
  const found = Number(row[8])
  const rest = [idOf(n), `sku-${n}`, `Thing ${n}`, words, 'cat-1', 'EUR', null, n]
  const same = [row[0], row[1], row[2], row[3], row[4], row[6], row[7], row[9]]
  const isPriced = Number(row[5]) === price || unsure > 0
  const isSame = same.every((value, index) => value === rest[index])
  return isSame && isPriced && version <= found && found <= version + unsure
}

/** Compares every row, and every acknowledged write, with what `owner` has, and counts the rows that others kept. */
export async function audit(
  told: Told,
  { owner, others }: { readonly owner: SqlShard; readonly others: readonly SqlShard[] },
): Promise<Audit> {
  const { receipts, unsure } = told
  let [right, found] = [0, 0]
  const columns = productColumns.join(', ')
  for await (const page of pagesOf(owner, { table: 'product', columns, key: 1 })) {
    const certain = page.filter((row) => told.known(numberOf(row)).version > 0)
    found += certain.length
    right += certain.filter((row) => isRight(told, row)).length
  }
  const keyed = 'slot, principal, method, route, key, fingerprint'
  for await (const page of pagesOf(owner, { table: 'idempotency', columns: keyed, key: 5 })) {
    for (const [slot, , , , key, fingerprint] of page) {
      const seq = Number(String(key).slice(1))
      if (unsure.has(seq)) continue
      found += 1
      const n = receipts.get(seq)
      if (n !== undefined && slot === idOf(n) && fingerprint === `f${seq}`) right += 1
    }
  }
  let extra = found - right
  for (const other of others) extra += await countOf(other)
  return { expected: told.count() + receipts.size, right, extra }
}
