import { setImmediate as turn } from 'node:timers/promises'

import {
  createIds,
  type Ids,
  manualClock,
  type Random,
  seededRandom,
  slotRange,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  isWritable,
  type Router,
  type TableShape,
} from '@stoa/sharding'

import { createMover, type Mover } from '../src/index.ts'
import { type Database, openMeta, openShard } from './databases.ts'
import { call, rowsOf } from './world.ts'

/** A keyspace over some databases, and what it takes to move its keys between them. */
export type Keyspace = {
  readonly router: Router
  readonly shapes: readonly TableShape[]
  readonly databases: readonly Database[]
  mover(this: void): Mover
  /** The database that has a slot by the topology as it is now. */
  sourceOf(this: void, slot: number): Promise<string>
  close(this: void): void
}

export type Layout = {
  /** The databases; the first `owners` of them share all slots at first. */
  readonly names: readonly string[]
  readonly owners: number
  readonly random: Random
  /** Changes what reaches a database from the router, for a mutant. */
  readonly rewrite?: (statement: Statement) => Statement
}

/** Slots in which there is something, in each half of the key space. */
export const livedIn = [0, 1, 2, 9_000, 9_001, 12_000] as const

const incarnationOf = (name: string) => `inc-${name}`

/** Another task goes on meanwhile, for as many turns of the event loop as chance will have it. */
async function waitTurns(random: Random, most: number): Promise<void> {
  for (let left = random.uint32() % (most + 1); left > 0; left -= 1) await turn()
}

async function openOwner(
  name: string,
  slots: readonly { readonly from: number; readonly to: number }[],
): Promise<Awaited<ReturnType<typeof openShard>>> {
  const opened = await openShard(name)
  const pieces = slots.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, index) => slotRange(from + index)),
  )
  await opened.database.run(
    `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
    JSON.stringify(pieces),
  )
  return opened
}

/** Opens a keyspace whose router and movers give way to each other at every batch. */
export async function openKeyspace({
  names,
  owners,
  random,
  rewrite = (same) => same,
}: Layout): Promise<Keyspace> {
  const slots = evenSlots(names.slice(0, owners))
  const shards = names.map((name) => ({
    name,
    url: `memory:${name}`,
    incarnation: incarnationOf(name),
  }))
  const opened = await Promise.all(
    names.map((name) =>
      openOwner(
        name,
        slots.filter(({ shard }) => shard === name),
      ),
    ),
  )
  const meta = await openMeta()
  await meta.run(
    'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)',
    JSON.stringify({ things: { shards, slots } }),
  )
  const databases = opened.map(({ database }) => database)
  const busy = (database: Database, change = (same: Statement) => same): SqlShard => ({
    name: database.name,
    batch: async (statements, mode, at) => {
      await waitTurns(random, 2)
      return database.batch(statements.map(change), mode, at)
    },
  })
  const find = (name: string): Database => {
    const found = databases.find((one) => one.name === name)
    if (found === undefined) throw new RangeError(`there is no database ${name}`)
    return found
  }
  const readTopology = async () => {
    const [[version, text] = []] = await meta.run('SELECT version, document FROM topology')
    const keyspaces = JSON.parse(String(text)) as Record<
      string,
      { shards: typeof shards; slots: typeof slots }
    >
    return { version: Number(version), keyspaces }
  }
  // The router's is as old as its fences let it be.
  const [routed, newest] = [cacheTopology(readTopology), cacheTopology(readTopology)]
  return {
    databases,
    shapes: (opened[0]?.shapes ?? []).filter(({ name }) => written.has(name)),
    router: createRouter({
      slots: routed.slots('things'),
      open: ({ name }) => busy(find(name), rewrite),
      sleep: () => waitTurns(random, 6),
    }),
    mover: () =>
      createMover({
        meta: busy(meta),
        open: ({ name }) => busy(find(name)),
        clock: manualClock(startMs),
        random,
        sleep: () => waitTurns(random, 2),
        limits: { rows: 5, chunkRows: 9, window: 20, parallel: 2 },
      }),
    sourceOf: async (slot) => (await newest.slots('things').refresh(call)).place(slot).shard.name,
    close: () => [...databases, meta].forEach((each) => each.close()),
  }
}

const startMs = 1_790_000_000_000
const written: ReadonlySet<string> = new Set(['thing', 'entry', 'lookup'])

/** Every row that a keyspace serves, by table. */
export async function contentOf({
  databases,
  shapes,
}: Keyspace): Promise<Readonly<Record<string, readonly string[]>>> {
  const content: Record<string, readonly string[]> = {}
  for (const shape of shapes) {
    const served = await Promise.all(
      databases.map((each) => rowsOf(each, shape, isWritable(`"${shape.key}"`))),
    )
    content[shape.name] = served.flat().toSorted()
  }
  return content
}

/** Chance and ids of one life: the same again from the same seed. */
export function chanceOf(seed: number): { readonly random: Random; readonly ids: Ids } {
  const random = seededRandom(seed)
  return { random, ids: createIds({ clock: manualClock(startMs), random: seededRandom(seed + 1) }) }
}
