import { notifier } from '@stoa/contracts/notifier'
import { formatCursor, readCursor, type Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'
import { newEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { createEndpoint } from '../domain/create-endpoint.ts'
import { EndpointGoneError, EndpointNotFoundError } from '../domain/endpoint.ts'
import { rotateSecret } from '../domain/rotate-secret.ts'
import { signatureOf, verificationOf } from '../domain/sign.ts'
import { moment, presentDelivery, presentEndpoint } from './present.ts'

const hourMs = 3_600_000

export function serveEndpoints(service: Service, deps: Deps): void {
  service.serve(notifier.createWebhookEndpoint, async ({ body }, context) => {
    const [once, member] = await Promise.all([context.once(), context.member()])
    const { url, types, acknowledgement = 'status', signature = 'v1' } = body
    const request = { once, member, url, types, acknowledgement, signature }
    const { reply, replayed } = await createEndpoint(deps, request, context.call)
    if (replayed) context.replayed()
    return { ...presentEndpoint(reply, 'healthy'), ...verificationOf(reply.secret) }
  })

  service.serve(notifier.listWebhookEndpoints, async (_input, { call, member }) => {
    const found = await deps.endpoints.ofMember(await member(), call)
    return {
      items: found.map((each) => presentEndpoint(each, each.isActive ? each.health : 'gone')),
    }
  })

  service.serve(notifier.rotateWebhookSecret, async ({ params, body }, context) => {
    const [once, member] = await Promise.all([context.once(), context.member()])
    const endpoint = parseTypedId('whe', params.endpoint)
    const overlapMs = body.overlapHours * hourMs
    const request = { once, member, endpoint, signature: body.signature, overlapMs }
    const { reply, replayed } = await rotateSecret(deps, request, context.call)
    if (replayed) context.replayed()
    return {
      ...verificationOf(reply.secret),
      signature: signatureOf(reply.secret),
      previousUntil: moment(reply.previousUntil),
    }
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

  service.serve(notifier.replayDeliveries, async ({ params, body }, context) => {
    const endpoint = parseTypedId('whe', params.endpoint)
    const [once, member, found] = await Promise.all([
      context.once(),
      context.member(),
      deps.endpoints.find(endpoint, context.call),
    ])
    if (found === undefined || found.member !== member) throw new EndpointNotFoundError()
    if (!found.isActive) throw new EndpointGoneError()
    const { since, all } = body
    const event = newEvent(deps.ids, 'endpoint.replay_asked', {
      key: deps.ids.child(endpoint),
      seq: 1,
      at: deps.clock.now(),
      cause: context.call.requestId,
      data: { endpoint, since: Math.max(0, Date.parse(since)), all, after: 0 },
    })
    if (await deps.endpoints.askReplay(once, event, context.call)) context.replayed()
    return { since, all }
  })
}
