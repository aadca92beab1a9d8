import { z } from 'zod'

import {
  currency,
  email,
  minorUnits,
  moment,
  productId,
  purchaseOrderId,
  receiptId,
  supplierId,
} from './fields.ts'
import { route } from './route.ts'

const units = z.int().min(1).max(1_000_000)

export const supplier = z.object({
  id: supplierId,
  name: z.string(),
  email,
  createdAt: moment,
})

export const purchaseOrderState = z.enum(['submitted', 'partially_received', 'received'])

export const purchaseOrder = z.object({
  id: purchaseOrderId,
  supplier: supplierId,
  state: purchaseOrderState,
  currency,
  totalMinor: minorUnits,
  lines: z.array(
    z.object({ product: productId, ordered: units, received: z.int(), costMinor: minorUnits }),
  ),
  createdAt: moment,
})

export const procurement = {
  createSupplier: route({
    id: 'createSupplier',
    method: 'post',
    path: '/v1/suppliers',
    summary: 'Add a supplier',
    access: 'operator',
    idempotent: true,
    body: z.object({ name: z.string().trim().min(1).max(200), email }),
    status: 201,
    reply: supplier,
  }),
  getSupplier: route({
    id: 'getSupplier',
    method: 'get',
    path: '/v1/suppliers/{supplier}',
    summary: 'Read a supplier',
    access: 'operator',
    params: z.object({ supplier: supplierId }),
    status: 200,
    reply: supplier,
  }),
  createPurchaseOrder: route({
    id: 'createPurchaseOrder',
    method: 'post',
    path: '/v1/purchase-orders',
    summary: 'Order goods from a supplier',
    access: 'operator',
    idempotent: true,
    body: z.object({
      supplier: supplierId,
      currency,
      lines: z
        .array(z.object({ product: productId, ordered: units, costMinor: minorUnits }))
        .min(1)
        .max(100),
    }),
    status: 201,
    reply: purchaseOrder,
  }),
  getPurchaseOrder: route({
    id: 'getPurchaseOrder',
    method: 'get',
    path: '/v1/purchase-orders/{purchaseOrder}',
    summary: 'Read a purchase order',
    access: 'operator',
    params: z.object({ purchaseOrder: purchaseOrderId }),
    status: 200,
    reply: purchaseOrder,
  }),
  receiveGoods: route({
    id: 'receiveGoods',
    method: 'post',
    path: '/v1/purchase-orders/{purchaseOrder}/receipts',
    summary:
      'Record goods that arrived; the stock rises by them, and never by more than was ordered',
    access: 'operator',
    idempotent: true,
    params: z.object({ purchaseOrder: purchaseOrderId }),
    body: z.object({
      lines: z
        .array(z.object({ product: productId, received: units }))
        .min(1)
        .max(100),
    }),
    status: 201,
    reply: z.object({ id: receiptId, purchaseOrder }),
  }),
} as const
