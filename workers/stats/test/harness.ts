import type { EventData } from '@stoa/contracts'
import { createIds, secureRandom, systemClock, typedId } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

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

export async function countsOf(kind: 'member' | 'product', id: string): Promise<unknown> {
  const typed = typedId(kind === 'member' ? 'usr' : 'prd', id)
  const response = await get(`/v1/stats/${kind}/${typed}`)
  const { counts } = (await response.json()) as { counts: unknown }
  return counts
}

const databases = new URL(inject('stoaEnv')['META_URL'] ?? '').origin

/** How often the request went to a database, by the database server's own meter. */
export async function roundTripsOf(requestId: string): Promise<number> {
  const response = await fetch(`${databases}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}

/** Spoils the next requests to a database that match. */
export async function spoil(fault: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${databases}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(fault),
  })
  if (!response.ok) throw new Error(await response.text())
}
