import { z } from 'zod'

import { deliveryId, endpointId, moment, page, pageOf } from './fields.ts'
import { route } from './route.ts'

/** The events a merchant may subscribe to, by the names of Standard Webhooks. */
export const webhookTypes = ['order.confirmed', 'order.rejected'] as const

export const webhookEndpoint = z.object({
  id: endpointId,
  url: z.url().max(2_000),
  types: z.array(z.enum(webhookTypes)).min(1),
  createdAt: moment,
})

export const notifier = {
  createWebhookEndpoint: route({
    id: 'createWebhookEndpoint',
    method: 'post',
    path: '/v1/webhook-endpoints',
    summary: 'Be told of the orders of your products; the secret is shown only here',
    access: 'member',
    idempotent: true,
    body: webhookEndpoint.pick({ url: true, types: true }),
    status: 201,
    reply: webhookEndpoint.extend({ secret: z.string() }),
  }),
  listDeliveries: route({
    id: 'listDeliveries',
    method: 'get',
    path: '/v1/webhook-endpoints/{endpoint}/deliveries',
    summary: 'List what was sent to an endpoint of yours, newest first',
    access: 'member',
    params: z.object({ endpoint: endpointId }),
    query: page,
    status: 200,
    reply: pageOf(
      z.object({
        id: deliveryId,
        type: z.enum(webhookTypes),
        state: z.enum(['pending', 'delivered', 'failed']),
        attempts: z.int(),
        lastStatus: z.int().nullable(),
        createdAt: moment,
      }),
    ),
  }),
} as const
