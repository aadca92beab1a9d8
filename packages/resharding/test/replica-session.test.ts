import { createIds, isFault, seededRandom, type SqlShard, slotText } from '@stoa/kernel'
import { cacheTopology, createRouter, type Keyspace, type Router } from '@stoa/sharding'
import { describe, expect, test } from 'vitest'

import { openReplicaWorld, type ReplicaWorld } from './replica-world.ts'
import { call, clock } from './world.ts'

type Seen = { reads: number; stale: number; atReplica: number }

/** A router as another isolate has it, with its own, older or newer topology; `a` has a replica there. */
function isolateOf({ world, replica }: ReplicaWorld, seen: Seen): Router {
  const slots = cacheTopology(async () => {
    const [[version, text] = []] = await world.meta.run('SELECT version, document FROM topology')
    const { things } = JSON.parse(String(text)) as { readonly things: Keyspace }
    const shards = things.shards.map((shard) =>
      shard.name === 'a' ? { ...shard, replicas: [{ name: 'a-replica', url: 'memory:r' }] } : shard,
    )
    return { version: Number(version), keyspaces: { things: { ...things, shards } } }
  }).slots('things')
  const counted: SqlShard = {
    name: replica.name,
    batch: (...given) => {
      seen.atReplica += 1
      return replica.batch(...given)
    },
  }
  const databases = { a: world.a, b: world.b, c: world.c, 'a-replica': counted }
  return createRouter({
    slots,
    open: ({ name }) => databases[name as keyof typeof databases],
    sleep: async () => undefined,
    replicas: { clock, random: seededRandom(2), limits: { beliefMs: 0 } },
  })
}

/**
 * A visitor writes things and reads them back at another isolate, with or without the token, while the slots move to
 * another database and come back, and the feed lags. What cannot be asked just then is no answer.
 */
async function visit(seed: number, hasToken: boolean): Promise<Seen> {
  const scene = await openReplicaWorld(seed)
  const { world } = scene
  const random = seededRandom(seed)
  const ids = createIds({ clock, random })
  const seen: Seen = { reads: 0, stale: 0, atReplica: 0 }
  const isolates = Array.from({ length: 3 }, () => isolateOf(scene, seen))
  const isolate = () => isolates[random.uint32() % isolates.length] ?? world.router
  const known = new Map<string, number>()
  let token = ''
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      if (!isFault(error) || error.code !== 'shard_fenced') throw error
    }
  }
  const read = async (): Promise<void> => {
    const [id = '', version] = [...known][random.uint32() % known.size] ?? []
    const { router } = isolate().session(hasToken ? { token } : {})
    const statement = { sql: 'SELECT version FROM thing WHERE id = ?', args: [id] }
    const { rows } = await router.read(id, statement, call)
    seen.reads += 1
    // Others of this life may have written more meanwhile.
    if (Number(rows[0]?.[0] ?? 0) < (version ?? 0)) seen.stale += 1
  }
  const write = async (): Promise<void> => {
    const old = [...known.keys()][random.uint32() % Math.max(1, known.size * 2)]
    const id = old ?? ids.rootAt(`${slotText(random.uint32() % 3)}00`)
    const session = isolate().session({ token })
    const version = (known.get(id) ?? 0) + 1
    const sql =
      version === 1
        ? 'INSERT INTO thing (version, id) VALUES (?, ?)'
        : 'UPDATE thing SET version = ? WHERE id = ?'
    await session.router.write(id, [{ sql, args: [version, id] }], call)
    known.set(id, version)
    token = session.token()
  }
  world.between = async () => {
    clock.advance(random.uint32() % 40)
    if (random.uint32() % 3 === 0) await attempt(write)
    if (known.size > 0) await attempt(read)
    if (random.uint32() % 8 === 0) await scene.feed([], { batches: 12 }).advance(call)
  }
  try {
    await scene.feed().advance(call)
    for (let writes = 0; writes < 10; writes += 1) await write()
    await scene.feed().advance(call)
    for (const [index, source, target] of [
      [1, 'a', 'b'],
      [2, 'b', 'a'],
    ] as const) {
      const id = `m${index}`
      const mover = world.mover({ limits: { rows: 30, chunkRows: 40, window: 80, parallel: 1 } })
      const scope = { kind: 'slots', slots: [0, 1] } as const
      await mover.start(world.request({ id, source, target, scope, hold: false }), call)
      await mover.run(id, call)
    }
    return seen
  } finally {
    scene.close()
  }
}

describe('a session over moves, at isolates with topologies of any age', () => {
  test.for([1, 2, 3])('always reads what it has written: seed %i', async (seed) => {
    const { stale, reads, atReplica } = await visit(seed, true)

    expect(stale).toBe(0)
    expect(reads).toBeGreaterThan(50)
    expect(atReplica).toBeGreaterThan(10)
  })

  test('does not without its token', async () => {
    const { stale } = await visit(1, false)

    expect(stale).toBeGreaterThan(0)
  })
})
