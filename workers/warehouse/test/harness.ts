import { allShards } from '@stoa/adapters/keyspace'
import type { EventData, EventType } from '@stoa/contracts'
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
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

import { cellsOf } from '../src/domain/cell.ts'
import { reservationId } from '../src/domain/derived-id.ts'

const env = inject('stoaEnv')
const publicUrl = 'http://127.0.0.1:9'
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

/** How often a delivery is sent before the test gives up; the queue would go on for longer. */
const deliveriesMax = 20

export const ids = createIds({ clock: systemClock, random: secureRandom })

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

/** Spreads what is free of a product, as an operator. */
export async function spread(product: string, cells: number, token = env['OPERATOR_TOKEN'] ?? '') {
  const url = `http://warehouse/v1/stock/${typedId('prd', product)}/cells`
  const request = new Request(url, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ cells }),
  })
  const response = await exports.default.fetch(request)
  return {
    status: response.status,
    body: (await response.json()) as Readonly<Record<string, unknown>>,
  }
}

type Row = readonly SqlValue[]

/** Rows of each database of the keyspace, by its name. */
export async function selectEach(
  sql: string,
  args: readonly SqlValue[],
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const database = { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }
  const call = rootCall('test')
  const shards = (await allShards(database, call)).filter(({ name }) =>
    name.startsWith('warehouse-'),
  )
  const found = await Promise.all(
    shards.map(async (shard) => {
      const [rows] = await shard.batch([{ sql, args }], 'read', call)
      return [shard.name, rows?.rows ?? []] as const
    }),
  )
  return new Map(found)
}

async function select(sql: string, args: readonly SqlValue[]): Promise<readonly Row[]> {
  return [...(await selectEach(sql, args)).values()].flat()
}

/** The outcomes that the orders service was told of an order's wish for a product, in whatever cell it ended. */
export async function outcomes(product: string, order: string): Promise<readonly SqlValue[]> {
  const keys = cellsOf(product).map((cell) => reservationId(cell, order))
  const sql = `SELECT type FROM outbox WHERE okey IN (SELECT value FROM json_each(?)) AND type <> 'stock.passed_on'`
  const rows = await select(sql, [JSON.stringify(keys)])
  return rows.map(([type]) => type ?? null)
}

/** What became of the order's wish: a cell that refused may have sent it on to one that reserved. */
export async function stateOf(product: string, order: string): Promise<SqlValue | undefined> {
  const sql =
    'SELECT state FROM reservation WHERE product IN (SELECT value FROM json_each(?)) AND order_id = ?'
  const rows = await select(sql, [JSON.stringify(cellsOf(product)), order])
  const states = new Set(rows.map(([state]) => state))
  return ['reserved', 'released', 'refused'].find((state) => states.has(state))
}

/** What all cells have together, or nothing. */
export async function levelOf(
  product: string,
): Promise<{ onHand: number; reserved: number } | undefined> {
  const sql = `SELECT on_hand, reserved FROM stock WHERE product IN (SELECT value FROM json_each(?))`
  const rows = await select(sql, [JSON.stringify(cellsOf(product))])
  if (rows.length === 0) return undefined
  return {
    onHand: rows.reduce((sum, [onHand]) => sum + Number(onHand), 0),
    reserved: rows.reduce((sum, [, reserved]) => sum + Number(reserved), 0),
  }
}

/** What must hold of one cell at any moment, as columns that are 1 when it does. */
const rulesOfCell = {
  'reserved is at least 0': 's.reserved >= 0',
  'available is at least 0': 's.on_hand >= s.reserved',
  'each version has its row in the ledger': `s.version = (SELECT count(*) FROM ledger AS l WHERE l.cell = s.product)
    AND s.version = (SELECT max(version) FROM ledger AS l WHERE l.cell = s.product)`,
  'on hand is the sum of what came and went':
    's.on_hand = (SELECT sum(came) FROM ledger AS l WHERE l.cell = s.product)',
  'reserved is the sum of what was promised':
    's.reserved = (SELECT sum(promised) FROM ledger AS l WHERE l.cell = s.product)',
  'every balance is the sum up to it': `NOT EXISTS (SELECT 1 FROM ledger AS l WHERE l.cell = s.product AND (l.on_hand, l.reserved)
    <> (SELECT sum(e.came), sum(e.promised) FROM ledger AS e WHERE e.cell = l.cell AND e.version <= l.version))`,
  'reserved is the sum of open reservations': `s.reserved = (SELECT coalesce(sum(quantity), 0) FROM reservation AS r
    WHERE r.product = s.product AND r.state = 'reserved')`,
} as const

/** Which rules a product breaks: those of its cells, one outcome and one reservation an order, nothing moved twice. */
export async function brokenRules(product: string): Promise<readonly string[]> {
  const cells = JSON.stringify(cellsOf(product))
  const sql = `WITH ledger AS (
  SELECT product AS cell, version, CASE WHEN type IN ('opening', 'receipt') THEN quantity ELSE 0 END AS came,
    CASE type WHEN 'reserve' THEN quantity WHEN 'release' THEN -quantity ELSE 0 END AS promised,
    balance_on_hand AS on_hand, balance_reserved AS reserved FROM movement
  UNION ALL SELECT cell, version, quantity, 0, balance_on_hand, balance_reserved FROM transfer)
SELECT ${Object.values(rulesOfCell).join(', ')} FROM stock AS s WHERE s.product IN (SELECT value FROM json_each(?))`
  const rows = await select(sql, [cells])
  const broken = rows.flatMap((row) =>
    Object.keys(rulesOfCell).filter((_rule, index) => row[index] !== 1),
  )
  const held = `SELECT order_id FROM reservation WHERE product IN (SELECT value FROM json_each(?)) AND state = 'reserved'`
  const ended = `SELECT payload ->> 'order' FROM outbox
WHERE payload ->> 'product' = ? AND type IN ('stock.reserved', 'stock.refused')`
  const [orders, ends] = await Promise.all([select(held, [cells]), select(ended, [product])])
  const isTwice = (list: readonly Row[]) => new Set(list.map(String)).size < list.length
  return [
    ...broken,
    ...(isTwice(orders) ? ['an order has at most one reservation'] : []),
    ...(isTwice(ends) ? ['an order has at most one outcome'] : []),
  ]
}

/** The events of a product that the warehouse tells itself, in no order that means anything. */
export async function ownEvents(product: string): Promise<readonly StoaEvent[]> {
  const sql = `SELECT id, type, okey, seq, payload, causation, created_at FROM outbox
WHERE payload ->> 'product' = ? AND type IN ('stock.passed_on', 'stock.moved')`
  const rows = await select(sql, [product])
  return rows.map(([id, type, key, seq, payload, cause, at]) => ({
    id: String(id),
    type: String(type) as EventType,
    key: String(key),
    seq: Number(seq),
    cause: String(cause),
    at: Number(at),
    data: JSON.parse(String(payload)) as StoaEvent['data'],
  }))
}

/** Delivers what the warehouse tells itself of a product, each as often as said, until nothing new is told. */
export async function settle(product: string, times = 1): Promise<void> {
  const done = new Set<string>()
  for (;;) {
    const events = (await ownEvents(product)).filter(({ id }) => !done.has(id))
    if (events.length === 0) return
    for (let count = 0; count < times; count += 1) await deliver(...events)
    for (const { id } of events) done.add(id)
  }
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
