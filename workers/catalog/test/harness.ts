import { createIds, secureRandom, systemClock } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { exports } from 'cloudflare:workers'
import { inject } from 'vitest'

export const ids = createIds({ clock: systemClock, random: secureRandom })
export const seller = ids.root('seller')
export const token = `${seller}.${'0'.repeat(64)}`
export const importToken = inject('stoaEnv')['IMPORT_TOKEN'] ?? ''

let counter = 0

/** A text nobody has used yet. */
export function unused(what: string): string {
  counter += 1
  return `${what}-${crypto.randomUUID()}-${counter}`
}

export type Json = Readonly<Record<string, unknown>>
export type Answer = { readonly response: Response; readonly body: Json }

async function send(request: Request): Promise<Answer> {
  const response = await exports.default.fetch(request)
  return { response, body: (await response.json()) as Json }
}

export function get(path: string, requestId: string = crypto.randomUUID()): Promise<Answer> {
  return send(new Request(`http://catalog${path}`, { headers: { 'x-request-id': requestId } }))
}

export function post(path: string, body: unknown, headers: Readonly<Record<string, string>>) {
  return send(
    new Request(`http://catalog${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  )
}

export function importLines(
  what: 'categories' | 'products',
  lines: readonly Json[],
  requestId: string = crypto.randomUUID(),
) {
  const numbered = lines.map((line, index) => ({ line: index + 1, ...line }))
  const headers = { authorization: `Bearer ${importToken}`, 'x-request-id': requestId }
  return post(`/v1/imports/${what}`, { lines: numbered }, headers)
}

/** The outcomes of an import, without the line numbers. */
export function outcomesOf({ body }: Answer): readonly Json[] {
  return body['results'] as readonly Json[]
}

/** A category that is there. */
export async function newCategory(): Promise<string> {
  const key = unused('cat')
  await importLines('categories', [{ key, name: 'Gadgets', path: [{ key, name: 'Gadgets' }] }])
  return key
}

export function draftOf(category: string) {
  return {
    sku: unused('sku'),
    title: 'A lamp',
    description: 'It shines.',
    category,
    priceMinor: 1_999,
    currency: 'EUR',
  }
}

export function create(draft: unknown, headers: Readonly<Record<string, string>> = {}) {
  return post('/v1/products', draft, {
    authorization: `Bearer ${token}`,
    'idempotency-key': crypto.randomUUID(),
    ...headers,
  })
}

/** The event of a product in `category`, as it comes from the queue. */
export function productCreated(category: string, title = 'A lamp'): StoaEvent<'product.created'> {
  const product = ids.root(crypto.randomUUID())
  return newEvent(ids, 'product.created', {
    key: product,
    seq: 1,
    at: systemClock.now(),
    cause: 'test',
    data: { product, seller, category, title, priceMinor: 100, currency: 'EUR', stock: 1 },
  })
}

export async function deliver(events: readonly StoaEvent[], requestId = crypto.randomUUID()) {
  const request = await deliveryOf('catalog', events, 'http://127.0.0.1:9')
  request.headers.set('x-request-id', requestId)
  const response = await exports.default.fetch(request)
  await response.body?.cancel()
  return response.status
}

const databases = new URL(inject('stoaEnv')['META_URL'] ?? '').origin

/** What the request cost at the databases, by their own meter. */
export async function spansOf(
  requestId: string,
): Promise<readonly { startMs: number; endMs: number }[]> {
  const response = await fetch(`${databases}/_local/meter?request=${requestId}`)
  return ((await response.json()) as { spans: readonly { startMs: number; endMs: number }[] }).spans
}

/** Spoils the next requests to a database that match. */
export async function spoil(fault: Json): Promise<void> {
  const response = await fetch(`${databases}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify(fault),
  })
  if (!response.ok) throw new Error(await response.text())
}

/** Makes the claim of a sku older than it is. */
export async function ageClaim(sku: string, ms: number): Promise<void> {
  await countOver(
    `UPDATE lookup SET claimed_at = claimed_at - ${ms} WHERE text = ? RETURNING claimed_at`,
    sku,
  )
}

/** The sum over all databases of the keyspace of what a query answers first. */
export async function countOver(sql: string, argument: string): Promise<number> {
  const list = await fetch(`${databases}/_local/databases`)
  const all = ((await list.json()) as { databases: readonly { name: string }[] }).databases
  const shards = all.filter(({ name }) => name.startsWith('catalog'))
  const counts = await Promise.all(
    shards.map(async ({ name }) => {
      const response = await fetch(`${databases}/${name}/v2/pipeline`, {
        method: 'POST',
        headers: { authorization: `Bearer ${inject('stoaEnv')['LIBSQL_TOKEN'] ?? ''}` },
        body: JSON.stringify({
          requests: [
            { type: 'execute', stmt: { sql, args: [{ type: 'text', value: argument }] } },
            { type: 'close' },
          ],
        }),
      })
      const { results } = (await response.json()) as {
        results: readonly { response?: { result?: { rows: readonly { value: string }[][] } } }[]
      }
      return Number(results[0]?.response?.result?.rows[0]?.[0]?.value ?? 0)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
