import type { webhookTypes } from '@stoa/contracts/notifier'
import { typedId } from '@stoa/kernel'

import type { Delivery } from '../domain/delivery.ts'
import type { Endpoint, ListedEndpoint } from '../domain/endpoint.ts'
import { signatureOf } from '../domain/sign.ts'

type WebhookType = (typeof webhookTypes)[number]

/** What the column holds, as the contract names it; rows are written only with types of the contract. */
export function webhookType(type: string): WebhookType {
  return type as WebhookType
}

export function moment(ms: number): string {
  return new Date(ms).toISOString()
}

/** An endpoint without what signs for it. */
export function presentEndpoint(endpoint: Endpoint, health: ListedEndpoint['health'] | 'gone') {
  return {
    id: typedId('whe', endpoint.id),
    url: endpoint.url,
    types: endpoint.types.map(webhookType),
    acknowledgement: endpoint.acknowledgement,
    signature: signatureOf(endpoint.secret),
    health,
    createdAt: moment(endpoint.createdAt),
  }
}

export function presentDelivery(delivery: Delivery) {
  const { id, type, state, attempts, lastStatus, createdAt } = delivery
  return {
    id: typedId('whd', id),
    type: webhookType(type),
    state,
    attempts,
    lastStatus,
    nextAt: state === 'pending' ? moment(Math.max(delivery.nextAt, createdAt)) : null,
    createdAt: moment(createdAt),
  }
}
