import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { createClient } from '@libsql/client'
import { libsqlShard } from '@stoa/adapters/shard'
import {
  createIds,
  rootCall,
  seededRandom,
  sleep,
  slotRange,
  slotText,
  type SqlShard,
  systemClock,
} from '@stoa/kernel'
import { devTokens, type Local, startLocal } from '@stoa/local'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  type Keyspace,
  type Router,
  type ShardInfo,
  slotMapOf,
  type Topology,
} from '@stoa/sharding'
import { vi } from 'vitest'

import { localProvider, migrate, migrationsOf, type Provider } from '../../src/index.ts'
import { runStoa } from '../../src/stoa/program.ts'

export const call = rootCall('test')
const entry = fileURLToPath(new URL('../../src/stoa.ts', import.meta.url))

export type Event = Readonly<Record<string, unknown>>
export type Said = { readonly code: number; readonly events: readonly Event[] }

/** The local platform with a keyspace `social` of two databases. */
export type Town = {
  readonly local: Local
  readonly metaUrl: string
  readonly provider: Provider
  readonly router: Router
  topology(this: void): Promise<Topology>
  social(this: void): Promise<Keyspace>
  /** Rows of a query in one database. */
  rows(this: void, name: string, sql: string): Promise<readonly (readonly unknown[])[]>
  readonly meta: SqlShard
  /** Runs a command in this process, with --json. */
  stoa(this: void, ...words: readonly string[]): Promise<Said>
  /** The same with another token. */
  with(this: void, token: string, ...words: readonly string[]): Promise<Said>
  /** The same with another meta database. */
  at(this: void, metaUrl: string, ...words: readonly string[]): Promise<Said>
  /** Runs a command as a process of its own, with --json; hears its lines. */
  start(this: void, ...words: readonly string[]): Child
  close(this: void): Promise<void>
}

export type Child = {
  readonly process: ChildProcess
  readonly events: Event[]
  /** Resolves when an event is said that matches. */
  until(this: void, matches: (event: Event) => boolean): Promise<void>
  /** The exit code, or the signal. */
  readonly ended: Promise<number | string>
}

function eventsIn(text: string): readonly Event[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event)
}

async function run(words: readonly string[]): Promise<Said> {
  let said = ''
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    said += String(chunk)
    return true
  })
  try {
    const code = await runStoa([...words, '--json'])
    return { code, events: eventsIn(said) }
  } finally {
    out.mockRestore()
  }
}

function startChild(words: readonly string[]): Child {
  const child = spawn(process.execPath, [entry, ...words, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const events: Event[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  child.stdout.on('data', (chunk: Buffer) => {
    rest += chunk.toString()
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    events.push(...eventsIn(lines.join('\n')))
    for (const look of waiting) look()
  })
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code ?? -1))
  })
  return {
    process: child,
    events,
    ended,
    until: (matches) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!events.some(matches)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        void ended.then(() => {
          look()
          return reject(new Error(`the command ended: ${JSON.stringify(events.at(-1))}`))
        })
        look()
      }),
  }
}

async function makeShard(
  provider: Provider,
  { name, from, to }: { readonly name: string; readonly from: number; readonly to: number },
): Promise<ShardInfo> {
  const url = await provider.createDatabase(name)
  const client = createClient({ url, authToken: provider.token })
  const pieces = Array.from({ length: to - from + 1 }, (_, at) => {
    const range = slotRange(from + at)
    return [range.from, range.to]
  })
  await migrate(client, { database: name, migrations: await migrationsOf('social') })
  await client.batch(
    [
      {
        sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?1, ?2)
ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation`,
        args: [name, `inc-${name}`],
      },
      {
        sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 0, value ->> 1, 1, 'serving' FROM json_each(?)`,
        args: [JSON.stringify(pieces)],
      },
    ],
    'write',
  )
  client.close()
  return { name, url, incarnation: `inc-${name}` }
}

export async function openTown(): Promise<Town> {
  const local = await startLocal({ redisEngine: 'in-process' })
  const provider = localProvider(`http://127.0.0.1:${local.ports.libsql}`, devTokens.libsql)
  const slots = evenSlots(['social-0', 'social-1'])
  const shards = await Promise.all(
    slots.map(({ shard: name, from, to }) => makeShard(provider, { name, from, to })),
  )
  const metaUrl = await provider.createDatabase('meta')
  const client = createClient({ url: metaUrl, authToken: provider.token })
  await migrate(client, { database: 'meta', migrations: await migrationsOf('meta') })
  await client.execute({
    sql: 'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)',
    args: [JSON.stringify({ social: { shards, slots } })],
  })
  client.close()
  const open = ({ name, url }: Pick<ShardInfo, 'name' | 'url'>) =>
    libsqlShard({ name, url, token: provider.token })
  const meta = open({ name: 'meta', url: metaUrl })
  const topology = async (): Promise<Topology> => {
    const query = { sql: 'SELECT version, document FROM topology', args: [] }
    const [found] = await meta.batch([query], 'read', call)
    const [version, document] = found?.rows[0] ?? []
    const keyspaces = JSON.parse(String(document)) as Topology['keyspaces']
    return { version: Number(version), keyspaces }
  }
  const social = async () => {
    const { keyspaces } = await topology()
    return keyspaces['social'] ?? { shards: [], slots: [] }
  }
  const router = createRouter({
    slots: cacheTopology(topology).slots('social'),
    open,
    sleep: (ms, { signal }) => sleep(ms, systemClock, signal),
  })
  const where = ['--meta-url', metaUrl, '--token', provider.token]
  return {
    local,
    metaUrl,
    provider,
    router,
    topology,
    social,
    meta,
    rows: async (name, sql) => {
      const url = await provider.createDatabase(name)
      const [found] = await open({ name, url }).batch([{ sql, args: [] }], 'read', call)
      return found?.rows ?? []
    },
    stoa: (...words) => run([...words, ...where]),
    with: (token, ...words) => run([...words, '--meta-url', metaUrl, '--token', token]),
    at: (url, ...words) => run([...words, '--meta-url', url, '--token', provider.token]),
    start: (...words) => startChild([...words, ...where]),
    close: () => local.close(),
  }
}

const ids = createIds({ clock: systemClock, random: seededRandom(7) })

const insertPost = (id: string, text: string) => ({
  sql: `INSERT INTO post (id, author, text, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  args: [id, id, text, 1],
})

/** Posts of owners spread over all slots, or of one owner; answers their ids. */
export async function seedPosts(
  { router }: Town,
  count: number,
  prefix?: string,
): Promise<readonly string[]> {
  const made = Array.from({ length: count }, (_, at) =>
    ids.rootAt(prefix ?? `${slotText((at * 163) % 16_384)}AB`),
  )
  for (const group of await router.groups(made, (id) => id, call)) {
    for (let start = 0; start < group.length; start += 200) {
      const part = group.slice(start, start + 200)
      await router.writeAll(
        part,
        part.map((id) => insertPost(id, id)),
        call,
      )
    }
  }
  return made
}

/** A client that writes posts through the router until it is told to stop. */
export function startWriter({ router }: Town): { stop(this: void): Promise<readonly string[]> } {
  const acknowledged: string[] = []
  const told = { isStopped: false }
  const random = seededRandom(11)
  const work = async () => {
    while (!told.isStopped) {
      const id = ids.rootAt(`${slotText(random.uint32() % 16_384)}CD`)
      await router.write(id, [insertPost(id, id)], call)
      acknowledged.push(id)
    }
  }
  const both = Promise.all([work(), work()])
  return {
    stop: async () => {
      told.isStopped = true
      await both
      return acknowledged
    },
  }
}

/** Every post of every database, by where it is. */
export async function allPosts(town: Town): Promise<readonly (readonly [string, string])[]> {
  const { shards } = await town.social()
  const lists = await Promise.all(
    shards.map(async ({ name }) =>
      (await town.rows(name, 'SELECT id FROM post ORDER BY id')).map(
        ([id]) => [String(id), name] as const,
      ),
    ),
  )
  return lists.flat()
}

/** Posts that are not there once, where the map says. */
export async function misplaced(town: Town, expected: readonly string[]): Promise<Event> {
  const posts = await allPosts(town)
  const places = new Map(posts)
  const map = slotMapOf('social', await town.social())
  return {
    lost: expected.filter((id) => !places.has(id)).length,
    doubled: posts.length - places.size,
    foreign: posts.length - expected.length,
    astray: posts.filter(([id, name]) => map.place(id).shard.name !== name).length,
  }
}
