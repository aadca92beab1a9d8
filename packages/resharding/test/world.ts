import {
  AmbiguousWriteError,
  type BatchMode,
  createIds,
  manualClock,
  rootCall,
  seededRandom,
  ShardUnavailableError,
  slotRange,
  type SqlShard,
  slotText,
  type Statement,
} from '@stoa/kernel'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  isWritable,
  ownerOf,
  readableStates,
  type Router,
  type TableShape,
} from '@stoa/sharding'

import type { MoveLimits, MoveProgress, MoveRequest } from '../src/index.ts'
import { createUnsafeMover, type Mover } from '../src/mover.ts'
import { allSafeguards, type Safeguards } from '../src/safeguards.ts'
import { type Database, openMeta, openPlain, openShard } from './databases.ts'

export const call = rootCall('test')

/** What befalls a batch of the mover: its request or its reply is lost, or the mover dies before it or after it. */
export type Fault = 'request' | 'reply' | 'death before' | 'death after'

/** What a mover sends. */
export type Batch = {
  readonly database: Database
  readonly statements: readonly Statement[]
  readonly mode: BatchMode
  /** All of its SQL. */
  readonly text: string
}

export class Death extends Error {
  override readonly name = 'Death'
}

type Names = 'a' | 'b' | 'c'

export type World = Record<Names, Database> & {
  readonly meta: Database
  readonly plain: Database
  readonly router: Router
  /** The tables that the clients write. */
  readonly shapes: readonly TableShape[]
  /** All sharded tables. */
  readonly allShapes: readonly TableShape[]
  readonly events: MoveProgress[]
  /** Batches of the movers so far, by the name of the database and the mode. */
  readonly sent: string[]
  /** What befalls a batch, given with its number, counted from 1 over all movers. */
  fault: (batch: Batch, number: number) => Fault | undefined
  /** Runs before each batch of a mover: what clients and others do in the meantime. */
  between: (batch: Batch) => Promise<void>
  mover(this: void, options?: MoverSetup): Mover
  /** Has the router read the topology anew. */
  refresh(this: void): Promise<void>
  /** A move of slots 0 to 3 from a to b. */
  request(this: void, request?: Partial<MoveRequest>): MoveRequest
  close(this: void): void
}

export type MoverSetup = {
  readonly without?: readonly (keyof Safeguards)[]
  readonly limits?: Partial<MoveLimits>
}

export const clock = manualClock(1_790_000_000_000)

/** Slots 0 to 15 in `a`, which has rows; the topology gives it half of all, and nothing to `c`. `more` are tables. */
export async function openWorld(more: readonly string[] = []): Promise<World> {
  const [a, b] = [await openShard('a', more), await openShard('b', more)]
  const [c, meta, plain] = [await openShard('c', more), await openMeta(), await openPlain(more)]
  const pieces = Array.from({ length: 16 }, (_, slot) => slotRange(slot))
  await a.database.run(
    `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
    JSON.stringify(pieces),
  )
  const shards = ['a', 'b', 'c'].map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: `inc-${name}`,
  }))
  const document = { things: { shards, slots: evenSlots(['a', 'b']) } }
  await meta.run(
    'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)',
    JSON.stringify(document),
  )
  const databases: Record<Names, Database> = { a: a.database, b: b.database, c: c.database }
  const find = (name: string) => databases[name as Names]
  const topology = cacheTopology(async () => {
    const [[version, text] = []] = await meta.run('SELECT version, document FROM topology')
    return { version: Number(version), keyspaces: JSON.parse(String(text)) as typeof document }
  })
  const slots = topology.slots('things')
  const router = createRouter({
    slots,
    open: ({ name }) => find(name),
    sleep: async () => undefined,
  })
  const written = new Set(['entry', 'idempotency', 'mark', 'outbox', 'seal', 'thing'])
  const shapes = a.shapes.filter(({ name }) => written.has(name))
  const sent: string[] = []
  const watched = (database: Database): SqlShard => ({
    name: database.name,
    batch: async (statements, mode, at) => {
      const batch = {
        database,
        statements,
        mode,
        text: statements.map(({ sql }) => sql).join(';\n'),
      }
      await world.between(batch)
      sent.push(`${database.name} ${mode}`)
      const fault = world.fault(batch, sent.length)
      if (fault === 'death before') throw new Death()
      if (fault === 'request' && mode === 'write') throw new AmbiguousWriteError(database.name)
      if (fault === 'request') throw new ShardUnavailableError(database.name, 'network')
      const answer = await database.batch(statements, mode, at).then(
        (rows) => () => rows,
        (error: unknown) => () => {
          throw error as Error
        },
      )
      if (fault === 'reply') throw new AmbiguousWriteError(database.name)
      if (fault === 'death after') throw new Death()
      return answer()
    },
  })
  const opened = new Map(Object.entries(databases).map(([name, one]) => [name, watched(one)]))
  const watchedMeta = watched(meta)
  const events: MoveProgress[] = []
  let seed = 0
  const world: World = {
    ...databases,
    meta,
    plain,
    router,
    shapes,
    allShapes: a.shapes,
    events,
    sent,
    fault: () => undefined,
    between: async () => undefined,
    mover: ({ without = [], limits = {} } = {}) => {
      seed += 1
      const off = Object.fromEntries(without.map((name) => [name, false]))
      return createUnsafeMover(
        {
          meta: watchedMeta,
          open: ({ name }) => opened.get(name) ?? find(name),
          clock,
          random: seededRandom(seed),
          sleep: async (ms) => clock.advance(ms),
          progress: (event) => events.push(event),
          limits,
        },
        { ...allSafeguards, ...off },
      )
    },
    refresh: async () => {
      await slots.refresh(call)
    },
    request: (request = {}) => ({
      id: 'm1',
      keyspace: 'things',
      scope: { kind: 'slots', slots: [0, 1, 2, 3] },
      source: 'a',
      target: 'b',
      shapes,
      ...request,
    }),
    close: () => [a.database, b.database, c.database, meta, plain].forEach((each) => each.close()),
  }
  return world
}

/** A client that writes through the router, and tells a model of what was acknowledged. */
export type Writer = {
  /** Writes something somewhere, after what it wrote before; false when nobody took it. */
  write(this: void): Promise<boolean>
  readonly written: { count: number; refused: number }
}

type Entry = { readonly id: string; readonly thing: string; label: string }
type Change = {
  readonly key: string
  readonly statements: readonly Statement[]
  readonly done: () => void
}

/** Makes up changes: versions with their idempotency and outbox rows, new rows, swapped unique labels, deletions. */
function changesOf(seed: number): () => Change {
  const random = seededRandom(seed)
  const ids = createIds({ clock, random })
  const things: string[] = []
  const entries = new Map<string, Entry>()
  const pick = <T>(items: readonly T[]): T | undefined => items[random.uint32() % items.length]
  const raise = (id: string): Change => {
    const key = ids.child(id)
    const statements = [
      { sql: 'UPDATE thing SET version = version + 1 WHERE id = ?', args: [id] },
      {
        sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, created_at, expires_at)
VALUES (?, 'p', 'POST', '/', ?, 'f', 1, 2)`,
        args: [key, key],
      },
      {
        sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at)
SELECT ?, 't', 't.t', id, version, '{}', 1, 1 FROM thing WHERE id = ?`,
        args: [key, id],
      },
    ]
    return { key: id, statements, done: () => undefined }
  }
  const enter = (thing: string): Change => {
    const id = ids.child(thing)
    const body = Uint8Array.of(0, random.uint32() % 256)
    const sql = 'INSERT INTO entry (id, thing, label, weight, body) VALUES (?, ?, ?, ?, ?)'
    return {
      key: thing,
      statements: [{ sql, args: [id, thing, id, 0.5, body] }],
      done: () => entries.set(id, { id, thing, label: id }),
    }
  }
  const swap = (one: Entry, other: Entry): Change => {
    const name = (id: string, label: string): Statement => ({
      sql: 'UPDATE entry SET label = ? WHERE id = ?',
      args: [label, id],
    })
    const labels = [one.label, other.label] as const
    return {
      key: one.thing,
      statements: [name(one.id, 'free'), name(other.id, labels[0]), name(one.id, labels[1])],
      done: () => {
        one.label = labels[1]
        other.label = labels[0]
      },
    }
  }
  const remove = ({ id, thing }: Entry): Change => ({
    key: thing,
    statements: [{ sql: 'DELETE FROM entry WHERE id = ?', args: [id] }],
    done: () => entries.delete(id),
  })
  const create = (): Change => {
    const id = ids.rootAt(`${slotText(random.uint32() % 6)}0${random.uint32() % 4}`)
    const statements = [{ sql: 'INSERT INTO thing (id, version) VALUES (?, 1)', args: [id] }]
    return { key: id, statements, done: () => things.push(id) }
  }
  return () => {
    const thing = pick(things)
    if (thing === undefined || random.uint32() % 6 === 0) return create()
    const entry = pick([...entries.values()])
    const other = pick(
      [...entries.values()].filter((each) => each.thing === entry?.thing && each !== entry),
    )
    const kind = random.uint32() % 4
    if (kind === 0 && entry !== undefined && other !== undefined) return swap(entry, other)
    if (kind === 1 && entry !== undefined) return remove(entry)
    return kind === 2 ? enter(thing) : raise(thing)
  }
}

export function createWriter(world: World, seed: number): Writer {
  const next = changesOf(seed)
  const written = { count: 0, refused: 0 }
  const write = async (): Promise<boolean> => {
    const { key, statements, done } = next()
    try {
      await world.router.write(key, statements, call)
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'shard_fenced')
        throw error
      written.refused += 1
      return false
    }
    await world.plain.batch(statements, 'write', call)
    done()
    written.count += 1
    return true
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    written,
    write: () => {
      const mine = last.then(write)
      last = mine
      return mine
    },
  }
}

/** Every row of a table, but for local row numbers, as text. */
export async function rowsOf(
  database: Database,
  { name }: TableShape,
  where = 'true',
): Promise<readonly string[]> {
  const [info] = await database.batch(
    [
      {
        sql: `SELECT name FROM pragma_table_info('${name}') WHERE name <> 'n' ORDER BY cid`,
        args: [],
      },
    ],
    'read',
    call,
  )
  const columns = (info?.rows ?? []).map(([column]) => `"${String(column)}"`).join()
  const rows = await database.run(`SELECT ${columns} FROM "${name}" WHERE ${where}`)
  return rows.map((row) => row.map(String).join('|')).toSorted()
}

/** Every key that is looked at: the slots of the world, and its owners. */
const keys = Array.from({ length: 16 }, (_, slot) =>
  ['', '01', '02', '03'].map((owner) => slotText(slot) + owner),
).flat()

/** Who says that it serves a key: to be one. */
export async function ownersOf(world: World): Promise<ReadonlyMap<string, readonly string[]>> {
  const owners = new Map<string, string[]>(keys.map((key) => [key, []]))
  for (const name of ['a', 'b', 'c'] as const) {
    const rows = await world[name].run(
      `SELECT k.value, ${ownerOf('k.value', 'state')} IN ${readableStates} FROM json_each(?) AS k`,
      JSON.stringify(keys),
    )
    for (const [key, serves] of rows) if (serves === 1) owners.get(String(key))?.push(name)
  }
  return owners
}

/** Keys that two databases serve at this moment. */
export async function contestedIn(world: World): Promise<readonly string[]> {
  const owners = [...(await ownersOf(world))]
  return owners
    .filter(([, names]) => names.length > 1)
    .map(([key, names]) => `"${key}" is served by ${names.join(' and ')}`)
}

/**
 * What is wrong with the world when no move is at work: rows that are lost, doubled, old, or with a stranger; keys
 * without an owner or with two; what a move left behind.
 */
export async function wrongsOf(world: World): Promise<readonly string[]> {
  const wrongs: string[] = []
  const say = (what: string) => wrongs.push(what)
  for (const shape of world.shapes) {
    const expected = await rowsOf(world.plain, shape)
    const found: string[] = []
    const mine = isWritable(`"${shape.key}"`)
    for (const name of ['a', 'b', 'c'] as const) {
      const served = await rowsOf(world[name], shape, mine)
      const all = await rowsOf(world[name], shape)
      found.push(...served)
      if (all.length > served.length)
        say(`${name} keeps ${all.length - served.length} rows of ${shape.name}`)
    }
    const there = new Set(found)
    const lost = expected.filter((row) => !there.has(row)).length
    const more = found.length - (expected.length - lost)
    if (lost > 0 || more > 0) say(`${shape.name}: ${lost} lost or old, ${more} too many`)
  }
  await world.refresh()
  for (const [key, owners] of await ownersOf(world)) {
    const place = await world.router.shardOf(key, call)
    if (owners.join() !== place)
      say(`"${key}" is in ${place} by the topology, and served by: ${owners.join(' ')}`)
  }
  for (const name of ['a', 'b', 'c'] as const) {
    const count = async (from: string) =>
      Number((await world[name].run(`SELECT count(*) FROM ${from}`))[0]?.[0])
    if ((await count('_slot_owner WHERE job IS NOT NULL')) > 0) say(`${name} has pieces with a job`)
    if ((await count("_slot_owner WHERE state NOT IN ('serving', 'handed_off')")) > 0)
      say(`${name} has pieces that move`)
    if ((await count('_cdc')) > 0) say(`${name} has captured changes left`)
    if ((await count('_mv_chunk')) > 0) say(`${name} has chunks left`)
    if ((await count('_fence WHERE mover IS NOT NULL')) > 0) say(`${name} lets a mover pass`)
  }
  return wrongs
}
