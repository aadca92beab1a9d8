import { openKeyspace } from '@stoa/adapters/keyspace'
import { clientOf, type EventData, type EventType } from '@stoa/contracts'
import { notifier } from '@stoa/contracts/notifier'
import {
  createIds,
  parseTypedId,
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

import { createNotifier } from '../src/app.ts'

const env = inject('stoaEnv')
const listenerUrl = inject('listenerUrl')
const publicUrl = 'http://127.0.0.1:9'
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

export const ids = createIds({ clock: systemClock, random: secureRandom })

/** The worker's own databases. */
export const access = openKeyspace({
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

/** What becomes of a confirmed order that is cancelled. */
export function cancellationOf({
  data,
}: StoaEvent<'order.confirmed'>): StoaEvent<'order.cancelled'> {
  return told('order.cancelled', { ...data, by: 'buyer' })
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

type Asked = { readonly body?: unknown; readonly method?: string; readonly key?: string }

type Answer = { readonly response: Response; readonly body: Record<string, unknown> }

async function send(path: string, init: RequestInit): Promise<Answer> {
  const response = await exports.default.fetch(new Request(`http://notifier${path}`, init))
  const text = await response.text()
  return { response, body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> }
}

/** A request of `member`; with a body it is a POST. */
export function ask(
  member: string,
  path: string,
  { body, method = body === undefined ? 'GET' : 'POST', key = crypto.randomUUID() }: Asked = {},
): Promise<Answer> {
  const headers = { authorization: tokenOf(member), 'idempotency-key': key }
  if (body === undefined) return send(path, { method, headers })
  const json = { ...headers, 'content-type': 'application/json' }
  return send(path, { method, headers: json, body: JSON.stringify(body) })
}

export function createEndpoint(member: string, body: unknown, key?: string): Promise<Answer> {
  return ask(member, '/v1/webhook-endpoints', { body, ...(key === undefined ? {} : { key }) })
}

export async function listDeliveries(member: string, endpoint: string, query = '') {
  const requestId = crypto.randomUUID()
  const { response, body } = await send(`/v1/webhook-endpoints/${endpoint}/deliveries${query}`, {
    headers: { authorization: tokenOf(member), 'x-request-id': requestId },
  })
  return { response, body, requestId }
}

/** A member with an endpoint that answers by `script`. */
export async function merchant(
  script = '200',
  types = ['order.confirmed'],
  more: object = {},
  member: string = newId(),
) {
  const name = crypto.randomUUID()
  const url = `${listenerUrl}/hook/${name}/${script}`
  const { body } = await createEndpoint(member, { url, types, ...more })
  const endpoint = String(body['id'])
  return { member, name, url, endpoint, secret: String(body['secret']) }
}

export type Heard = { readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** What came in at the merchant's. */
export async function heardBy(name: string): Promise<readonly Heard[]> {
  const response = await fetch(`${listenerUrl}/heard/${name}`)
  return (await response.json()) as readonly Heard[]
}

export async function rows(member: string, sql: string, args: readonly SqlValue[]) {
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

/** Replays that events in the outbox ask for, and that nobody has applied yet. */
export async function eventsAsked(endpoint: string): Promise<readonly StoaEvent[]> {
  const id = parseTypedId('whe', endpoint)
  const sql = `SELECT o.id, o.okey, o.seq, o.created_at, o.payload FROM outbox AS o
WHERE o.type = 'endpoint.replay_asked' AND o.payload ->> 'endpoint' = ?
AND NOT EXISTS (SELECT 1 FROM inbox AS i WHERE i.event_id = o.id) ORDER BY o.id LIMIT 100`
  return (await rows(id, sql, [id])).map(([event, key, seq, at, payload]) => ({
    id: String(event),
    type: 'endpoint.replay_asked',
    key: String(key),
    seq: Number(seq),
    at: Number(at),
    cause: 'test',
    data: JSON.parse(String(payload)) as EventData<'endpoint.replay_asked'>,
  }))
}

/** An event has been told, and this is the delivery that it led to. */
export async function planned(member: string): Promise<string> {
  await deliver([confirmed(member)])
  const [id = ''] = (await deliveriesOf(member)).map(([each]) => String(each)).slice(-1)
  return id
}

/** As if whoever makes attempts of the member's had died, and his leases had run out. */
export async function endLeases(member: string): Promise<void> {
  const sql = `UPDATE delivery SET lease_until = 0
WHERE endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)`
  await access.router.write(slotOfId(member), [{ sql, args: [member] }], rootCall('test'))
}

/** As if the member's deliveries had been made at `at`. */
export async function beginAt(member: string, at: number): Promise<void> {
  const sql = `UPDATE delivery SET begun_at = ?
WHERE endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)`
  await access.router.write(slotOfId(member), [{ sql, args: [at, member] }], rootCall('test'))
}

/** As if the member's deliveries and their next attempts had been `ms` ago. */
export async function ageDeliveries(member: string, ms: number): Promise<void> {
  const sql = `UPDATE delivery SET created_at = created_at - ?, next_at = ? - ?
WHERE endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)`
  const args = [ms, Date.now(), ms, member]
  await access.router.write(slotOfId(member), [{ sql, args }], rootCall('test'))
}

/** A tick of the cron; how many deliveries it took up. */
export async function sweepOverdue(): Promise<number> {
  const fetcher = () => () => Promise.reject(new Error('no service is asked'))
  const service = createNotifier(env, { fetcher, defer: () => undefined })
  const routes = clientOf(notifier, (request) => service.fetch(request))
  return (await routes.sweepDeliveries({ body: {} }, rootCall('test'))).taken
}

/** As if the time of the member's next attempts had come. */
export async function letTimePass(member: string): Promise<void> {
  const sql = `UPDATE delivery SET next_at = 1
WHERE endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?) AND state = 'pending'`
  await access.router.write(slotOfId(member), [{ sql, args: [member] }], rootCall('test'))
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
