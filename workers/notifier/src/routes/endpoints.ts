import { notifier, webhookTypes } from '@stoa/contracts/notifier'
import { formatCursor, readCursor, type Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { createEndpoint } from '../domain/create-endpoint.ts'
import type { Delivery } from '../domain/delivery.ts'
import { type Endpoint, EndpointNotFoundError } from '../domain/endpoint.ts'

type WebhookType = (typeof webhookTypes)[number]

/** What the column holds, as the contract names it; rows are written only with types of the contract. */
function isWebhookType(type: string): type is WebhookType {
  return webhookTypes.some((each) => each === type)
}

function present({ id, url, types, secret, createdAt }: Endpoint) {
  return {
    id: typedId('whe', id),
    url,
    types: types.filter(isWebhookType),
    secret,
    createdAt: new Date(createdAt).toISOString(),
  }
}

function presentDelivery({ id, type, state, attempts, lastStatus, createdAt }: Delivery) {
  return {
    id: typedId('whd', id),
    type: type as WebhookType,
    state,
    attempts,
    lastStatus,
    createdAt: new Date(createdAt).toISOString(),
  }
}

export function serveEndpoints(service: Service, deps: Deps): void {
  service.serve(notifier.createWebhookEndpoint, async ({ body }, context) => {
    const [once, member] = await Promise.all([context.once(), context.member()])
    const request = { once, member, url: body.url, types: body.types }
    const { reply, replayed } = await createEndpoint(deps, request, context.call)
    if (replayed) context.replayed()
    return present(reply)
  })

  service.serve(notifier.listDeliveries, async ({ params, query }, { call, member }) => {
    const before = query.cursor === undefined ? undefined : readCursor(query.cursor)
    // One more than the page, which tells whether there is a next.
    const stretch = { before, limit: query.limit + 1 }
    const [caller, found] = await Promise.all([
      member(),
      deps.deliveries.list(parseTypedId('whe', params.endpoint), stretch, call),
    ])
    if (found === undefined || found.member !== caller) throw new EndpointNotFoundError()
    const items = found.deliveries.slice(0, query.limit)
    const last = items.at(-1)
    const hasNext = found.deliveries.length > items.length && last !== undefined
    return {
      items: items.map(presentDelivery),
      ...(hasNext ? { next: formatCursor(last.id) } : {}),
    }
  })
}
