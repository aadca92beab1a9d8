import { allShards } from '@stoa/adapters/keyspace'
import type { EventData } from '@stoa/contracts'
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

export const ids = createIds({ clock: systemClock, random: secureRandom })

const env = inject('stoaEnv')
const importToken = env['IMPORT_TOKEN'] ?? ''

/** An id that no member has. */
export function stranger(): string {
  return ids.root(crypto.randomUUID())
}

export function usr(member: string): string {
  return typedId('usr', member)
}

export async function deliver(events: readonly StoaEvent[], requestId = crypto.randomUUID()) {
  const request = await deliveryOf('social', events, env['PUBLIC_URL'] ?? '')
  request.headers.set('x-request-id', requestId)
  const response = await exports.default.fetch(request)
  await response.body?.cancel()
  return response.status
}

export function registered(member: string): StoaEvent {
  return newEvent(ids, 'member.registered', {
    key: member,
    seq: 1,
    at: systemClock.now(),
    cause: 'test',
    data: { member, handle: 'somebody', name: 'Somebody' },
  })
}

/** Members whose registration has arrived. */
export async function members(count: number): Promise<string[]> {
  const made = Array.from({ length: count }, stranger)
  for (let start = 0; start < count; start += 100) {
    await deliver(made.slice(start, start + 100).map(registered))
  }
  return made
}

export type Options = {
  readonly as?: string
  readonly body?: unknown
  readonly key?: string
  readonly requestId?: string
}

export type Answer = {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Headers
}

/** A request to the service; `as` is the calling member, or `importer`. */
export async function ask(method: string, path: string, options: Options = {}): Promise<Answer> {
  const headers = new Headers({ 'x-request-id': options.requestId ?? crypto.randomUUID() })
  if (options.as === 'importer') headers.set('authorization', `Bearer ${importToken}`)
  else if (options.as !== undefined)
    headers.set('authorization', `Bearer ${options.as}.${'0'.repeat(64)}`)
  if (options.key !== undefined) headers.set('idempotency-key', options.key)
  const body = options.body === undefined ? {} : { body: JSON.stringify(options.body) }
  if (options.body !== undefined) headers.set('content-type', 'application/json')
  const request = new Request(`http://social${path}`, { method, headers, ...body })
  const response = await exports.default.fetch(request)
  const text = await response.text()
  return {
    status: response.status,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    headers: response.headers,
  }
}

export function follow(follower: string, followee: string, requestId?: string): Promise<Answer> {
  return ask('PUT', `/v1/me/following/${usr(followee)}`, {
    as: follower,
    ...(requestId === undefined ? {} : { requestId }),
  })
}

export function unfollow(follower: string, followee: string, requestId?: string): Promise<Answer> {
  return ask('DELETE', `/v1/me/following/${usr(followee)}`, {
    as: follower,
    ...(requestId === undefined ? {} : { requestId }),
  })
}

export function write(author: string, text: string, key: string = crypto.randomUUID()) {
  return ask('POST', '/v1/posts', { as: author, key, body: { text } })
}

export async function countsOf(member: string) {
  const { body } = await ask('GET', `/v1/users/${usr(member)}/counts`)
  return body
}

/** The whole of a list, page by page. */
export async function listOf<T>(
  path: string,
  { as, limit = 100 }: { as?: string; limit?: number } = {},
) {
  const items: T[] = []
  let next: unknown
  do {
    const cursor = typeof next === 'string' ? `&cursor=${next}` : ''
    const { body } = await ask(
      'GET',
      `${path}?limit=${limit}${cursor}`,
      as === undefined ? {} : { as },
    )
    items.push(...(body['items'] as T[]))
    next = body['next']
  } while (next !== undefined)
  return items
}

export async function homeOf(member: string): Promise<string[]> {
  const posts = await listOf<{ text: string }>('/v1/timelines/home', { as: member })
  return posts.map(({ text }) => text)
}

/** The timelines of all tables as one, for a FROM. */
export const timelines = `(${[0, 1, 2, 3].map((n) => `SELECT * FROM timeline_${n}`).join(' UNION ALL ')})`

/** Rows of each shard of the keyspace, by its name. */
export async function rowsOfEach(sql: string, args: readonly SqlValue[] = []) {
  const call = rootCall('test')
  const database = { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' }
  const shards = (await allShards(database, call)).filter(({ name }) => name.startsWith('social-'))
  const answers = await Promise.all(
    shards.map(async (shard) => {
      const [rows] = await shard.batch([{ sql, args }], 'read', call)
      return [shard.name, rows?.rows ?? []] as const
    }),
  )
  return new Map(answers)
}

/** Rows of every shard of the keyspace. */
export async function rowsOf(sql: string, args: readonly SqlValue[] = []) {
  return [...(await rowsOfEach(sql, args)).values()].flat()
}

/** The events that the outboxes hold about any of `members`, in no order that means anything. */
export async function eventsAbout(about: readonly string[]): Promise<readonly StoaEvent[]> {
  const rows = await rowsOf(
    `SELECT id, type, okey, seq, payload, causation, created_at FROM outbox
WHERE EXISTS (SELECT 1 FROM json_each(payload) p WHERE p.value IN (SELECT value FROM json_each(?)))`,
    [JSON.stringify(about)],
  )
  return rows.map(([id, type, key, seq, payload, cause, at]) => ({
    id: String(id),
    type: String(type) as StoaEvent['type'],
    key: String(key),
    seq: Number(seq),
    cause: String(cause),
    at: Number(at),
    data: JSON.parse(String(payload)) as EventData<StoaEvent['type']>,
  }))
}

/** Delivers every event about `members`, also those that a delivery causes, until there are no new ones. */
export async function relay(about: readonly string[]): Promise<void> {
  const done = new Set<string>()
  for (;;) {
    const events = (await eventsAbout(about)).filter(({ id }) => !done.has(id))
    if (events.length === 0) return
    for (let start = 0; start < events.length; start += 100) {
      const slice = events.slice(start, start + 100)
      const status = await deliver(slice)
      if (status !== 200) throw new Error(`the inbox answered ${status}`)
      for (const { id } of slice) done.add(id)
    }
  }
}

const databases = new URL(env['META_URL'] ?? '').origin

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
