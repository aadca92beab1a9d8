import {
  AmbiguousWriteError,
  createIds,
  seededRandom,
  type SqlShard,
  slotText,
  type Statement,
} from '@stoa/kernel'
import { ownerOf, readableStates } from '@stoa/sharding'

import { createUnsafeReplicaFeed, type ReplicaFeed } from '../src/replica-feed.ts'
import { allFeedSafeguards, type FeedLimits, type FeedSafeguards } from '../src/replica-options.ts'
import { type Database, openShard } from './databases.ts'
import { call, clock, Death, type Fault, openWorld, rowsOf, type World } from './world.ts'

export type Without = readonly (keyof FeedSafeguards)[]

/** A batch of a feed, by where it goes. */
export type FeedBatch = {
  readonly to: 'primary' | 'replica'
  readonly mode: 'read' | 'write'
  readonly text: string
}

/** What a client knows of a thing: its version, and by which write at which database it got it. */
type Acknowledged = {
  readonly version: number
  readonly shard: string
  readonly epoch: number
  readonly seq: number
}

/** A world whose database `a` has a replica. */
export type ReplicaWorld = {
  readonly world: World
  readonly replica: Database
  /** What befalls a feed's batch, given with its number. */
  fault: (batch: FeedBatch, number: number) => Fault | undefined
  between: (batch: FeedBatch) => Promise<void>
  feed(this: void, without?: Without, limits?: Partial<FeedLimits>): ReplicaFeed
  /** Sends a batch that was written to the replica before once more, late; it may be refused. */
  echo(this: void, which: number): Promise<void>
  /** Creates a thing, raises one, or deletes one, through the router. */
  write(this: void): Promise<void>
  /** Creates the thing, or raises it. */
  put(this: void, id: string): Promise<void>
  /** Every thing that the replica answers for, but not as it must. */
  wrongs(this: void): Promise<readonly string[]>
  /** What differs once all is at rest. */
  differences(this: void): Promise<readonly string[]>
  close(this: void): void
}

const small: Partial<FeedLimits> = { rows: 7, bytes: 10_000, window: 5, pieces: 5, batches: 4_000 }

const selectPlace = (id: string) => ({
  sql: `SELECT ${ownerOf('?', 'epoch')}, (SELECT CASE capture WHEN 1 THEN (SELECT max(seq) FROM _cdc) END FROM _fence)`,
  args: [id, id, id],
})

export async function openReplicaWorld(
  seed = 1,
  more: readonly string[] = [],
): Promise<ReplicaWorld> {
  const world = await openWorld(more)
  const { database: replica } = await openShard('a-replica', more)
  const random = seededRandom(seed)
  const ids = createIds({ clock, random })
  const known = new Map<string, Acknowledged>()
  const sent: (readonly Statement[])[] = []
  let number = 0
  const watched = (to: FeedBatch['to'], database: Database): SqlShard => ({
    name: database.name,
    batch: async (statements, mode, at) => {
      const batch = { to, mode, text: statements.map(({ sql }) => sql).join(';\n') }
      await self.between(batch)
      number += 1
      const fault = self.fault(batch, number)
      if (fault === 'death before' || fault === 'request') throw new Death()
      if (mode === 'write' && to === 'replica') sent.push(statements)
      const answer = await database.batch(statements, mode, at)
      if (fault === 'death after') throw new Death()
      if (fault === 'reply') throw new AmbiguousWriteError(database.name)
      return answer
    },
  })
  const [primary, copy] = [watched('primary', world.a), watched('replica', replica)]
  const change = async (id: string, version: number, statements: readonly Statement[]) => {
    try {
      await world.router.write(id, statements, call)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'shard_fenced') return
      throw error
    }
    await world.plain.batch(statements, 'write', call)
    const name = await world.router.shardOf(id, call)
    const shard = name === 'a' ? world.a : world.b
    const [rows] = await shard.batch([selectPlace(id)], 'read', call)
    const [epoch, seq] = rows?.rows[0] ?? []
    // What nobody captured, a replica cannot be trusted to have.
    const place = seq === null ? Infinity : Number(seq)
    known.set(id, { version, shard: name, epoch: Number(epoch), seq: place })
  }
  const write = async (): Promise<void> => {
    const all = [...known.keys()]
    const id = all[random.uint32() % Math.max(1, all.length)]
    const kind = random.uint32() % 5
    if (id === undefined || kind === 0) {
      const fresh = ids.rootAt(`${slotText(random.uint32() % 6)}0${random.uint32() % 4}`)
      const insert = 'INSERT INTO thing (id, version) VALUES (?, 1)'
      await change(fresh, 1, [{ sql: insert, args: [fresh] }])
      return
    }
    const { version } = known.get(id) ?? { version: 0 }
    if (kind === 1 && version > 0) {
      await change(id, 0, [{ sql: 'DELETE FROM thing WHERE id = ?', args: [id] }])
    } else if (version === 0) {
      await change(id, 1, [{ sql: 'INSERT INTO thing (id, version) VALUES (?, 1)', args: [id] }])
    } else {
      const raise = 'UPDATE thing SET version = ? WHERE id = ?'
      await change(id, version + 1, [{ sql: raise, args: [version + 1, id] }])
    }
  }
  const put = async (id: string): Promise<void> => {
    const version = (known.get(id)?.version ?? 0) + 1
    const sql =
      version === 1
        ? 'INSERT INTO thing (version, id) VALUES (?, ?)'
        : 'UPDATE thing SET version = ? WHERE id = ?'
    await change(id, version, [{ sql, args: [version, id] }])
  }
  const wrongs = async (): Promise<readonly string[]> => {
    const found = await replica.run(
      `SELECT k.value, ${ownerOf('k.value', 'epoch')}, (SELECT applied FROM _replica),
  coalesce((SELECT version FROM thing WHERE id = k.value), 0)
FROM json_each(?) AS k WHERE ${ownerOf('k.value', 'state')} IN ${readableStates}`,
      JSON.stringify([...known.keys()]),
    )
    return found.flatMap(([id, epoch, applied, version]) => {
      const latest = known.get(String(id))
      if (latest === undefined) return []
      const isNew = Number(epoch) >= latest.epoch
      const isThere = latest.shard !== 'a' || Number(applied) >= latest.seq
      if (!isNew || !isThere || Number(version) === latest.version) return []
      return [`${String(id)} is ${Number(version)} and should be ${latest.version}`]
    })
  }
  const differences = async (): Promise<readonly string[]> => {
    const differing: string[] = []
    for (const shape of world.shapes) {
      const mine = `${ownerOf(`"${shape.key}"`, 'state')} IN ${readableStates}`
      const there = await rowsOf(replica, shape)
      const expected = await rowsOf(world.a, shape, mine)
      if (there.join('\n') !== expected.join('\n'))
        differing.push(`${shape.name}: ${there.length} rows, ${expected.length} at the primary`)
    }
    const pieces = `SELECT lo, hi, epoch, peer, state IN ${readableStates} FROM _slot_owner ORDER BY lo`
    const [one, other] = [await replica.run(pieces), await world.a.run(pieces)]
    if (JSON.stringify(one) !== JSON.stringify(other)) differing.push('who owns what')
    const open = await replica.run('SELECT lo FROM _slot_owner WHERE job IS NOT NULL')
    if (open.length > 0) differing.push(`${open.length} pieces wait`)
    return differing
  }
  const self: ReplicaWorld = {
    world,
    replica,
    fault: () => undefined,
    between: async () => undefined,
    feed: (without = [], limits = {}) => {
      const off = Object.fromEntries(without.map((name) => [name, false]))
      return createUnsafeReplicaFeed(
        {
          primary,
          replica: copy,
          clock,
          sleep: async (ms) => clock.advance(ms),
          limits: { ...small, ...limits },
        },
        { ...allFeedSafeguards, ...off },
      )
    },
    echo: async (which) => {
      const statements = sent[which % Math.max(1, sent.length)] ?? []
      await replica.batch(statements, 'write', call).catch(() => undefined)
    },
    write,
    put,
    wrongs,
    differences,
    close: () => {
      world.close()
      replica.close()
    },
  }
  return self
}
