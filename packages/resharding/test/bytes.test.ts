import { type SqlValue, slotText, type Statement } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { Mover } from '../src/index.ts'
import { byBytes } from './databases.ts'
import { openReplicaWorld, type ReplicaWorld } from './replica-world.ts'
import { call, openWorld, type World, wrongsOf } from './world.ts'

/** A statement on a row that bytes name, and the key under which it is sent. */
type Change = { readonly key: string; readonly statement: Statement }

function changeOf(key: string, sql: string, ...args: readonly SqlValue[]): Change {
  return { key, statement: { sql, args } }
}

async function make(world: World, { key, statement }: Change): Promise<void> {
  try {
    await world.router.write(key, [statement], call)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'shard_fenced') return
    throw error
  }
  await world.plain.batch([statement], 'write', call)
}

/** Some are the beginning of others; the empty one is before all. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 4 }).map((list) => Uint8Array.from(list)),
)
const slot = fc.nat({ max: 5 }).map(slotText)
const owner = fc.tuple(slot, fc.nat({ max: 3 })).map(([text, digit]) => `${text}0${digit}`)
const number = fc.integer({ min: 0, max: 3 })

const upsert = 'ON CONFLICT DO UPDATE SET'
const change = fc.oneof(
  fc.tuple(slot, bytes, number).map(([at, id, n]) => {
    const sql = `INSERT INTO mark VALUES (?, ?, ?) ${upsert} count = count + excluded.count`
    return changeOf(at, sql, at, id, n)
  }),
  fc.tuple(owner, bytes, number).map(([at, id, n]) => {
    const sql = `INSERT INTO seal (owner, id, part, body) VALUES (?, ?, ?, ?) ${upsert} body = body || 'x'`
    return changeOf(at, sql, at, id, n, id)
  }),
  fc
    .tuple(slot, bytes, number)
    .map(([at, id, n]) =>
      changeOf(at, 'UPDATE mark SET count = ? WHERE slot = ? AND id >= ?', n, at, id),
    ),
  fc
    .tuple(slot, bytes)
    .map(([at, id]) => changeOf(at, 'DELETE FROM mark WHERE slot = ? AND id > ?', at, id)),
  fc
    .tuple(owner, bytes)
    .map(([at, id]) => changeOf(at, 'DELETE FROM seal WHERE owner = ? AND id > ?', at, id)),
)

const rows = fc.array(change, { minLength: 5, maxLength: 60 })
/** So few that a slot takes several batches of each kind. */
const small = { rows: 3, chunkRows: 4, window: 5, parallel: 2 }

describe('rows that bytes name', () => {
  test('arrive as they are, however they are written while they move', async () => {
    await fc.assert(
      fc.asyncProperty(rows, rows, async (before, meanwhile) => {
        const world = await openWorld(byBytes)
        try {
          for (const each of before) await make(world, each)
          const waiting = [...meanwhile]
          world.between = async () => {
            const next = waiting.shift()
            if (next !== undefined) await make(world, next)
          }
          const mover = world.mover({ limits: small })
          await mover.start(world.request(), call)

          expect(await mover.run('m1', call)).toMatchObject({ phase: 'done', note: undefined })

          expect(await wrongsOf(world)).toEqual([])
        } finally {
          world.close()
        }
      }),
      { numRuns: 12 },
    )
  })

  test('move with their owner, and come back', async () => {
    const world = await openWorld(byBytes)
    const put = (at: string, id: readonly number[]) => {
      const sql = 'INSERT INTO seal (owner, id, part, body) VALUES (?, ?, 1, ?)'
      return make(world, changeOf(at, sql, at, Uint8Array.from(id), Uint8Array.of(0)))
    }
    for (const at of ['00100', '00101', '00101X', '00102'])
      for (const id of [[], [0], [0, 0], [255, 0]]) await put(at, id)
    const scope = { kind: 'range', lo: '00101', hi: '00102' } as const
    const mover = world.mover({ limits: small })

    for (const [id, source, target] of [
      ['m1', 'a', 'c'],
      ['m2', 'c', 'a'],
    ] as const) {
      await mover.start(world.request({ id, scope, source, target }), call)
      expect(await mover.run(id, call)).toMatchObject({ phase: 'done' })
      expect(await world[target].run("SELECT hex(id) FROM seal WHERE owner = '00101X'")).toEqual([
        [''],
        ['00'],
        ['0000'],
        ['FF00'],
      ])
    }

    expect(await wrongsOf(world)).toEqual([])
    world.close()
  })
})

describe('a comparison of rows that bytes name', () => {
  let world: World
  let mover: Mover

  const put = (id: string) =>
    make(world, changeOf('001', "INSERT INTO mark VALUES ('001', unhex(?), 1)", id))
  /** Changes a copy behind the back of all. */
  const spoil = (database: World['a'], sql: string) =>
    database.script(["UPDATE _fence SET mover = 'm'", sql, 'UPDATE _fence SET mover = NULL'])

  beforeEach(async () => {
    world = await openWorld(byBytes)
    for (const id of ['', '00', '0000', '00ff', 'ff']) await put(id)
    mover = world.mover()
  })
  afterEach(() => world.close())

  test('names each row that differs', async () => {
    await mover.start(world.request({ hold: true }), call)
    await mover.run('m1', call)
    await mover.run('m1', call)
    expect(await mover.verify('m1', call)).toMatchObject({ differences: [] })

    await spoil(world.a, "UPDATE mark SET count = 2 WHERE id = x'00ff'")
    await spoil(world.a, "DELETE FROM mark WHERE id = x''")
    await spoil(world.a, "INSERT INTO mark VALUES ('001', x'ab00', 1)")

    const { differences } = await mover.verify('m1', call)
    expect(differences.toSorted((one, other) => (one.key < other.key ? -1 : 1))).toEqual([
      { table: 'mark', key: '["001",""]', how: 'missing' },
      { table: 'mark', key: '["001","00FF"]', how: 'changed' },
      { table: 'mark', key: '["001","AB00"]', how: 'extra' },
    ])
  })

  test('stops the move before its decision, and says which row it was', async () => {
    let copied = 0
    world.between = async ({ text }) => {
      if (text.includes('INTO "mark"')) copied += 1
      else if (copied === 1) {
        copied += 1
        await spoil(world.b, "UPDATE mark SET count = 2 WHERE id = x'0000'")
      }
    }
    await mover.start(world.request(), call)

    const move = await mover.run('m1', call)

    expect(move.phase).toBe('aborted')
    expect(move.note).toContain('["001","0000"]')
    expect(await wrongsOf(world)).toEqual([])
  })

  test('lets a row differ that was written since, and brings it', async () => {
    await mover.start(world.request({ hold: true }), call)
    await mover.run('m1', call)
    for (const id of ['', '00', 'ff'])
      await make(world, changeOf('001', 'UPDATE mark SET count = 9 WHERE id = unhex(?)', id))

    expect(await mover.verify('m1', call)).toMatchObject({ differences: [] })
    await mover.reverse('m1', call)
    expect(await mover.run('m1', call)).toMatchObject({ phase: 'reversed' })

    expect(await wrongsOf(world)).toEqual([])
  })
})

describe('a replica', () => {
  let scene: ReplicaWorld

  beforeEach(async () => {
    scene = await openReplicaWorld(1, byBytes)
  })
  afterEach(() => scene.close())

  test('has the rows that bytes name as its primary has them, after every change', async () => {
    const lists = fc.sample(rows, { numRuns: 4, seed: 7 })
    for (const list of lists) {
      for (const each of list) await make(scene.world, each)
      expect(await scene.feed().advance(call)).toMatchObject({ isLevel: true })
      expect(await scene.differences()).toEqual([])
    }

    expect(await scene.replica.run('SELECT count(*) > 5 FROM mark')).toEqual([[1]])
  })
})
