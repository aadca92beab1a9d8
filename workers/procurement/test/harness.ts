import { openKeyspace } from '@stoa/adapters/keyspace'
import {
  createIds,
  rootCall,
  secureRandom,
  slotOfId,
  type SqlValue,
  systemClock,
  typedId,
} from '@stoa/kernel'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

const env = inject('stoaEnv')
const libsqlUrl = new URL(env['META_URL'] ?? '').origin

export const operator = env['OPERATOR_TOKEN'] ?? ''

const ids = createIds({ clock: systemClock, random: secureRandom })

/** Reads the worker's own databases. */
const access = openKeyspace({
  keyspace: 'procurement',
  database: { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' },
  queue: { publish: async () => [] },
  publicUrl: 'http://127.0.0.1:9',
  defer: () => undefined,
  report: () => undefined,
})

/** An id at a place of its own, like that of any root entity. */
export function newId(prefix: string): string {
  return typedId(prefix, ids.root(crypto.randomUUID()))
}

/** The session token of a member, as the users service of the tests knows it. */
export function memberToken(): string {
  return `${ids.root(crypto.randomUUID())}.${'0'.repeat(64)}`
}

export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>>
}

type Options = { readonly token?: string | undefined; readonly headers?: Record<string, string> }

function headersOf(options: Options): Record<string, string> {
  const token = 'token' in options ? options.token : operator
  return {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...options.headers,
  }
}

async function send(request: Request): Promise<Answer> {
  const response = await exports.default.fetch(request)
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body }
}

export function get(path: string, options: Options = {}): Promise<Answer> {
  return send(new Request(`http://procurement${path}`, { headers: headersOf(options) }))
}

/** Posts with a key of its own, unless `headers` names one. */
export function post(path: string, body: unknown, options: Options = {}): Promise<Answer> {
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': crypto.randomUUID(),
    ...headersOf(options),
  }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return send(new Request(`http://procurement${path}`, init))
}

export const goodSupplier = { name: 'Mill & Sons', email: 'orders@mill.example' }

export async function newSupplier(): Promise<string> {
  const { body } = await post('/v1/suppliers', goodSupplier)
  return String(body['id'])
}

/** A purchase order for `ordered` units of each of some new products. */
export async function newOrder(...ordered: readonly number[]) {
  const supplier = await newSupplier()
  const products = ordered.map(() => newId('prd'))
  const lines = ordered.map((units, at) => ({
    product: products[at],
    ordered: units,
    costMinor: 250,
  }))
  const { status, body } = await post('/v1/purchase-orders', { supplier, currency: 'EUR', lines })
  if (status !== 201) throw new Error(`Cannot order: ${JSON.stringify(body)}`)
  return { id: String(body['id']), supplier, products, body }
}

/** The rows of a query over every shard. */
export async function selectAll(
  sql: string,
  args: readonly SqlValue[],
): Promise<readonly (readonly SqlValue[])[]> {
  const call = rootCall('test')
  const shards = await access.router.shards(call)
  const answers = await Promise.all(
    shards.map((shard) => shard.batch([{ sql, args }], 'read', call)),
  )
  return answers.flatMap(([rows]) => rows?.rows ?? [])
}

/** The rows of a query in the shard of `id`, a typed id. */
export async function select(
  id: string,
  sql: string,
  args: readonly SqlValue[],
): Promise<readonly (readonly SqlValue[])[]> {
  const slot = slotOfId(id.slice(4))
  const { rows } = await access.router.read(slot, { sql, args }, rootCall('test'))
  return rows
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
