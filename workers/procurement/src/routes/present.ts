import { typedId } from '@stoa/kernel'

import { type PurchaseOrder, stateOf } from '../domain/purchase-order.ts'
import type { Supplier } from '../domain/supplier.ts'

export function presentSupplier({ id, name, email, createdAt }: Supplier) {
  return { id: typedId('sup', id), name, email, createdAt: new Date(createdAt).toISOString() }
}

export function presentOrder(order: PurchaseOrder) {
  return {
    id: typedId('pur', order.id),
    supplier: typedId('sup', order.supplier),
    state: stateOf(order),
    currency: order.currency,
    totalMinor: order.totalMinor,
    lines: order.lines.map((line) => ({ ...line, product: typedId('prd', line.product) })),
    createdAt: new Date(order.createdAt).toISOString(),
  }
}
