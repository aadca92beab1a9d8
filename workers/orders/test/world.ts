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
import {
  catalogDouble,
  type Held,
  type OfferedProduct,
  paymentsDouble,
  usersDouble,
  warehouseDouble,
} from './doubles.ts'

const env = inject('stoaEnv')
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

export const ids = createIds({ clock: systemClock, random: secureRandom })

const deferred: Promise<unknown>[] = []
afterAll(() => Promise.allSettled(deferred))

type Neighbour = 'users' | 'catalog' | 'warehouse' | 'payments'
type Answering = () => Promise<Response>
type Hooks = {
  users?: () => Promise<unknown>
  catalog?: () => Promise<unknown>
  /** In the way of every call of a neighbour: it may come before, after, twice, or never. */
  fetch?: (name: Neighbour, answer: Answering) => Promise<Response>
}

/** What is offered now, and what happens before a double answers. */
export const offers = new Map<string, OfferedProduct>()
export const calls = { users: 0, catalog: 0, warehouse: 0, payments: 0 }
export const hooks: Hooks = {}

/** How many units there are of a product, by raw id; of others there are enough. */
export const stock = new Map<string, number>()
/** Orders whose payer has done what was asked for. */
export const answered = new Set<string>()
/** What the participants hold for sagas. */
export const reserved = new Map<string, Held>()
export const paid = new Map<string, Held>()

const doubles = {
  users: async (request: Request) => usersDouble(request),
  catalog: async (request: Request) => catalogDouble(offers)(request),
  warehouse: warehouseDouble(stock, reserved),
  payments: paymentsDouble(answered, paid),
}

function isNeighbour(name: string): name is Neighbour {
  return Object.hasOwn(doubles, name)
}

/** The orders service in an isolate of its own, as far as an isolate is its memory. */
export function startService(options: Parameters<typeof createOrders>[2] = {}): Service {
  const links: Parameters<typeof createOrders>[1] = {
    defer: (work) => deferred.push(work),
    fetcher: (name) => async (request) => {
      if (!isNeighbour(name)) throw new Error(`there is no ${name} here`)
      calls[name] += 1
      if (name === 'users') await hooks.users?.()
      if (name === 'catalog') await hooks.catalog?.()
      // A request can be read once, and a hook may let it come twice.
      const answer = () => doubles[name](request.clone())
      return hooks.fetch === undefined ? answer() : hooks.fetch(name, answer)
    },
  }
  return createOrders(env, links, options)
}

/** Resolves when what was begun after answers has ended. */
export async function quiet(): Promise<void> {
  for (let seen = -1; seen !== deferred.length;) {
    seen = deferred.length
    await Promise.allSettled(deferred)
  }
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

type Placing = Ask & { readonly key?: string; readonly token?: string; readonly quote?: string }

export function order(who: Person, cart: OpenCart, more: Placing = {}) {
  const cartToken = cart.headers['x-cart-token']
  const { token = 'tok_good', quote } = more
  return ask('POST', '/v1/orders', {
    headers: { ...who.headers, ...key(more.key), ...more.headers },
    body: {
      cart: cart.id,
      payment: { token },
      ...(cartToken === undefined ? {} : { cartToken }),
      ...(quote === undefined ? {} : { quote }),
    },
    ...(more.from === undefined ? {} : { from: more.from }),
  })
}

export type Placed = { readonly id: string; readonly raw: string; readonly buyer: Person }

/** An order of `products`, one of each. */
export async function placed(
  products: readonly OfferedProduct[],
  how: Placing = {},
): Promise<Placed> {
  const buyer = member()
  const cart = await cartOf(buyer)
  for (const product of products) await put(cart, product)
  const { body } = await order(buyer, cart, how)
  return { id: String(body['id']), raw: String(body['id']).replace('ord_', ''), buyer }
}

/** Cancels an order, as its buyer or as an operator. */
export function cancel(
  { id, buyer }: Placed,
  { key: text, headers = {}, from }: Pick<Placing, 'key' | 'headers' | 'from'> = {},
): Promise<Reply> {
  const door = headers['authorization'] === undefined ? 'cancel' : 'operator-cancel'
  return ask('POST', `/v1/orders/${id}/${door}`, {
    headers: { ...buyer.headers, ...key(text), ...headers },
    body: {},
    ...(from === undefined ? {} : { from }),
  })
}

export const operator = { authorization: `Bearer ${env['OPERATOR_TOKEN'] ?? ''}` }

/** The saga that cancels an order, or last tried to. */
export async function cancellerOf(orderId: string): Promise<string> {
  const rows = await rowsEverywhere('SELECT saga FROM order_cancellation WHERE order_id = ?', [
    orderId,
  ])
  return String(rows[0]?.[0] ?? '')
}

/** What the payments service says of money of an order. */
export function moneySaid(
  type: 'payment.captured' | 'payment.voided' | 'payment.refunded' | 'payment.charged_back',
  { raw, buyer }: Pick<Placed, 'raw' | 'buyer'>,
  fact: { readonly payment: string; readonly operation: string; readonly amountMinor: number },
): StoaEvent {
  const data = { ...fact, buyer: buyer.id, order: raw, currency: 'EUR' }
  return newEvent(ids, type, { key: fact.payment, seq: 2, at: Date.now(), cause: 'test', data })
}

/** What the payments service says of an order's payment. */
export function paymentSaid(
  type: 'payment.authorised' | 'payment.declined',
  made: Placed,
): StoaEvent {
  const payment = ids.child(made.buyer.id)
  const fact = { payment, buyer: made.buyer.id, order: made.raw, amountMinor: 1, currency: 'EUR' }
  const data = { ...fact, operation: 'authorise', code: 'x' }
  return newEvent(ids, type, { key: payment, seq: 1, at: Date.now(), cause: 'test', data })
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

/** Writes rows of one table in all databases of the keyspace, as time or a crash would leave them. */
export async function writeEverywhere(sql: string, args: readonly SqlValue[]): Promise<void> {
  const call = rootCall('test')
  const database = { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }
  const shards = (await allShards(database, call)).filter(({ name }) => name.startsWith('orders-'))
  await Promise.all(shards.map((each) => each.batch([{ sql, args }], 'write', call)))
}

/** How many units of a product the warehouse holds for orders, by how they stand. */
export function unitsOf(product: string): Readonly<Partial<Record<Held['state'], number>>> {
  const mine = [...reserved.values()].filter((each) => each.product === typedId('prd', product))
  const units: Partial<Record<Held['state'], number>> = {}
  for (const { state, quantity = 0 } of mine) units[state] = (units[state] ?? 0) + quantity
  return units
}

/** Lets so much time pass for an order that its lease has ended and it is due. */
export function letTimePass(orderId: string): Promise<void> {
  return writeEverywhere('UPDATE saga SET lease_until = 0, next_at = 0 WHERE id = ?', [orderId])
}

export function letDeadlinePass(orderId: string): Promise<void> {
  return writeEverywhere('UPDATE saga SET deadline = 1 WHERE id = ?', [orderId])
}

/** Sweeps as the cron does. */
export async function sweep(from: Service = service): Promise<Reply['body']> {
  return (await ask('POST', '/internal/orders/sweeps', { body: {}, from })).body
}

/** Sweeps until an order has ended. */
export async function untilEnded(orderId: string, from: Service = service): Promise<void> {
  for (let tries = 0; tries < 20; tries += 1) {
    await letTimePass(orderId)
    await sweep(from)
    const rows = await rowsEverywhere('SELECT finished_at FROM saga WHERE id = ?', [orderId])
    if (rows[0]?.[0] !== null) return
  }
  throw new Error(`order ${orderId} does not end`)
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

/** Spoils the next request to the databases that matches. */
export async function spoil(rule: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${libsqlUrl}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(rule),
  })
  if (response.status !== 201) throw new Error(await response.text())
  await response.body?.cancel()
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
