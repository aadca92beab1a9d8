import { z } from 'zod'

import {
  deliveryId,
  endpointId,
  idField,
  memberId,
  moment,
  orderId,
  page,
  pageOf,
} from './fields.ts'
import { route } from './route.ts'

/** The events a merchant may subscribe to, by the names of Standard Webhooks. */
export const webhookTypes = ['order.confirmed', 'order.rejected', 'order.cancelled'] as const

/**
 * How a receiver says that it has a delivery: `status` by any 2xx; `body` by a 2xx whose body is `success` or
 * `{"code":"SUCCESS"}`; `call` by an acknowledgement over this API.
 */
export const acknowledgements = ['status', 'body', 'call'] as const

/** Signatures of Standard Webhooks: `v1` is HMAC-SHA256 with a shared secret, `v1a` Ed25519 with a public key. */
export const signatures = ['v1', 'v1a'] as const

const signature = z.enum(signatures)

export const webhookEndpoint = z.object({
  id: endpointId,
  url: z.url().max(2_000),
  types: z.array(z.enum(webhookTypes)).min(1),
  acknowledgement: z.enum(acknowledgements),
  signature,
  /** `gone` after a 410: it is called no more. */
  health: z.enum(['healthy', 'degraded', 'suspended', 'gone']),
  createdAt: moment,
})

/** What a receiver verifies with: the secret of `v1`, shown once, or the public key of `v1a`. */
const verification = z.object({ secret: z.string().optional(), publicKey: z.string().optional() })

const delivery = z.object({
  id: deliveryId,
  type: z.enum(webhookTypes),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.int(),
  lastStatus: z.int().nullable(),
  /** When the next attempt is due; only of a pending one. */
  nextAt: moment.nullable(),
  createdAt: moment,
})

const ofEndpoint = z.object({ endpoint: endpointId })
const ofDelivery = z.object({ delivery: deliveryId })
const notificationId = idField('ntc')

export const notifier = {
  createWebhookEndpoint: route({
    id: 'createWebhookEndpoint',
    method: 'post',
    path: '/v1/webhook-endpoints',
    summary: 'Be told of the orders of your products; the secret is shown only here',
    access: 'member',
    idempotent: true,
    body: webhookEndpoint.pick({ url: true, types: true }).extend({
      acknowledgement: webhookEndpoint.shape.acknowledgement.optional(),
      signature: signature.optional(),
    }),
    status: 201,
    reply: webhookEndpoint.extend(verification.shape),
  }),
  listWebhookEndpoints: route({
    id: 'listWebhookEndpoints',
    method: 'get',
    path: '/v1/webhook-endpoints',
    summary: 'List your webhook endpoints, without their secrets',
    access: 'member',
    status: 200,
    reply: z.object({ items: z.array(webhookEndpoint) }),
  }),
  rotateWebhookSecret: route({
    id: 'rotateWebhookSecret',
    method: 'post',
    path: '/v1/webhook-endpoints/{endpoint}/secrets',
    summary: 'Give an endpoint of yours a new secret; the old one signs beside it for a while',
    access: 'member',
    idempotent: true,
    params: ofEndpoint,
    body: z.object({
      signature: signature.optional(),
      overlapHours: z.int().min(0).max(168).default(24),
    }),
    status: 201,
    reply: verification.extend({ signature, previousUntil: moment }),
  }),
  listDeliveries: route({
    id: 'listDeliveries',
    method: 'get',
    path: '/v1/webhook-endpoints/{endpoint}/deliveries',
    summary: 'List what was sent to an endpoint of yours, newest first',
    access: 'member',
    params: ofEndpoint,
    query: page,
    status: 200,
    reply: pageOf(delivery),
  }),
  replayDeliveries: route({
    id: 'replayDeliveries',
    method: 'post',
    path: '/v1/webhook-endpoints/{endpoint}/replays',
    summary: 'Send an endpoint of yours what it did not get since a time, or all since then',
    access: 'member',
    idempotent: true,
    params: ofEndpoint,
    body: z.object({ since: moment, all: z.boolean().default(false) }),
    status: 201,
    reply: z.object({ since: moment, all: z.boolean() }),
  }),
  listAttempts: route({
    id: 'listAttempts',
    method: 'get',
    path: '/v1/webhook-deliveries/{delivery}/attempts',
    summary: 'List the last hundred attempts at a delivery of yours, newest first',
    access: 'member',
    params: ofDelivery,
    status: 200,
    reply: z.object({
      items: z.array(
        z.object({
          number: z.int(),
          at: moment,
          durationMs: z.int(),
          status: z.int().nullable(),
          error: z.string().nullable(),
          answer: z.string(),
        }),
      ),
    }),
  }),
  acknowledgeDelivery: route({
    id: 'acknowledgeDelivery',
    method: 'put',
    path: '/v1/webhook-deliveries/{delivery}/acknowledgement',
    summary: 'Say that you have a delivery: it is sent no more',
    access: 'member',
    params: ofDelivery,
    status: 204,
  }),
  resendDelivery: route({
    id: 'resendDelivery',
    method: 'post',
    path: '/v1/webhook-deliveries/{delivery}/resends',
    summary: 'Send a delivery of yours again now, whatever became of it',
    access: 'member',
    idempotent: true,
    params: ofDelivery,
    status: 201,
    reply: z.object({ id: deliveryId }),
  }),
  listMerchantEvents: route({
    id: 'listMerchantEvents',
    method: 'get',
    path: '/v1/events',
    summary: 'List the events of your products in their order, without gaps, after a number',
    access: 'member',
    query: z.object({
      after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
      since: moment.optional(),
      limit: z.coerce.number().int().min(1).max(100).default(100),
    }),
    status: 200,
    reply: z.object({
      items: z.array(
        z.object({
          seq: z.int(),
          type: z.enum(webhookTypes),
          timestamp: moment,
          data: z.record(z.string(), z.unknown()),
        }),
      ),
      /** The newest number there is: equal to the last item's when nothing is left. */
      latest: z.int(),
    }),
  }),
  listNotifications: route({
    id: 'listNotifications',
    method: 'get',
    path: '/v1/notifications',
    summary: 'List what you were told, newest first',
    access: 'member',
    query: page,
    status: 200,
    reply: pageOf(
      z.object({
        id: notificationId,
        type: z.enum(webhookTypes),
        order: orderId,
        createdAt: moment,
        isRead: z.boolean(),
      }),
    ),
  }),
  countUnread: route({
    id: 'countUnread',
    method: 'get',
    path: '/v1/notifications/unread',
    summary: 'Count what you have not read, up to a hundred',
    access: 'member',
    status: 200,
    reply: z.object({ count: z.int(), isMore: z.boolean() }),
  }),
  readNotification: route({
    id: 'readNotification',
    method: 'put',
    path: '/v1/notifications/{notification}/read',
    summary: 'Mark a notification as read, or it and all before it',
    access: 'member',
    params: z.object({ notification: notificationId }),
    query: z.object({ older: z.enum(['true', 'false']).default('false') }),
    status: 204,
  }),
  sweepDeliveries: route({
    id: 'sweepDeliveries',
    method: 'post',
    path: '/internal/notifier/sweeps',
    summary: 'Take up deliveries that the queue has given up',
    access: 'service',
    body: z.object({}),
    status: 200,
    reply: z.object({ taken: z.int() }),
  }),
  rearmDelivery: route({
    id: 'rearmDelivery',
    method: 'post',
    path: '/internal/notifier/rearms',
    summary: 'Send an endpoint an event that it was owed and did not get',
    access: 'service',
    body: z.object({
      member: memberId,
      event: idField('evt'),
      endpoint: endpointId,
      /** Also when that was done before: two persons have looked. */
      again: z.boolean(),
    }),
    status: 200,
    /** False when it is on its way, was delivered, or is owed no more. */
    reply: z.object({ isRearmed: z.boolean() }),
  }),
} as const
