import { allShards } from '@stoa/adapters/keyspace'
import {
  createIds,
  rootCall,
  secureRandom,
  type SqlShard,
  type SqlValue,
  systemClock,
  typedId,
} from '@stoa/kernel'
import { auditLedger, totalOf } from '@stoa/transactions'
import { exports } from 'cloudflare:workers'
import { expect, inject } from 'vitest'

import { paymentIdOf } from '../src/domain/payment.ts'

export const env = inject('stoaEnv')
const libsqlUrl = new URL(env['META_URL'] ?? '').origin
export const pspUrl = env['SANDBOX_URL'] ?? ''
const pspKey = env['SANDBOX_KEY'] ?? ''
const operatorToken = env['OPERATOR_TOKEN'] ?? ''

export const ids = createIds({ clock: systemClock, random: secureRandom })

export function newId(): string {
  return ids.root(crypto.randomUUID())
}

export type Body = Readonly<Record<string, unknown>>
export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

export type Asking = {
  readonly method?: string
  readonly body?: unknown
  readonly key?: string
  readonly token?: string
  readonly requestId?: string
  readonly headers?: Readonly<Record<string, string>>
}

export async function ask(path: string, asking: Asking = {}): Promise<Answer> {
  const { body, key, token, requestId } = asking
  const headers = new Headers(asking.headers)
  if (body !== undefined) headers.set('content-type', 'application/json')
  if (key !== undefined) headers.set('idempotency-key', key)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  if (requestId !== undefined) headers.set('x-request-id', requestId)
  const response = await exports.default.fetch(
    new Request(`http://payments${path}`, {
      method: asking.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  )
  const text = await response.text()
  const parsed: unknown = text === '' ? {} : JSON.parse(text)
  return { status: response.status, headers: response.headers, text, body: parsed as Body }
}

export function memberToken(member: string): string {
  return `${member}.${'0'.repeat(64)}`
}

/** A buyer with an order whose payment is a branch of a saga. */
export type Case = {
  readonly buyer: string
  readonly order: string
  readonly gid: string
  readonly branch: string
  readonly amountMinor: number
  readonly currency: string
  readonly token: string
  readonly payment: string
}

export function newCase(given: Partial<Case> = {}): Case {
  const buyer = given.buyer ?? newId()
  const [order, gid, name] = [ids.child(buyer), ids.child(buyer), 'payment']
  const payment = paymentIdOf({ buyer, gid, branch: name })
  return {
    buyer,
    order,
    gid,
    branch: name,
    amountMinor: 1_000,
    currency: 'EUR',
    token: 'tok_ok',
    payment,
    ...given,
  }
}

export async function branch(
  op: 'try' | 'confirm' | 'cancel',
  { buyer, order, gid, branch: name, amountMinor, currency, token }: Case,
  requestId: string = crypto.randomUUID(),
): Promise<Answer> {
  return ask('/internal/payments/branches', {
    requestId,
    body: {
      gid,
      branch: name,
      op,
      amountMinor,
      currency,
      order: typedId('ord', order),
      buyer: typedId('usr', buyer),
      method: { token },
    },
  })
}

export async function bound(given: Partial<Case> = {}): Promise<Case> {
  const made = newCase(given)
  expect((await branch('try', made)).body).toEqual({ outcome: 'done' })
  expect((await branch('confirm', made)).body).toEqual({ outcome: 'done' })
  return made
}

export function operate(
  what: 'captures' | 'refunds' | 'voids',
  payment: string,
  asking: Omit<Asking, 'method'> = {},
): Promise<Answer> {
  return ask(`/v1/payments/${typedId('pay', payment)}/${what}`, {
    body: {},
    key: crypto.randomUUID(),
    token: operatorToken,
    ...asking,
  })
}

export async function captured(amountMinor = 1_000): Promise<Case> {
  const made = await bound({ amountMinor })
  expect((await operate('captures', made.payment)).status).toBe(201)
  return made
}

export function readPayment({ buyer, payment }: Case, requestId?: string): Promise<Answer> {
  const known = { token: memberToken(buyer), ...(requestId === undefined ? {} : { requestId }) }
  return ask(`/v1/payments/${typedId('pay', payment)}`, known)
}

const database = { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }

export async function paymentShards(): Promise<readonly SqlShard[]> {
  const shards = await allShards(database, rootCall('test'))
  return shards.filter(({ name }) => name.startsWith('payments-'))
}

/** Rows of all databases of the keyspace. */
export async function select(
  sql: string,
  args: readonly SqlValue[],
): Promise<readonly (readonly SqlValue[])[]> {
  const found = await Promise.all(
    (await paymentShards()).map(async (shard) => {
      const [rows] = await shard.batch([{ sql, args }], 'read', rootCall('test'))
      return rows?.rows ?? []
    }),
  )
  return found.flat()
}

/** The events of a payment, in the order of their numbers. */
export async function eventsOf(payment: string): Promise<readonly string[]> {
  const rows = await select('SELECT type, seq FROM outbox WHERE okey = ? ORDER BY seq', [payment])
  expect(rows.map(([, seq]) => seq)).toEqual(rows.map((_row, index) => index + 1))
  return rows.map(([type]) => String(type))
}

/** What of a payment is written down, without what only the moment decides. */
export async function operationsOf(payment: string): Promise<readonly string[]> {
  const rows = await select(
    'SELECT kind, phase, amount_minor FROM payment_operation WHERE payment = ? ORDER BY n',
    [payment],
  )
  return rows.map((row) => row.join(' '))
}

/** No ledger of any database breaks a rule. */
export async function expectSoundLedgers(): Promise<void> {
  for (const shard of await paymentShards())
    expect(await auditLedger(shard, rootCall('test'))).toEqual([])
}

export async function clearingTotal(currency: string): Promise<number> {
  let total = 0
  for (const shard of await paymentShards())
    total += (await totalOf(shard, 'clearing', rootCall('test'))).get(currency) ?? 0
  return total
}

/** What an account has in each of its books. */
export async function booksOf(account: string): Promise<Readonly<Record<string, SqlValue>>> {
  const rows = await select('SELECT book, credit - debit FROM balance WHERE account = ?', [account])
  return Object.fromEntries(rows.map(([book, amount]) => [String(book), amount ?? null]))
}

export type PspPayment = {
  readonly ref: string
  readonly operations: readonly {
    readonly kind: string
    readonly state: string
    readonly amountMinor: number
  }[]
}

/** The provider's own record, by the key it was authorised under. */
export async function atProvider(made: Case): Promise<PspPayment | undefined> {
  const key = encodeURIComponent(`${made.gid}:${made.branch}:try`)
  const headers = { authorization: `Bearer ${pspKey}` }
  const response = await fetch(`${pspUrl}/v1/payments?key=${key}`, { headers })
  const body: unknown = await response.json()
  return response.ok ? (body as PspPayment) : undefined
}

export async function control(path: string, body: unknown, url: string = pspUrl): Promise<Body> {
  const response = await fetch(`${url}/_local/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${text}`)
  return JSON.parse(text) as Body
}

export const spoilDatabase = (fault: Body) => control('faults', fault, libsqlUrl)
export const spoilProvider = (fault: Body) => control('faults', fault)

export async function clearFaults(): Promise<void> {
  for (const url of [libsqlUrl, pspUrl]) await fetch(`${url}/_local/faults`, { method: 'DELETE' })
}

export type SignedCallback = {
  readonly id: string
  readonly body: string
  readonly signature: string
}

/** The callbacks that the provider has made for a payment, each signed anew. */
export async function callbacksOf(ref: string): Promise<readonly SignedCallback[]> {
  const response = await fetch(`${pspUrl}/_local/psp/callbacks?ref=${ref}`)
  const { callbacks } = (await response.json()) as { callbacks: readonly SignedCallback[] }
  return callbacks
}

export function callBack({ body, signature }: Omit<SignedCallback, 'id'>, requestId?: string) {
  return ask('/v1/payment-callbacks/sandbox', {
    body,
    headers: { 'sandbox-signature': signature },
    ...(requestId === undefined ? {} : { requestId }),
  })
}

async function meterOf(url: string, requestId: string): Promise<number> {
  const response = await fetch(`${url}/_local/meter?request=${requestId}`)
  const { counts } = (await response.json()) as { counts: { roundTrips: number } }
  return counts.roundTrips
}

/** How often a request went to a database, and to the provider, by their own meters. */
export async function costsOf(requestId: string) {
  const [databases, provider] = await Promise.all([
    meterOf(libsqlUrl, requestId),
    meterOf(pspUrl, requestId),
  ])
  return { database: databases, provider }
}
