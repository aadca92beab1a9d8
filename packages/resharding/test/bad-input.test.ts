import { ShardUnavailableError, type SqlShard } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createMover, type MoveRequest } from '../src/index.ts'
import { call, clock, createWriter, openWorld, type World } from './world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
  const writer = createWriter(world, 3)
  for (let count = 0; count < 20; count += 1) await writer.write()
})
afterEach(() => world.close())

const range = (lo: string, hi: string) => ({ kind: 'range', lo, hi }) as const
const slots = (...list: readonly number[]) => ({ kind: 'slots', slots: list }) as const

async function refusal(request: Partial<MoveRequest>): Promise<unknown> {
  const before = await stateOf()
  const refused = await world
    .mover()
    .start(world.request(request), call)
    .then(
      () => 'started',
      (error: unknown) => error,
    )
  expect(await stateOf()).toEqual(before)
  return refused
}

/** All that a refused move must leave alone. */
async function stateOf(): Promise<unknown> {
  const all = await Promise.all(
    [world.a, world.b, world.c].map(({ run }) => run('SELECT * FROM _slot_owner ORDER BY lo')),
  )
  return [...all, await world.meta.run('SELECT * FROM reshard_job')]
}

describe('a move is refused, before anything moves,', () => {
  test.each<[string, Partial<MoveRequest>, string]>([
    ['of no slot', { scope: slots() }, 'invalid_move'],
    ['of a slot that there is not', { scope: slots(16_384) }, 'invalid_move'],
    ['of half a slot', { scope: slots(0.5) }, 'invalid_move'],
    [
      'of more slots than one move freezes',
      { scope: slots(...Array.from({ length: 1_025 }, (_, slot) => slot)) },
      'invalid_move',
    ],
    ['of a slot twice', { scope: slots(1, 1) }, 'invalid_move'],
    ['of a range that is empty', { scope: range('00101', '00101') }, 'invalid_move'],
    ['of a range over two slots', { scope: range('00101', '00201') }, 'invalid_move'],
    ['of a range from a whole slot on', { scope: range('001', '00101') }, 'invalid_move'],
    ['of a range in no spelling of ids', { scope: range('0010i', '0010z') }, 'invalid_move'],
    ['with an id that is none', { id: 'a b' }, 'invalid_move'],
    ['without tables', { shapes: [] }, 'invalid_move'],
    ['in a keyspace that there is not', { keyspace: 'others' }, 'invalid_move'],
    ['from a database that there is not', { source: 'z' }, 'invalid_move'],
    ['to a database that there is not', { target: 'z' }, 'invalid_move'],
    ['to where it is', { target: 'a' }, 'invalid_move'],
    ['of a slot that the source does not serve', { scope: slots(3, 20) }, 'move_conflict'],
    ['from the wrong database', { source: 'b', target: 'c' }, 'move_conflict'],
    [
      'of a range in a slot that is elsewhere',
      { source: 'b', target: 'c', scope: range('00101', '00102') },
      'move_conflict',
    ],
    [
      'with a table that there is not',
      { shapes: [{ name: 'none', key: 'id', primaryKey: ['id'] }] },
      'schema_mismatch',
    ],
    [
      'by a column that is not of the table',
      { shapes: [{ name: 'thing', key: 'id', primaryKey: ['no'] }] },
      'schema_mismatch',
    ],
    [
      'by a column that may be NULL',
      { shapes: [{ name: 'entry', key: 'id', primaryKey: ['id', 'weight'] }] },
      'schema_mismatch',
    ],
  ])('%s', async (_what, request, code) => {
    expect(await refusal(request)).toMatchObject({ code })
  })

  test('to a database that has rows of it', async () => {
    await world.b.script([
      "UPDATE _fence SET mover = 'x'",
      `INSERT INTO thing (id, version) VALUES ('${'0'.repeat(20)}', 1)`,
      'UPDATE _fence SET mover = NULL',
    ])

    expect(await refusal({})).toMatchObject({ code: 'target_not_empty', table: 'thing' })
  })

  test('when the tables differ', async () => {
    await world.b.run('ALTER TABLE entry ADD COLUMN colour TEXT')

    expect(await refusal({})).toMatchObject({ code: 'schema_mismatch' })
  })

  test('when a table is not captured', async () => {
    await world.a.run('DROP TRIGGER fence_thing_del')

    expect(await refusal({})).toMatchObject({ code: 'schema_mismatch' })
  })

  test('when a table has a foreign key', async () => {
    await world.a.run('CREATE TABLE child (id TEXT NOT NULL PRIMARY KEY REFERENCES thing (id))')
    const child = { name: 'child', key: 'id', primaryKey: ['id'] }

    expect(await refusal({ shapes: [child] })).toMatchObject({ code: 'schema_mismatch' })
  })

  test.each(['a', 'b'] as const)('when database %s is a copy', async (name) => {
    await world[name].run("UPDATE _shard_meta SET incarnation = 'copy'")

    expect(await refusal({})).toMatchObject({ code: 'wrong_incarnation' })
  })

  test('when a database cannot be reached', async () => {
    const away: SqlShard = {
      name: 'b',
      batch: async () => {
        throw new ShardUnavailableError('b', 'unauthorized')
      },
    }
    const mover = createMover({
      meta: world.meta,
      open: ({ name }) => (name === 'b' ? away : world.a),
      clock,
      random: { uint32: () => 0, bytes: () => new Uint8Array() },
      sleep: async () => undefined,
    })

    await expect(mover.start(world.request(), call)).rejects.toMatchObject({
      reason: 'unauthorized',
    })
  })

  test('when its id belongs to another move', async () => {
    await world.mover().start(world.request(), call)

    await expect(
      world.mover().start(world.request({ scope: slots(7) }), call),
    ).rejects.toMatchObject({ code: 'invalid_move' })
  })
})

describe('a move that is under way', () => {
  test('takes for its own what another coordinator began while it looked', async () => {
    let isFirst = true
    world.between = async ({ database }) => {
      if (!isFirst || database.name === 'meta') return
      isFirst = false
      const other = world.mover()
      await other.start(world.request(), call)
      for (let step = 0; step < 2; step += 1) await other.advance('m1', call)
    }

    const move = await world.mover().start(world.request(), call)

    expect(isFirst).toBe(false)
    expect(move).toMatchObject({ id: 'm1', phase: 'copying' })
    expect(await world.mover().run('m1', call)).toMatchObject({ phase: 'done' })
  })

  test('is the same when it is asked for again', async () => {
    const mover = world.mover()
    const first = await mover.start(world.request(), call)
    await mover.advance('m1', call)

    expect(await mover.start(world.request({ scope: slots(3, 2, 1, 0) }), call)).toMatchObject({
      id: first.id,
      phase: 'copying',
    })
  })

  test('lets no other move into its keys', async () => {
    const mover = world.mover()
    await mover.start(world.request(), call)
    await mover.advance('m1', call)

    for (const scope of [slots(3), slots(3, 4), range('00001', '00002')])
      expect(await refusal({ id: 'm2', scope, target: 'c' })).toMatchObject({
        code: 'move_conflict',
      })
    expect(await mover.run('m1', call)).toMatchObject({ phase: 'done' })
  })

  test('of the same keys as another, planned at the same time, ends aborted and says why', async () => {
    const mover = world.mover()
    await mover.start(world.request(), call)
    await mover.start(world.request({ id: 'm2', target: 'c' }), call)
    await mover.run('m1', call)

    const late = await mover.run('m2', call)

    expect(late).toMatchObject({ phase: 'aborted' })
    expect(late.note).toContain('"a" is no longer as it was')
  })

  test('is aborted when a column is added to one of its tables', async () => {
    const mover = world.mover()
    await mover.start(world.request(), call)
    await mover.advance('m1', call)
    await world.a.run('ALTER TABLE entry ADD COLUMN colour TEXT')

    const move = await mover.run('m1', call)

    expect(move).toMatchObject({ phase: 'aborted' })
    expect(move.note).toContain('"a" is no longer as it was')
  })

  test('is not known by another name', async () => {
    await expect(world.mover().run('m9', call)).rejects.toMatchObject({ code: 'move_not_found' })
  })
})
