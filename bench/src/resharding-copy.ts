import { rootCall, slotRange, type SqlShard, type SqlValue } from '@stoa/kernel'

/** As many rows in a batch, and as many workers, as the mover has by default. */
const rowsPerBatch = 500
const workers = 4

type Side = { readonly from: SqlShard; readonly to: SqlShard; readonly columns: readonly string[] }
type Span = { readonly lo: string; readonly hi: string }

async function copySpan({ from, to, columns }: Side, { lo, hi }: Span): Promise<number> {
  const call = rootCall('bare')
  const list = columns.join(', ')
  const one = `(${columns.map(() => '?').join()})`
  const sql = `SELECT ${list} FROM product WHERE id >= ? AND id < ? AND id > ? ORDER BY id LIMIT ?`
  let after: SqlValue = ''
  let copied = 0
  for (;;) {
    const select = { sql, args: [lo, hi, after, rowsPerBatch] }
    const [page] = await from.batch([select], 'read', call)
    const rows = page?.rows ?? []
    const insert = {
      sql: `INSERT INTO product (${list}) VALUES ${rows.map(() => one).join()}`,
      args: rows.flat(),
    }
    if (rows.length > 0) await to.batch([insert], 'write', call)
    copied += rows.length
    if (rows.length < rowsPerBatch) return copied
    after = rows.at(-1)?.[0] ?? after
  }
}

/** The products of a range of slots, read and inserted and nothing else; with how long it took, in milliseconds. */
export async function copyBare(
  side: Side,
  slots: { readonly from: number; readonly to: number },
): Promise<{ readonly rows: number; readonly ms: number }> {
  const border = (index: number) =>
    slotRange(slots.from + Math.floor(((slots.to - slots.from) * index) / workers)).from
  const started = performance.now()
  const copied = await Promise.all(
    Array.from({ length: workers }, (_, index) =>
      copySpan(side, { lo: border(index), hi: border(index + 1) }),
    ),
  )
  return { rows: copied.reduce((sum, rows) => sum + rows, 0), ms: performance.now() - started }
}
