import { slotText } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { dropReplica, readFeeds } from '../src/index.ts'
import { live } from './replica-life.ts'
import { openReplicaWorld, type ReplicaWorld } from './replica-world.ts'
import { call, type Fault } from './world.ts'

describe('a feed', () => {
  let scene: ReplicaWorld

  beforeEach(async () => {
    scene = await openReplicaWorld()
    for (let writes = 0; writes < 60; writes += 1) await scene.write()
  })
  afterEach(() => scene.close())

  test('copies what is there, and then what changes', async () => {
    const feed = scene.feed()

    const first = await feed.advance(call)
    expect(first).toMatchObject({ isLevel: true, wanted: 0 })
    expect(await scene.differences()).toEqual([])
    for (let writes = 0; writes < 40; writes += 1) await scene.write()
    await feed.advance(call)

    expect(await scene.differences()).toEqual([])
    expect(await scene.wrongs()).toEqual([])
  })

  test('makes a replica that nobody can write', async () => {
    await scene.feed().advance(call)
    const id = `${slotText(1)}00${'9'.repeat(15)}`

    const insert = scene.replica.run('INSERT INTO thing (id, version) VALUES (?, 1)', id)

    await expect(insert).rejects.toThrow('SHARD_FENCED')
  })

  test('has what was captured deleted once every replica has it', async () => {
    const feed = scene.feed()
    await feed.advance(call)
    for (let writes = 0; writes < 40; writes += 1) await scene.write()
    expect(await readFeeds(scene.world.a, call)).toEqual([{ name: 'a-replica', lag: 40 }])

    await feed.advance(call)

    expect(await readFeeds(scene.world.a, call)).toEqual([{ name: 'a-replica', lag: 0 }])
    expect(await scene.world.a.run('SELECT count(*) FROM _cdc')).toEqual([[1]])
  })

  test('keeps nothing for a replica that was dropped, and captures nothing more', async () => {
    await scene.feed().advance(call)
    for (let writes = 0; writes < 10; writes += 1) await scene.write()

    await dropReplica(scene.world.a, 'a-replica', call)
    await scene.write()

    expect(await scene.world.a.run('SELECT * FROM _cdc')).toEqual([])
  })

  test('goes on in the columns that a migration of both brings', async () => {
    const feed = scene.feed()
    await feed.advance(call)
    const add = 'ALTER TABLE thing ADD COLUMN colour TEXT'
    await scene.world.a.script([add])
    await expect(feed.advance(call)).rejects.toMatchObject({ code: 'replica_mismatch' })

    await scene.replica.script([add])
    await scene.world.a.run("UPDATE thing SET colour = 'red'")
    await feed.advance(call)

    const colours = 'SELECT DISTINCT colour FROM thing'
    expect(await scene.replica.run(colours)).toEqual([['red']])
  })

  test('begins anew when the primary was restored', async () => {
    await scene.feed().advance(call)
    await scene.world.a.run("UPDATE _shard_meta SET incarnation = 'inc-restored'")
    await scene.world.a.run('DELETE FROM _replica_feed')

    await scene.feed().advance(call)

    const about = 'SELECT primary_name, incarnation FROM _replica'
    expect(await scene.replica.run(about)).toEqual([['a', 'inc-restored']])
    expect(await scene.differences()).toEqual([])
  })

  const unfit: readonly (readonly [string, string, (given: ReplicaWorld) => Promise<unknown>])[] = [
    [
      'a database that owns keys',
      'it owns keys itself',
      ({ replica }) =>
        replica.run(
          "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES ('001', '002', 1, 'serving')",
        ),
    ],
    [
      "another's replica",
      'it is a copy of "c"',
      ({ replica }) => replica.run("INSERT INTO _replica VALUES (1, 'c', 'inc-c', 1, 0, 0, 0)"),
    ],
    [
      'other tables',
      'its tables are not those',
      ({ replica }) => replica.script(['ALTER TABLE thing ADD COLUMN colour TEXT']),
    ],
    [
      'a primary that does not capture',
      'does not capture its changes',
      ({ world }) => world.a.run("UPDATE _shard_meta SET fence_hash = 'older'"),
    ],
    [
      'a primary that nobody adopted',
      'is a copy of a shard',
      ({ world }) => world.a.run('UPDATE _shard_meta SET incarnation = NULL'),
    ],
  ]
  test.for(unfit)('refuses %s', async ([, why, spoil]) => {
    await spoil(scene)

    const advanced = scene.feed().advance(call)

    await expect(advanced).rejects.toMatchObject({ code: 'replica_mismatch' })
    await expect(advanced).rejects.toThrow(why)
    expect(await scene.world.a.run('SELECT * FROM _replica_feed')).toEqual([])
  })

  test('waits out what may pass, until its call ends', async () => {
    const stop = new AbortController()
    const beat = { ...call, signal: stop.signal }
    scene.fault = (_batch, number) => (number === 5 ? 'reply' : undefined)
    let windows = 0
    scene.between = async ({ text }) => {
      if (!text.includes('applied = ?, owners = ?')) return
      windows += 1
      await scene.write()
      if (windows === 4) stop.abort()
    }

    await scene.feed().run(beat)
    await scene.feed().advance(call)

    expect(windows).toBeGreaterThan(4)
    expect(await scene.wrongs()).toEqual([])
  })
})

describe('a feed that dies', () => {
  test('goes on from wherever it was, before or after each batch', async () => {
    const limits = { rows: 50, pieces: 16 }
    const die = async (at: number, death: Fault): Promise<boolean> => {
      const scene = await openReplicaWorld()
      for (let writes = 0; writes < 8; writes += 1) await scene.write()
      let isDead = false
      scene.fault = (_batch, number) => {
        if (number !== at) return undefined
        isDead = true
        return death
      }
      await scene
        .feed([], limits)
        .advance(call)
        .catch(() => undefined)
      scene.fault = () => undefined
      await scene.write()
      await scene.feed([], limits).advance(call)
      expect([...(await scene.wrongs()), ...(await scene.differences())]).toEqual([])
      scene.close()
      return isDead
    }

    let at = 1
    while (at < 60 && (await die(at, 'death before')) && (await die(at, 'death after'))) at += 1

    expect(at).toBeGreaterThan(15)
    expect(at).toBeLessThan(60)
  })
})

/** Writers, two feeds that die at any batch, and a move there and back, at once. */
describe('a life of a replica', () => {
  test.for([1, 2, 3, 4])('never shows an old row for a new one: seed %i', async (seed) => {
    const { wrongs, differences } = await live({ seed })

    expect(wrongs).toEqual([])
    expect(differences).toEqual([])
  })
})
