import { openKeyspace } from '@stoa/adapters/keyspace'
import type { EventData, EventType } from '@stoa/contracts'
import {
  createIds,
  rootCall,
  secureRandom,
  slotOfId,
  type SqlValue,
  systemClock,
} from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

const env = inject('stoaEnv')
const listenerUrl = inject('listenerUrl')
const publicUrl = 'http://127.0.0.1:9'
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

export const ids = createIds({ clock: systemClock, random: secureRandom })

/** Reads the worker's own databases. */
const access = openKeyspace({
  keyspace: 'notifier',
  database: { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' },
  queue: { publish: async () => [] },
  publicUrl,
  defer: () => undefined,
  report: () => undefined,
})

export function newId(): string {
  return ids.root(crypto.randomUUID())
}

export function told<T extends EventType>(type: T, data: EventData<T>): StoaEvent<T> {
  return newEvent(ids, type, { key: newId(), seq: 1, at: Date.now(), cause: 'test', data })
}

export function confirmed(...sellers: string[]): StoaEvent<'order.confirmed'> {
  const lines = [{ product: newId(), quantity: 2 }]
  const sum = { lines, totalMinor: 500, currency: 'EUR' }
  return told('order.confirmed', { order: newId(), buyer: newId(), sellers, ...sum })
}

export function due(delivery: string): StoaEvent<'delivery.due'> {
  return told('delivery.due', { delivery })
}

/** The answer to a signed delivery of `events`. */
export async function deliver(
  events: readonly StoaEvent[],
  requestId: string = crypto.randomUUID(),
) {
  const request = await deliveryOf('notifier', events, publicUrl)
  request.headers.set('x-request-id', requestId)
  const response = await exports.default.fetch(request)
  await response.body?.cancel()
  return { status: response.status, retryAfter: response.headers.get('retry-after') }
}

export function tokenOf(member: string): string {
  return `Bearer ${member}.${'0'.repeat(64)}`
}

type Answer = { readonly response: Response; readonly body: Record<string, unknown> }

async function send(path: string, init: RequestInit): Promise<Answer> {
  const response = await exports.default.fetch(new Request(`http://notifier${path}`, init))
  return { response, body: (await response.json()) as Record<string, unknown> }
}

export function createEndpoint(
  member: string,
  body: unknown,
  key: string = crypto.randomUUID(),
): Promise<Answer> {
  const headers = {
    authorization: tokenOf(member),
    'content-type': 'application/json',
    'idempotency-key': key,
  }
  return send('/v1/webhook-endpoints', { method: 'POST', headers, body: JSON.stringify(body) })
}

export async function listDeliveries(member: string, endpoint: string, query = '') {
  const requestId = crypto.randomUUID()
  const { response, body } = await send(`/v1/webhook-endpoints/${endpoint}/deliveries${query}`, {
    headers: { authorization: tokenOf(member), 'x-request-id': requestId },
  })
  return { response, body, requestId }
}

/** A member with an endpoint that answers by `script`. */
export async function merchant(script = '200', types = ['order.confirmed']) {
  const member = newId()
  const name = crypto.randomUUID()
  const url = `${listenerUrl}/hook/${name}/${script}`
  const { body } = await createEndpoint(member, { url, types })
  const endpoint = String(body['id'])
  return { member, name, url, endpoint, secret: String(body['secret']) }
}

export type Heard = { readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** What came in at the merchant's. */
export async function heardBy(name: string): Promise<readonly Heard[]> {
  const response = await fetch(`${listenerUrl}/heard/${name}`)
  return (await response.json()) as readonly Heard[]
}

async function rows(member: string, sql: string, args: readonly SqlValue[]) {
  const answer = await access.router.read(slotOfId(member), { sql, args }, rootCall('test'))
  return answer.rows
}

/** The deliveries of the member's only endpoint, oldest first: id, state, attempts, last status. */
export function deliveriesOf(member: string) {
  const sql = `SELECT d.id, d.state, d.attempts, d.last_status FROM delivery d
JOIN webhook_endpoint e ON e.id = d.endpoint WHERE e.member = ? ORDER BY d.id LIMIT 1000`
  return rows(member, sql, [member])
}

/** The deliveries that an event in the outbox asks for. */
export async function dueOf(member: string): Promise<readonly string[]> {
  const sql = `SELECT payload ->> 'delivery' AS delivery FROM outbox WHERE type = 'delivery.due'
AND okey IN (SELECT d.id FROM delivery d JOIN webhook_endpoint e ON e.id = d.endpoint WHERE e.member = ?)
ORDER BY id LIMIT 1000`
  return (await rows(member, sql, [member])).map(([id]) => String(id))
}

/** An event has been told, and this is the delivery that it led to. */
export async function planned(member: string): Promise<string> {
  await deliver([confirmed(member)])
  const [id = ''] = (await dueOf(member)).slice(-1)
  return id
}

/** How often the request went to a database, by the database server's own meter. */
export async function roundTripsOf(requestId: string): Promise<number> {
  const response = await fetch(`${libsqlUrl}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}

/** Spoils the next requests to a database that match. */
export async function spoil(fault: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${libsqlUrl}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(fault),
  })
  if (!response.ok) throw new Error(await response.text())
}
