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

export type Line = { readonly product: string; readonly quantity: number }

type Answer = { readonly outcome: string; readonly code?: string }

/** One operation of an order's branch, as the runner of its saga asks it: once, whatever is answered. */
export async function askOnce(
  op: 'try' | 'confirm' | 'cancel',
  order: string,
  { product, quantity, requestId = crypto.randomUUID() }: Line & { readonly requestId?: string },
): Promise<{ readonly status: number; readonly body: Answer }> {
  const branch = { gid: order, branch: `stock-${product}`, op }
  const body = {
    ...branch,
    order: typedId('ord', order),
    product: typedId('prd', product),
    quantity,
  }
  const request = new Request('http://warehouse/internal/stock/branches', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify(body),
  })
  const response = await exports.default.fetch(request)
  return { status: response.status, body: (await response.json()) as Answer }
}

/** Asks until there is an answer, as the runner does; answers what it says: `done`, or why not. */
async function ask(op: 'try' | 'confirm' | 'cancel', order: string, line: Line): Promise<string> {
  let last: unknown
  for (let tries = 0; tries < deliveriesMax; tries += 1) {
    const { status, body } = await askOnce(op, order, line)
    if (status === 200) return body.code ?? body.outcome
    last = body
  }
  throw new Error(`Cannot ${op}: the last answer was ${JSON.stringify(last)}`)
}

export function reserve(order: string, line: Line): Promise<string> {
  return ask('try', order, line)
}

export function keep(order: string, line: Line): Promise<string> {
  return ask('confirm', order, line)
}

export function giveBack(order: string, line: Line): Promise<string> {
  return ask('cancel', order, line)
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

/** What became of the order's wish: a cell that refused may have sent it on to one that reserved. */
export async function stateOf(product: string, order: string): Promise<SqlValue | undefined> {
  const sql =
    'SELECT state FROM reservation WHERE product IN (SELECT value FROM json_each(?)) AND order_id = ?'
  const rows = await select(sql, [JSON.stringify(cellsOf(product)), order])
  const states = new Set(rows.map(([state]) => state))
  return ['reserved', 'released', 'refused'].find((state) => states.has(state))
}

/** How many reservations a saga may still give back. */
export async function openTries(product: string): Promise<number> {
  const sql = `SELECT count(*) FROM reservation WHERE state = 'reserved' AND confirmed_at IS NULL
AND product IN (SELECT value FROM json_each(?))`
  const rows = await select(sql, [JSON.stringify(cellsOf(product))])
  return rows.reduce((sum, [count]) => sum + Number(count), 0)
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

/** Which rules a product breaks: those of its cells, one reservation an order, nothing moved twice. */
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
  const orders = await select(held, [cells])
  const isTwice = new Set(orders.map(String)).size < orders.length
  return [...broken, ...(isTwice ? ['an order has at most one reservation'] : [])]
}

/** The events of a product that the warehouse tells itself, in no order that means anything. */
export async function ownEvents(product: string): Promise<readonly StoaEvent[]> {
  const sql = `SELECT id, type, okey, seq, payload, causation, created_at FROM outbox
WHERE payload ->> 'product' = ? AND type = 'stock.moved'`
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
