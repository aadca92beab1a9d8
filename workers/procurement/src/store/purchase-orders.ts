import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { purchaseOrder, purchaseOrderLine, receipt as receipts } from '@stoa/data/procurement'
import { type Call, SqlConstraintError, type Statement } from '@stoa/kernel'
import { asc, eq, sql } from 'drizzle-orm'

import type { PurchaseOrderStore, Received } from '../domain/ports.ts'
import type { PurchaseOrder } from '../domain/purchase-order.ts'
import { StaleVersionError } from '../domain/receipt.ts'
import { SupplierNotFoundError } from '../domain/supplier.ts'
import { db } from './builder.ts'

/** As many lines as the contract lets an order have. */
const linesMax = 100

async function getOrder(
  { router }: KeyspaceAccess,
  id: string,
  call: Call,
): Promise<PurchaseOrder | undefined> {
  const query = db
    .select({
      id: purchaseOrder.id,
      supplier: purchaseOrder.supplier,
      currency: purchaseOrder.currency,
      totalMinor: purchaseOrder.totalMinor,
      version: purchaseOrder.version,
      createdAt: purchaseOrder.createdAt,
      product: purchaseOrderLine.product,
      ordered: purchaseOrderLine.ordered,
      received: purchaseOrderLine.received,
      costMinor: purchaseOrderLine.costMinor,
    })
    .from(purchaseOrder)
    .innerJoin(purchaseOrderLine, eq(purchaseOrderLine.purchaseOrder, purchaseOrder.id))
    .where(eq(purchaseOrder.id, id))
    .orderBy(asc(purchaseOrderLine.position))
    .limit(linesMax)
  const rows = await rowsOf(query, await router.read(id, statement(query), call))
  const [first] = rows
  if (first === undefined) return undefined
  const { supplier, currency, totalMinor, version, createdAt } = first
  const lines = rows.map(({ product, ordered, received, costMinor }) => {
    return { product, ordered, received, costMinor }
  })
  return { id, supplier, currency, totalMinor, lines, version, createdAt }
}

function insertOrder({ lines, supplier, ...order }: PurchaseOrder): readonly Statement[] {
  const rows = lines.map((line, position) => ({ ...line, purchaseOrder: order.id, position }))
  return [
    {
      // A supplier that is not there makes the column NULL, and that stops the batch.
      sql: `INSERT INTO purchase_order (id, supplier, currency, total_minor, version, created_at)
VALUES (?, (SELECT id FROM supplier WHERE id = ?), ?, ?, ?, ?)`,
      args: [order.id, supplier, order.currency, order.totalMinor, order.version, order.createdAt],
    },
    statement(db.insert(purchaseOrderLine).values(rows)),
  ]
}

function insertReceipt({ receipt, order }: Received): readonly Statement[] {
  const lines = JSON.stringify(receipt.lines)
  return [
    {
      sql: 'UPDATE purchase_order SET version = ? WHERE id = ? AND version = ?',
      args: [order.version, order.id, order.version - 1],
    },
    statement(
      db.insert(receipts).values({
        id: receipt.id,
        purchaseOrder: order.id,
        // NULL, which stops the batch, when the order was no longer at the version before.
        version: sql`CASE WHEN changes() = 1 THEN ${order.version} END`,
        lines,
        createdAt: receipt.createdAt,
      }),
    ),
    {
      sql: `UPDATE purchase_order_line SET received = received + (
  SELECT value ->> 'received' FROM json_each(?) WHERE value ->> 'product' = purchase_order_line.product)
WHERE purchase_order = ? AND product IN (SELECT value ->> 'product' FROM json_each(?))`,
      args: [lines, order.id, lines],
    },
  ]
}

function isNullIn(error: unknown, column: string): boolean {
  return (
    error instanceof SqlConstraintError && error.type === 'not_null' && error.constraint === column
  )
}

export function purchaseOrderStore(access: KeyspaceAccess): PurchaseOrderStore {
  return {
    get: (id, call) => getOrder(access, id, call),
    add: async ({ once, order }, call) => {
      const key = order.supplier
      const work = { keys: [key], statements: insertOrder(order), events: [] }
      try {
        return await access.once.run(once, { key, work, reply: order }, call)
      } catch (error) {
        if (isNullIn(error, 'purchase_order.supplier')) throw new SupplierNotFoundError()
        throw error
      }
    },
    findReceived: (once, order, call) => access.once.find<Received>(once, order, call),
    receive: async ({ once, received, events }, call) => {
      const key = received.order.id
      const work = { keys: [key], statements: insertReceipt(received), events }
      try {
        return await access.once.run(once, { key, work, reply: received }, call)
      } catch (error) {
        if (isNullIn(error, 'receipt.version')) throw new StaleVersionError()
        throw error
      }
    },
  }
}
