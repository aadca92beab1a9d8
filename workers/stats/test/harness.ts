import { upstashRedis } from '@stoa/adapters/upstash-redis'
import type { EventData } from '@stoa/contracts'
import { createIds, secureRandom, systemClock, typedId } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

const env = inject('stoaEnv')

const [url = env['REDIS_URL'] ?? '', token = env['REDIS_TOKEN'] ?? ''] =
  env['CACHE_DATABASES']?.split(' ') ?? []

/** The database of the hot view, as the service finds it. */
export const hot = upstashRedis({ name: 'hot', url, token })

export const ids = createIds({ clock: systemClock, random: secureRandom })

/** A member or product nobody has counted yet. */
export function subject(): string {
  return ids.root(crypto.randomUUID())
}

function sourceOf(key: string) {
  return { key, seq: 1, at: systemClock.now(), cause: 'test' }
}

export function postCreated(author: string): StoaEvent {
  const post = ids.child(author)
  const createdAt = systemClock.now()
  const data = { post, author, text: 'Hello.', createdAt }
  return newEvent(ids, 'post.created', { ...sourceOf(post), data })
}

export function confirmed(
  buyer: string,
  lines: EventData<'order.confirmed'>['lines'],
): StoaEvent<'order.confirmed'> {
  const order = ids.child(buyer)
  const data = { order, buyer, sellers: [], lines, totalMinor: 100, currency: 'EUR' }
  return newEvent(ids, 'order.confirmed', { ...sourceOf(order), data })
}

export function rejected(buyer: string): StoaEvent {
  const order = ids.child(buyer)
  const data = { order, buyer, sellers: [], release: [], missing: [] }
  return newEvent(ids, 'order.rejected', { ...sourceOf(order), data })
}

/** What becomes of a confirmed order that is cancelled. */
export function cancelled(order: StoaEvent<'order.confirmed'>): StoaEvent {
  const data = { ...order.data, by: 'buyer' as const }
  return newEvent(ids, 'order.cancelled', { ...sourceOf(data.order), seq: 3, data })
}

/** What wakes the drainer. */
export function waiting(): StoaEvent {
  return newEvent(ids, 'counts.waiting', { ...sourceOf(subject()), data: {} })
}

export async function deliver(events: readonly StoaEvent[], requestId = crypto.randomUUID()) {
  const request = await deliveryOf('stats', events, 'http://127.0.0.1:9')
  request.headers.set('x-request-id', requestId)
  const response = await exports.default.fetch(request)
  await response.body?.cancel()
  return response.status
}

export function get(path: string, requestId: string = crypto.randomUUID()): Promise<Response> {
  return exports.default.fetch(
    new Request(`http://stats${path}`, { headers: { 'x-request-id': requestId } }),
  )
}

export type KindName = 'member' | 'product' | 'post'

const prefixes = { member: 'usr', product: 'prd', post: 'pst' } as const

/** The id of a subject as the API spells it. */
export function typed(kind: KindName, id: string): string {
  return typedId(prefixes[kind], id)
}

export async function countsOf(kind: KindName, id: string): Promise<unknown> {
  const response = await get(`/v1/stats/${kind}/${typed(kind, id)}`)
  const { counts } = (await response.json()) as { counts: unknown }
  return counts
}

export async function read<T>(path: string): Promise<T> {
  const response = await get(path)
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

export function send(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return exports.default.fetch(
    new Request(`http://stats${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  )
}

/** Reports, and what was counted of them; the flush is under way when this returns. */
export async function report(...events: readonly object[]): Promise<unknown> {
  const response = await send('/v1/events', { events })
  return { status: response.status, ...((await response.json()) as object) }
}

/** Moves what the logs hold into the databases; answers what it did. */
export async function drain(): Promise<Readonly<Record<string, unknown>>> {
  const authorization = `Bearer ${env['OPERATOR_TOKEN'] ?? ''}`
  const response = await send('/v1/stats/drain', undefined, { authorization })
  return (await response.json()) as Readonly<Record<string, unknown>>
}

const databases = new URL(env['META_URL'] ?? '').origin
const redis = new URL(env['REDIS_URL'] ?? '').origin

async function tripsTo(server: string, requestId: string): Promise<number> {
  const response = await fetch(`${server}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}

/** How often the request went to a database, by the database server's own meter. */
export function roundTripsOf(requestId: string): Promise<number> {
  return tripsTo(databases, requestId)
}

/** How often it went to Redis. */
export function redisTripsOf(requestId: string): Promise<number> {
  return tripsTo(redis, requestId)
}

/** Spoils the next requests to a server that match. */
export async function spoil(
  fault: Readonly<Record<string, unknown>>,
  server: 'databases' | 'redis' = 'databases',
): Promise<void> {
  const response = await fetch(`${server === 'redis' ? redis : databases}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(fault),
  })
  if (!response.ok) throw new Error(await response.text())
}
