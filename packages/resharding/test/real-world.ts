import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { rootCall, slotRange, type SqlShard, type SqlValue, type Statement } from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  evenSlots,
  fenceSetOf,
  readCatalogue,
  type Router,
  shapeOf,
  type TableShape,
} from '@stoa/sharding'

import { shardsWith, type Where } from './real-shard.ts'

export const call = rootCall('real')

export const shardNames = ['a', 'b', 'c'] as const

/** A server process, which comes back by itself when it is killed. */
export type Server = {
  /** Kills the process with SIGKILL. */
  kill(this: void): void
  /** Puts a fault rule in force, or with none takes all away; a server that is not there has none. */
  spoil(this: void, rule?: object): Promise<void>
  /** Waits until the server answers. @throws when it stays away for a minute */
  answers(this: void): Promise<void>
}

export type RealWorld = {
  /** The first has `meta` and `a`, the other `b` and `c`. */
  readonly servers: readonly [Server, Server]
  readonly meta: Where
  readonly shards: readonly SqlShard[]
  readonly router: Router
  readonly shapes: readonly TableShape[]
  /** A slot of each shard that never moves, and whatever else the test moves in `a`. */
  readonly resting: readonly number[]
  /** Has the router read the topology anew. */
  refresh(this: void): Promise<void>
  close(this: void): Promise<void>
}

const thing = `CREATE TABLE thing (
  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20), version INTEGER NOT NULL) WITHOUT ROWID`
const entry = `CREATE TABLE entry (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE CHECK (length(id) = 20),
  thing TEXT NOT NULL, body BLOB NOT NULL)`

/** How many slots of `a`, from the first, the databases know; the others have no rows. */
const slotsOfFirst = 8

export const token = devTokens.libsql
const shardAt = shardsWith(token)

const plain = (sql: string): Statement => ({ sql, args: [] })

async function migrate(shard: SqlShard, file: string): Promise<void> {
  const text = await readFile(new URL(`../../../drizzle/${file}`, import.meta.url), 'utf8')
  await shard.batch(text.split('--> statement-breakpoint').map(plain), 'write', call)
}

export async function rowsIn(
  shard: SqlShard,
  sql: string,
  ...args: SqlValue[]
): Promise<readonly (readonly SqlValue[])[]> {
  const [rows] = await shard.batch([{ sql, args }], 'read', call)
  return rows?.rows ?? []
}

/** The shared tables, two of a business, the fence, and who owns what. */
async function provision(
  shard: SqlShard,
  slots: readonly number[],
): Promise<readonly TableShape[]> {
  await migrate(shard, 'shared/0000_shared.sql')
  await shard.batch([plain(thing), plain(entry)], 'write', call)
  const [catalogue] = await shard.batch([catalogueQuery], 'read', call)
  const tables = readCatalogue(catalogue?.rows ?? [])
  const { triggers, hash } = fenceSetOf(tables)
  const pieces = slots.map((slot) => slotRange(slot))
  await shard.batch(
    [
      ...triggers.map(({ sql }) => plain(sql)),
      {
        sql: 'INSERT INTO _shard_meta (id, shard, incarnation, fence_hash) VALUES (1, ?, ?, ?)',
        args: [shard.name, `inc-${shard.name}`, hash],
      },
      {
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
        args: [JSON.stringify(pieces)],
      },
    ],
    'write',
    call,
  )
  return tables.flatMap((table) => shapeOf(table) ?? [])
}

const awayMsMax = 60_000

const wait = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms)
  })

async function openProcess(dataDir: string) {
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const processes = await supervise({ dataDir, ports, redisEngine: 'in-process' })
  const url = `http://127.0.0.1:${processes.ports.libsql}`
  const json = { 'content-type': 'application/json' }
  const post = (route: string, body: object) =>
    fetch(`${url}/_local/${route}`, { method: 'POST', headers: json, body: JSON.stringify(body) })
  const server: Server = {
    kill: () => {
      const pid = processes.pid('libsql')
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    },
    spoil: async (rule) => {
      const sent =
        rule === undefined
          ? fetch(`${url}/_local/faults`, { method: 'DELETE' })
          : post('faults', rule)
      await sent.catch(() => undefined)
    },
    answers: async () => {
      for (const deadline = Date.now() + awayMsMax; Date.now() < deadline;) {
        const answer = await fetch(`${url}/health`).catch(() => undefined)
        if (answer?.ok === true) return
        await wait(20)
      }
      throw new Error('a server did not come back')
    },
  }
  const create = async (name: string): Promise<SqlShard> => {
    const answer = await post('databases', { name })
    if (!answer.ok) throw new Error(`database "${name}" was not made: ${answer.status}`)
    return shardAt({ name, url: `${url}/${name}/` })
  }
  return { server, create, at: (name: string) => `${url}/${name}/`, close: () => processes.close() }
}

/** Two server processes with three fenced databases and `meta`: slots 0 to 7 of `a`, and one each of `b` and `c`. */
export async function openRealWorld(): Promise<RealWorld> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-resharding-'))
  const [first, other] = await Promise.all(
    ['first', 'other'].map((name) => openProcess(path.join(dataDir, name))),
  )
  if (first === undefined || other === undefined) throw new Error('a server did not start')
  const homes = { a: first, b: other, c: other }
  const meta = await first.create('meta')
  await migrate(meta, 'meta/migrations/0001_topology.sql')
  await migrate(meta, 'meta/migrations/0002_reshard_job.sql')
  const ranges = evenSlots(shardNames)
  const far = ranges.slice(1).map(({ from }) => from)
  const shards = await Promise.all(shardNames.map((name) => homes[name].create(name)))
  const near = Array.from({ length: slotsOfFirst }, (_, slot) => slot)
  const [shapes = []] = await Promise.all(
    shards.map((shard, index) =>
      provision(shard, index === 0 ? near : far.slice(index - 1, index)),
    ),
  )
  const infos = shardNames.map((name) => ({
    name,
    url: homes[name].at(name),
    incarnation: `inc-${name}`,
  }))
  const document = JSON.stringify({ things: { shards: infos, slots: ranges } })
  const sql = 'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)'
  await meta.batch([{ sql, args: [document] }], 'write', call)
  const topology = cacheTopology(async () => {
    const [[version, text] = []] = await rowsIn(meta, 'SELECT version, document FROM topology')
    return { version: Number(version), keyspaces: JSON.parse(String(text)) as never }
  })
  const slots = topology.slots('things')
  return {
    servers: [first.server, other.server],
    meta: { name: 'meta', url: first.at('meta') },
    shards,
    router: createRouter({ slots, open: shardAt, sleep: (ms) => wait(ms) }),
    shapes,
    resting: [slotsOfFirst - 1, ...far],
    refresh: async () => {
      await slots.refresh(call)
    },
    close: async () => {
      await Promise.all([first.close(), other.close()])
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
