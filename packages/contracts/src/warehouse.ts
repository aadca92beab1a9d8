import { z } from 'zod'

import { branchReply, branchRequest } from './branch.ts'
import { orderId, productId, quantity } from './fields.ts'
import { route } from './route.ts'

/** The most cells that the stock of a product can be spread over: its home, and one for each lane. */
export const cellsMax = 17

export const stockLevel = z.object({
  product: productId,
  onHand: z.int(),
  reserved: z.int(),
  available: z.int(),
})

export const warehouse = {
  getStock: route({
    id: 'getStock',
    method: 'get',
    path: '/v1/stock/{product}',
    summary: 'Read how much of a product is there',
    access: 'public',
    params: z.object({ product: productId }),
    status: 200,
    reply: stockLevel,
  }),
  spreadStock: route({
    id: 'spreadStock',
    method: 'put',
    path: '/v1/stock/{product}/cells',
    summary:
      'Spread what is free of a product evenly over some cells, which can lie in different databases; 1 brings it together',
    access: 'operator',
    params: z.object({ product: productId }),
    body: z.object({ cells: z.int().min(1).max(cellsMax) }),
    status: 202,
    reply: z.object({ product: productId, cells: z.int(), moving: z.int() }),
  }),
  runStockBranch: route({
    id: 'runStockBranch',
    method: 'post',
    path: '/internal/stock/branches',
    summary: 'Reserve stock for an order as a branch of its saga, keep it, or give it back',
    access: 'service',
    body: branchRequest.extend({ order: orderId, product: productId, quantity }),
    status: 200,
    reply: branchReply,
  }),
  rebuildReserved: route({
    id: 'rebuildReserved',
    method: 'post',
    path: '/internal/stock/repairs',
    summary: 'Set what is reserved of a cell to what its reservations come to',
    access: 'service',
    body: z.object({
      /** A product's home, or one of its lanes, spelled as a product. */
      cell: productId,
      /** Also where units become sellable by it: two persons have looked. */
      mayFree: z.boolean(),
    }),
    status: 200,
    /** False when it was so already, or would free units that it may not. */
    reply: z.object({ isChanged: z.boolean() }),
  }),
} as const
