import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { call, createWriter, openWorld, ownersOf, rowsOf, type World, wrongsOf } from './world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const small = { rows: 10, chunkRows: 20, window: 80, parallel: 2 }

async function fill(writes: number, seed = 1): Promise<ReturnType<typeof createWriter>> {
  const writer = createWriter(world, seed)
  for (let count = 0; count < writes; count += 1) await writer.write()
  return writer
}

describe('a move', () => {
  test('brings every row of the scope to the target while clients write, and leaves none behind', async () => {
    const writer = await fill(200)
    world.between = async () => {
      await writer.write()
    }
    const mover = world.mover()
    await mover.start(world.request({ shapes: world.allShapes }), call)

    const move = await mover.run('m1', call)

    expect(move).toMatchObject({ phase: 'done', note: undefined })
    for (const shape of world.allShapes) {
      const moved = `"${shape.key}" < '004'`
      expect(await rowsOf(world.b, shape)).toEqual(await rowsOf(world.plain, shape, moved))
      expect(await rowsOf(world.a, shape)).toEqual(await rowsOf(world.plain, shape, `NOT ${moved}`))
    }
    expect((await ownersOf(world)).get('00101')).toEqual(['b'])
    expect(await wrongsOf(world)).toEqual([])
    expect(writer.written.count).toBeGreaterThan(220)
  })

  test('in many small batches, with several workers, is as right', async () => {
    const writer = await fill(200)
    world.between = async () => {
      await writer.write()
    }
    const mover = world.mover({ limits: small })
    await mover.start(world.request(), call)

    expect(await mover.run('m1', call)).toMatchObject({ phase: 'done' })

    expect(await wrongsOf(world)).toEqual([])
    expect(writer.written.count).toBeGreaterThan(300)
  })

  test.each([
    ['four round trips', true, ['a', 'b', 'a', 'b']],
    ['three when nothing is left to replay', false, ['a', 'a', 'b']],
  ])('stops writes for %s', async (_what, isWritten, expected) => {
    const writer = await fill(50)
    const batches: string[] = []
    let isFrozen = false
    world.between = async ({ database, text }) => {
      if (text.includes("state = 'frozen'")) isFrozen = true
      if (isFrozen) batches.push(database.name)
      if (text.includes("state = 'serving', peer = NULL")) isFrozen = false
      if (!isFrozen && isWritten) await writer.write()
    }
    const mover = world.mover()
    await mover.start(world.request(), call)

    await mover.run('m1', call)

    expect(batches).toEqual(expected)
    expect(await wrongsOf(world)).toEqual([])
  })
})
