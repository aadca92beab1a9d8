import { z } from 'zod'

import { productId } from './fields.ts'
import { route } from './route.ts'

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
} as const
