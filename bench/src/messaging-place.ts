import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type Client, createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/libsql'
import { qstashQueue, qstashVerifier } from '@stoa/adapters/qstash'
import { localProvider } from '@stoa/cli'
import { createService, serveInbox } from '@stoa/http'
import {
  type Clock,
  createIds,
  type QueuePort,
  rootCall,
  secureRandom,
  slotRange,
  type SqlShard,
  systemClock,
} from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import {
  type Committer,
  createCommitter,
  createInbox,
  createMarks,
  createOrderedInbox,
  type StoaEvent,
} from '@stoa/messaging'
import { cacheTopology, createRouter, evenSlots, type Router } from '@stoa/sharding'

export const call = rootCall('bench')
export const ids = createIds({ clock: systemClock, random: secureRandom })

/** The text of the tables that every database of a keyspace begins with, and of one that takes effects. */
export async function tables(): Promise<string> {
  const shared = new URL('../../drizzle/shared/', import.meta.url)
  const files = (await readdir(shared)).filter((name) => name.endsWith('.sql')).toSorted()
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, shared), 'utf8')))
  return [
    ...texts,
    `CREATE TABLE effect (n INTEGER PRIMARY KEY, okey TEXT NOT NULL, seq INTEGER NOT NULL,
  fits INTEGER NOT NULL CHECK (fits));
CREATE TABLE business (id TEXT PRIMARY KEY, version INTEGER NOT NULL);`,
  ].join(';\n')
}

/** The database owns every slot. */
export async function own(client: Client, name: string): Promise<void> {
  const pieces = Array.from({ length: 16_384 }, (_, slot) => slotRange(slot))
  await client.batch(
    [
      { sql: "INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, 'i')", args: [name] },
      {
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
        args: [JSON.stringify(pieces)],
      },
    ],
    'write',
  )
}

export function routerOf(shard: SqlShard, riders: () => readonly never[] = () => []): Router {
  const shards = [{ name: shard.name, url: 'bench:', incarnation: 'i' }]
  const keyspaces = { all: { shards, slots: evenSlots([shard.name]) } }
  return createRouter({
    slots: cacheTopology(async () => ({ version: 1, keyspaces })).slots('all'),
    open: () => shard,
    riders,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
}

/** What a consumer does with an event: one row, or a broken rule. */
export function effectOf(event: StoaEvent, isPoison: boolean) {
  const sql = 'INSERT INTO effect (okey, seq, fits) VALUES (?, ?, ?)'
  return {
    statements: [{ sql, args: [event.key, event.seq, isPoison ? 0 : 1] }],
    events: [],
  }
}

export type Place = {
  readonly producer: { readonly shard: SqlShard; readonly client: Client; readonly router: Router }
  readonly consumer: { readonly client: Client }
  readonly queue: QueuePort
  readonly publicUrl: string
  /** Told of the events of each delivery before anything is done with them. */
  onStart: (events: readonly StoaEvent[]) => void
  isPoison: (event: StoaEvent) => boolean
  /** Whether the consumer follows an order. */
  isOrdered: boolean
  committer(queue: QueuePort, clock: Clock): Committer
  close(): Promise<void>
}

const noFetch = () => Promise.reject(new Error('nobody asks'))

type Served = { readonly url: string; readonly close: () => Promise<void> }

async function answer(pending: Promise<Response>, outgoing: ServerResponse): Promise<void> {
  const response = await pending
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.end(Buffer.from(await response.arrayBuffer()))
}

/** Serves a fetch handler on a free port of loopback. */
async function serve(handle: (request: Request) => Promise<Response>): Promise<Served> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const headers = new Headers(
        Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      )
      const init = { method: 'POST', headers, body: Buffer.concat(chunks) }
      void answer(handle(new Request(`http://bench${incoming.url ?? ''}`, init)), outgoing)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** The inbox of the consumer, as a worker serves it: behind HTTP, every signature verified. */
function inboxOf(place: () => Place, router: Router, queue: QueuePort, publicUrl: () => string) {
  const parts = {
    queue,
    publicUrl: publicUrl(),
    clock: systemClock,
    marks: createMarks(systemClock),
  }
  const committer = createCommitter({
    ...parts,
    router,
    defer: () => undefined,
    report: (error) => console.error(error),
  })
  const common = { consumer: 'social', router, committer, clock: systemClock }
  const inbox = createInbox(common)
  const ordered = createOrderedInbox({
    ...common,
    effectOf: (event) => effectOf(event, place().isPoison(event)),
  })
  const service = createService({
    authenticate: noFetch,
    tokens: { operator: 'o'.repeat(16), importer: 'i'.repeat(16) },
    secret: 's'.repeat(16),
    report: () => undefined,
  })
  serveInbox(service, {
    consumer: 'social',
    publicUrl: publicUrl(),
    verifier: qstashVerifier({
      current: devTokens.qstashCurrentKey,
      next: devTokens.qstashNextKey,
    }),
    apply: async (events, each) => {
      place().onStart(events)
      if (place().isOrdered) return ordered.apply(events, each)
      const effects = events.map((event) => ({
        ...effectOf(event, place().isPoison(event)),
        event,
        key: event.key,
      }))
      return inbox.apply(effects, each)
    },
    report: () => undefined,
  })
  return service
}

/** A producer's and a consumer's database and the queue, as processes; the relay and the consumer in this one. */
export async function openPlace(): Promise<Place> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine: 'in-process' })
  const origin = `http://127.0.0.1:${servers.ports.libsql}`
  const provider = localProvider(origin, devTokens.libsql)
  const ddl = await tables()
  const open = async (name: string) => {
    const url = await provider.createDatabase(name)
    const client = createClient({ url, authToken: devTokens.libsql })
    await client.executeMultiple(ddl)
    await own(client, name)
    return { client, shard: libsqlShard({ name, url, token: devTokens.libsql }) }
  }
  const [producer, consumer] = [await open('producer'), await open('consumer')]
  const queue = qstashQueue({
    url: `http://127.0.0.1:${servers.ports.qstash}`,
    token: devTokens.qstash,
  })
  let service: ReturnType<typeof inboxOf> | undefined
  const served = await serve(async (request) => {
    if (service === undefined) return new Response(null, { status: 503 })
    return service.fetch(request)
  })
  service = inboxOf(
    () => place,
    routerOf(consumer.shard),
    queue,
    () => served.url,
  )
  const place: Place = {
    producer: { ...producer, router: routerOf(producer.shard) },
    consumer,
    queue,
    publicUrl: served.url,
    onStart: () => undefined,
    isPoison: () => false,
    isOrdered: false,
    committer: (given, clock) => {
      const marks = createMarks(clock)
      const router = routerOf(producer.shard, () => marks.take(producer.shard.name) as never[])
      const report = () => undefined
      const parts = { queue: given, publicUrl: served.url, clock, marks }
      return createCommitter({ ...parts, router, defer: () => undefined, report })
    },
    close: async () => {
      await served.close()
      for (const { client } of [producer, consumer]) client.close()
      await servers.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return place
}

/** An event of an aggregate, as a commit would write it. */
export function eventOf(key: string, seq: number): StoaEvent<'member.registered'> {
  const data = { member: key, handle: 'ada', name: 'Ada' }
  return { id: ids.child(key), type: 'member.registered', key, seq, at: 1, cause: 'b', data }
}
