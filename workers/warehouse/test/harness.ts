import { openKeyspace } from '@stoa/adapters/keyspace'
import type { EventData, EventType } from '@stoa/contracts'
import {
  createIds,
  rootCall,
  secureRandom,
  slotOfId,
  type SqlValue,
  systemClock,
  typedId,
} from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

import { reservationId } from '../src/domain/derived-id.ts'

const env = inject('stoaEnv')
const publicUrl = 'http://127.0.0.1:9'
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

/** How often a delivery is sent before the test gives up; the queue would go on for longer. */
const deliveriesMax = 20

export const ids = createIds({ clock: systemClock, random: secureRandom })

/** Reads the worker's own databases. */
const access = openKeyspace({
  keyspace: 'warehouse',
  database: { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' },
  queue: { publish: async () => [] },
  publicUrl,
  defer: () => undefined,
  report: () => undefined,
})

/** An id at a place of its own, like that of any root entity. */
export function newId(): string {
  return ids.root(crypto.randomUUID())
}

/** An event of another service; `id` says which, so that the same one can be told twice. */
export function told<T extends EventType>(type: T, data: EventData<T>): StoaEvent<T> {
  return newEvent(ids, type, { key: newId(), seq: 1, at: Date.now(), cause: 'test', data })
}

export function placed(
  order: string,
  lines: readonly { readonly product: string; readonly quantity: number }[],
): StoaEvent<'order.placed'> {
  return told('order.placed', { order, buyer: newId(), lines: [...lines] })
}

export function rejected(
  order: string,
  release: readonly { readonly product: string; readonly quantity: number }[],
): StoaEvent<'order.rejected'> {
  const nobody = { buyer: newId(), sellers: [], missing: [] }
  return told('order.rejected', { order, release: [...release], ...nobody })
}

export function created(product: string, stock: number): StoaEvent<'product.created'> {
  const about = { seller: null, category: 'c', title: 't', priceMinor: 1, currency: 'EUR' }
  return told('product.created', { product, stock, ...about })
}

export function goods(
  receipt: string,
  lines: readonly { readonly product: string; readonly received: number }[],
): StoaEvent<'goods.received'> {
  return told('goods.received', { purchaseOrder: newId(), receipt, lines: [...lines] })
}

export async function deliverOnce(
  events: readonly unknown[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const request = await deliveryOf('warehouse', events, publicUrl)
  for (const [name, value] of Object.entries(headers)) request.headers.set(name, value)
  return exports.default.fetch(request)
}

/** Delivers until the service has taken it, as the queue does. */
export async function deliver(...events: readonly StoaEvent[]): Promise<void> {
  let status = 0
  for (let tries = 0; tries < deliveriesMax; tries += 1) {
    const response = await deliverOnce(events)
    if (response.ok) return
    status = response.status
  }
  throw new Error(`Cannot deliver: the last answer was ${status}`)
}

export async function getStock(product: string): Promise<{ status: number; body: unknown }> {
  const url = `http://warehouse/v1/stock/${typedId('prd', product)}`
  const response = await exports.default.fetch(new Request(url))
  return { status: response.status, body: await response.json() }
}

export async function select(
  product: string,
  sql: string,
  args: readonly SqlValue[],
): Promise<readonly (readonly SqlValue[])[]> {
  const { rows } = await access.router.read(slotOfId(product), { sql, args }, rootCall('test'))
  return rows
}

/** The outcomes that were told of an order's wish for a product. */
export async function outcomes(product: string, order: string): Promise<readonly SqlValue[]> {
  const sql = 'SELECT type FROM outbox WHERE okey = ?'
  const rows = await select(product, sql, [reservationId(product, order)])
  return rows.map(([type]) => type ?? null)
}

export async function stateOf(product: string, order: string): Promise<SqlValue | undefined> {
  const sql = 'SELECT state FROM reservation WHERE product = ? AND order_id = ?'
  const [row] = await select(product, sql, [product, order])
  return row?.[0]
}

/** The stock row, or nothing. */
export async function levelOf(
  product: string,
): Promise<{ onHand: number; reserved: number } | undefined> {
  const sql = 'SELECT on_hand, reserved FROM stock WHERE product = ?'
  const [row] = await select(product, sql, [product])
  return row === undefined ? undefined : { onHand: Number(row[0]), reserved: Number(row[1]) }
}

/**
 * What must hold of a product at any moment: nothing below zero, the ledger without a gap, its sums and its last
 * balances those of the stock row, and reserved the sum of the open reservations. Empty when it does.
 */
export async function brokenRules(product: string): Promise<readonly string[]> {
  const sql = `SELECT
  coalesce((SELECT on_hand FROM stock WHERE product = ?1), 0) AS on_hand,
  coalesce((SELECT reserved FROM stock WHERE product = ?1), 0) AS reserved,
  coalesce((SELECT version FROM stock WHERE product = ?1), 0) AS version,
  (SELECT count(*) FROM movement WHERE product = ?1) AS movements,
  coalesce((SELECT sum(quantity) FROM movement WHERE product = ?1 AND type IN ('opening', 'receipt')), 0) AS arrived,
  coalesce((SELECT sum(CASE type WHEN 'reserve' THEN quantity WHEN 'release' THEN -quantity END)
    FROM movement WHERE product = ?1), 0) AS promised,
  coalesce((SELECT balance_on_hand FROM movement WHERE product = ?1 ORDER BY version DESC LIMIT 1), 0) AS last_on_hand,
  coalesce((SELECT balance_reserved FROM movement WHERE product = ?1 ORDER BY version DESC LIMIT 1), 0) AS last_reserved,
  coalesce((SELECT sum(quantity) FROM reservation WHERE product = ?1 AND state = 'reserved'), 0) AS open,
  (SELECT count(*) FROM movement AS m WHERE m.product = ?1 AND (
    m.balance_on_hand <> (SELECT sum(quantity) FROM movement AS e WHERE e.product = m.product
      AND e.version <= m.version AND e.type IN ('opening', 'receipt')))) AS wrong_balances,
  coalesce((SELECT max(n) FROM (SELECT count(*) AS n FROM outbox AS o JOIN reservation AS r ON r.id = o.okey
    WHERE r.product = ?1 GROUP BY o.okey)), 0) AS outcomes`.replaceAll('?1', '?')
  const args = Array.from({ length: sql.split('?').length - 1 }, () => product)
  const [row = []] = await select(product, sql, args)
  const [onHand, reserved, version, movements, arrived, promised, ...rest] = row.map(Number)
  const [lastOnHand, lastReserved, open, wrongBalances, outcomesMax = 0] = rest
  const rules: readonly (readonly [string, boolean])[] = [
    ['reserved is at least 0', (reserved ?? -1) >= 0],
    ['available is at least 0', (onHand ?? -1) >= (reserved ?? 0)],
    ['each version has its movement', version === movements],
    ['on hand is the sum of what arrived', onHand === arrived],
    ['reserved is the sum of what was promised', reserved === promised],
    ['the last balances are the stock', onHand === lastOnHand && reserved === lastReserved],
    ['every balance is the sum before it', wrongBalances === 0],
    ['reserved is the sum of open reservations', reserved === open],
    ['an order has at most one outcome', outcomesMax <= 1],
  ]
  return rules.filter(([, holds]) => !holds).map(([rule]) => rule)
}

/** Spoils the next requests to the databases that match. @see packages/local */
export async function spoil(rule: object): Promise<void> {
  const response = await fetch(`${libsqlUrl}/_local/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  })
  if (!response.ok) throw new Error(await response.text())
}

/** Round trips to the databases of the request with this id. */
export async function roundTrips(requestId: string): Promise<number> {
  const response = await fetch(`${libsqlUrl}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}
