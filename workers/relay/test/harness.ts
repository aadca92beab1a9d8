import { allShards } from '@stoa/adapters/keyspace'
import { libsqlShard } from '@stoa/adapters/libsql'
import type { Links } from '@stoa/contracts'
import {
  createIds,
  rootCall,
  secureRandom,
  slotText,
  type SqlShard,
  type SqlValue,
  systemClock,
} from '@stoa/kernel'
import { inject } from 'vitest'

export const env = inject('stoaEnv')
const metaUrl = env['META_URL'] ?? ''
const token = env['LIBSQL_TOKEN'] ?? ''
const qstashUrl = env['QSTASH_URL'] ?? ''
const libsqlUrl = new URL(metaUrl).origin
const call = rootCall('relay-test')
const ids = createIds({ clock: systemClock, random: secureRandom })

/** The databases of the relay's tests: the first halves of two keyspaces, which serve slots 0 to 8,191. */
export type Database = 'users-0' | 'orders-0'

export async function shardOf(name: Database): Promise<SqlShard> {
  const found = (await allShards({ metaUrl, token }, call)).find((shard) => shard.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}

export async function run(shard: SqlShard, sql: string, ...args: SqlValue[]) {
  const mode = /^select/i.test(sql) ? 'read' : 'write'
  const [rows] = await shard.batch([{ sql, args }], mode, call)
  return rows?.rows ?? []
}

export const meta = libsqlShard({ name: 'meta', url: metaUrl, token })

type Made = { readonly slot?: number; readonly type?: string; readonly count?: number }

/** Writes events as a commit would whose isolate died before it published: ready, and due. */
export async function leaveReady(name: Database, made: Made = {}): Promise<readonly string[]> {
  const { slot = 7, type = 'member.registered', count = 1 } = made
  const member = ids.rootAt(`${slotText(slot)}00`)
  const payload = JSON.stringify({ member, handle: 'ada', name: 'Ada' })
  const events = Array.from({ length: count }, (_, index) => ({
    id: ids.child(member),
    seq: index + 1,
  }))
  await run(
    await shardOf(name),
    `INSERT INTO outbox (id, topic, type, okey, seq, payload, causation, created_at, next_at)
SELECT value ->> 'id', 'member', ?, ?, value ->> 'seq', ?, 'test', 1, 1 FROM json_each(?)`,
    type,
    member,
    payload,
    JSON.stringify(events),
  )
  return events.map(({ id }) => id)
}

export type State = { readonly state: unknown; readonly attempts: unknown; readonly error: unknown }

export async function stateOf(name: Database, id: string | undefined): Promise<State> {
  const sql = 'SELECT state, attempts, last_error FROM outbox WHERE id = ?'
  const [row = []] = await run(await shardOf(name), sql, id ?? '')
  const [state, attempts, error] = row
  return { state, attempts, error }
}

/** What the queue was given, oldest first: where to, and the ids of the events in it. */
export async function publishedTo(consumer: string): Promise<readonly (readonly string[])[]> {
  const response = await fetch(`${qstashUrl}/v2/logs?label=${consumer}&count=1000&state=CREATED`, {
    headers: { authorization: `Bearer ${env['QSTASH_TOKEN'] ?? ''}` },
  })
  const { logs } = (await response.json()) as { logs: readonly { readonly body?: string }[] }
  return logs.toReversed().map(({ body = '' }) => {
    const { events } = JSON.parse(atob(body)) as { events: readonly { readonly id: string }[] }
    return events.map(({ id }) => id)
  })
}

/** How many messages carried an event. */
export async function timesPublished(id: string | undefined): Promise<number> {
  const messages = await publishedTo('social')
  return messages.filter((message) => message.includes(id ?? '')).length
}

async function spoil(origin: string, fault: Readonly<Record<string, unknown>>): Promise<void> {
  const body = JSON.stringify(fault)
  const response = await fetch(`${origin}/_local/faults`, { method: 'POST', body })
  if (!response.ok) throw new Error(await response.text())
}

/** Spoils the next requests to the databases, or to the queue, that match. */
export const spoilDatabase = (fault: Readonly<Record<string, unknown>>) => spoil(libsqlUrl, fault)
export const spoilQueue = (fault: Readonly<Record<string, unknown>>) =>
  spoil(new URL(qstashUrl).origin, fault)

/** What the services were asked by ticks, as `name path`. */
export const asked: string[] = []

/** Services with nothing to go on with. */
export const links: Links = {
  defer: () => undefined,
  fetcher: (name) => async (request) => {
    asked.push(`${name} ${new URL(request.url).pathname}`)
    return Response.json({})
  },
}
