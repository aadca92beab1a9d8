import { allShards } from '@stoa/adapters/keyspace'
import type { Service } from '@stoa/http'
import {
  createIds,
  rootCall,
  secureRandom,
  type SqlValue,
  systemClock,
  typedId,
} from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { afterAll, inject } from 'vitest'

import { createOrders } from '../src/app.ts'
import { catalogDouble, type OfferedProduct, usersDouble } from './doubles.ts'

const env = inject('stoaEnv')
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

export const ids = createIds({ clock: systemClock, random: secureRandom })

const deferred: Promise<unknown>[] = []
afterAll(() => Promise.allSettled(deferred))

type Hooks = { users?: () => Promise<unknown>; catalog?: () => Promise<unknown> }

/** What is offered now, and what happens before a double answers. */
export const offers = new Map<string, OfferedProduct>()
export const calls = { users: 0, catalog: 0 }
export const hooks: Hooks = {}

/** The orders service in an isolate of its own, as far as an isolate is its memory. */
export function startService(): Service {
  const catalog = catalogDouble(offers)
  return createOrders(env, {
    defer: (work) => deferred.push(work),
    fetcher: (name) => async (request) => {
      if (name === 'users') {
        calls.users += 1
        await hooks.users?.()
        return usersDouble(request)
      }
      calls.catalog += 1
      await hooks.catalog?.()
      return catalog(request)
    },
  })
}

export const service = startService()

export function offer(change: Partial<OfferedProduct> = {}): OfferedProduct {
  const product = ids.root(crypto.randomUUID())
  const made = { product, title: 'A book', priceMinor: 1_000, currency: 'EUR', seller: null }
  const offered = { ...made, ...change }
  offers.set(offered.product, offered)
  return offered
}

export type Person = { readonly id: string; readonly headers: Readonly<Record<string, string>> }

export function member(): Person {
  const id = ids.root(crypto.randomUUID())
  return { id, headers: { authorization: `Bearer ${id}.${'0'.repeat(64)}` } }
}

export const guest: Pick<Person, 'headers'> = { headers: {} }

export type Reply = {
  readonly response: Response
  readonly text: string
  readonly body: Record<string, unknown>
}

export type Ask = {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly from?: Service
}

export async function ask(method: string, path: string, what: Ask = {}): Promise<Reply> {
  const { headers = {}, body, from = service } = what
  const response = await from.fetch(
    new Request(`http://orders${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  )
  const text = await response.text()
  return { response, text, body: text === '' ? {} : (JSON.parse(text) as Reply['body']) }
}

export function key(text: string = crypto.randomUUID()) {
  return { 'idempotency-key': text }
}

export type OpenCart = {
  readonly path: string
  readonly id: string
  readonly headers: Person['headers']
}

/** An open cart, with the headers that may use it. */
export async function cartOf(who: Pick<Person, 'headers'>): Promise<OpenCart> {
  const { body } = await ask('POST', '/v1/carts', {
    headers: { ...who.headers, ...key() },
    body: {},
  })
  const token = body['token']
  const headers = typeof token === 'string' ? { 'x-cart-token': token } : who.headers
  return { id: String(body['id']), path: `/v1/carts/${String(body['id'])}`, headers }
}

/** Sets `quantity` of a product; `more` are headers beside those of the cart. */
export function put(
  cart: OpenCart,
  { product }: OfferedProduct,
  { quantity = 1, more = {} }: { quantity?: number; more?: Person['headers'] } = {},
): Promise<Reply> {
  const path = `${cart.path}/items/${typedId('prd', product)}`
  return ask('PUT', path, { headers: { ...cart.headers, ...more }, body: { quantity } })
}

export function order(who: Person, cart: OpenCart, more: Ask & { readonly key?: string } = {}) {
  const token = cart.headers['x-cart-token']
  return ask('POST', '/v1/orders', {
    headers: { ...who.headers, ...key(more.key), ...more.headers },
    body: { cart: cart.id, ...(token === undefined ? {} : { cartToken: token }) },
    ...(more.from === undefined ? {} : { from: more.from }),
  })
}

export type Placed = { readonly id: string; readonly raw: string; readonly buyer: Person }

/** A pending order of `products`, one of each. */
export async function placed(products: readonly OfferedProduct[]): Promise<Placed> {
  const buyer = member()
  const cart = await cartOf(buyer)
  for (const product of products) await put(cart, product)
  const { body } = await order(buyer, cart)
  return { id: String(body['id']), raw: String(body['id']).replace('ord_', ''), buyer }
}

/** What the warehouse says of one line. */
export function said(
  type: 'stock.reserved' | 'stock.refused',
  orderId: string,
  { product }: OfferedProduct,
): StoaEvent {
  return newEvent(ids, type, {
    key: product,
    seq: 1,
    at: Date.now(),
    cause: 'test',
    data: { order: orderId, product, quantity: 1 },
  })
}

export async function deliver(
  events: readonly StoaEvent[],
  to: Service = service,
): Promise<Response> {
  return to.fetch(await deliveryOf('orders', events, 'http://127.0.0.1:9'))
}

/** The rows of one SELECT over all databases of the keyspace. */
export async function rowsEverywhere(
  sql: string,
  args: readonly SqlValue[],
): Promise<readonly (readonly SqlValue[])[]> {
  const call = rootCall('test')
  const database = { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }
  const shards = (await allShards(database, call)).filter(({ name }) => name.startsWith('orders-'))
  const answers = await Promise.all(shards.map((each) => each.batch([{ sql, args }], 'read', call)))
  return answers.flatMap(([rows]) => rows?.rows ?? [])
}

/** The events that an order has said, in order. */
export async function eventsOf(orderId: string) {
  const rows = await rowsEverywhere(
    'SELECT type, seq, payload FROM outbox WHERE okey = ? ORDER BY seq',
    [orderId],
  )
  return rows.map(([type, seq, payload]) => ({
    type,
    seq,
    data: JSON.parse(String(payload)) as Record<string, unknown>,
  }))
}

/** Spoils the next request to the databases that matches; answers the name of the rule. */
export async function spoil(rule: Readonly<Record<string, unknown>>): Promise<string> {
  const response = await fetch(`${libsqlUrl}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(rule),
  })
  if (response.status !== 201) throw new Error(await response.text())
  return ((await response.json()) as { id: string }).id
}

/** Resolves when the rule has met all its requests. */
export async function untilSpoilt(rule: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${libsqlUrl}/_local/faults`)
    const { faults } = (await response.json()) as { faults: { id: string; times: number }[] }
    if (faults.find(({ id }) => id === rule)?.times === 0) return
  }
}

/** How many requests to the databases a request id has caused so far. */
export async function roundTripsOf(requestId: string): Promise<number> {
  const response = await fetch(`${libsqlUrl}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}

/** Resolves when a request has asked the databases `count` times; a service that waits for more never gets so far. */
export async function untilRoundTrips(requestId: string, count: number): Promise<void> {
  while ((await roundTripsOf(requestId)) < count) await Promise.resolve()
}
