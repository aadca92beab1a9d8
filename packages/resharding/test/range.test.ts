import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { MoveRequest } from '../src/index.ts'
import {
  call,
  contestedIn,
  createWriter,
  openWorld,
  ownersOf,
  type World,
  wrongsOf,
} from './world.ts'

let world: World

/** Keys that two databases served at once, at any time. */
let contested: string[]

beforeEach(async () => {
  contested = []
  world = await openWorld()
  const writer = createWriter(world, 5)
  for (let count = 0; count < 120; count += 1) await writer.write()
  world.between = async () => {
    await writer.write()
    contested.push(...(await contestedIn(world)))
  }
})
afterEach(() => {
  world.close()
  // oxlint-disable-next-line vitest/no-standalone-expect -- true of every test here.
  expect(contested).toEqual([])
})

const owner = (lo: string, hi: string) => ({ kind: 'range', lo, hi }) as const
const slots = { kind: 'slots', slots: [0, 1] } as const

async function moved(request: Partial<MoveRequest> & { readonly id: string }): Promise<string> {
  const mover = world.mover()
  await mover.start(world.request(request), call)
  const { phase } = await mover.run(request.id, call)
  return phase
}

const whose = async (...keys: readonly string[]) => {
  const owners = await ownersOf(world)
  return keys.map((key) => owners.get(key)?.join())
}

const ranges = async () => {
  const [[text] = []] = await world.meta.run(
    "SELECT json_extract(document, '$.things.ranges') FROM topology",
  )
  return JSON.parse(String(text ?? '[]')) as readonly { from: string; shard: string }[]
}

describe('a range', () => {
  test('of one owner is set apart, and the rest of its slot stays', async () => {
    expect(await moved({ id: 'r1', scope: owner('00101', '00102'), target: 'c' })).toBe('done')

    expect(await whose('00101', '00102', '001')).toEqual(['c', 'a', 'a'])
    expect(await wrongsOf(world)).toEqual([])
  })

  test('stays where it is when its slot moves, and the new owner of the slot knows', async () => {
    await moved({ id: 'r1', scope: owner('00101', '00102'), target: 'c' })

    expect(await moved({ id: 's1', scope: slots })).toBe('done')

    expect(await whose('00101', '00102', '001')).toEqual(['c', 'b', 'b'])
    expect(await wrongsOf(world)).toEqual([])
    const [[peer] = []] = await world.b.run("SELECT peer FROM _slot_owner WHERE lo = '00101'")
    expect(peer).toBe('c')
  })

  test('that comes home is a part of its slot again', async () => {
    await moved({ id: 'r1', scope: owner('00101', '00102'), target: 'c' })
    await moved({ id: 's1', scope: slots })
    expect(await ranges()).toMatchObject([{ from: '00101', shard: 'c' }])

    expect(
      await moved({ id: 'r2', scope: owner('00101', '00102'), source: 'c', target: 'b' }),
    ).toBe('done')

    expect(await ranges()).toEqual([])
    expect(await world.b.run("SELECT lo FROM _slot_owner WHERE lo LIKE '001%'")).toEqual([['001']])
    expect(await wrongsOf(world)).toEqual([])
  })

  test('whose move is aborted is a part of its slot again', async () => {
    const mover = world.mover()
    await mover.start(
      world.request({ id: 'r1', scope: owner('00101', '00102'), target: 'c' }),
      call,
    )
    await mover.advance('r1', call)
    await mover.advance('r1', call)
    await mover.abort('r1', call)

    expect(await mover.run('r1', call)).toMatchObject({ phase: 'aborted' })

    expect(await world.a.run("SELECT lo FROM _slot_owner WHERE lo LIKE '001%'")).toEqual([['001']])
    expect(await wrongsOf(world)).toEqual([])
    expect(await moved({ id: 'r2', scope: owner('00101', '00102'), target: 'c' })).toBe('done')
    expect(await wrongsOf(world)).toEqual([])
  })

  test('that came home to a database and whose abort sends it back is not owned twice', async () => {
    await moved({ id: 'r1', scope: owner('00101', '00102'), target: 'c' })
    const mover = world.mover()
    const home = world.request({
      id: 'r2',
      scope: owner('00101', '00102'),
      source: 'c',
      target: 'a',
    })
    await mover.start(home, call)
    await mover.advance('r2', call)
    await mover.abort('r2', call)

    expect(await mover.run('r2', call)).toMatchObject({ phase: 'aborted' })

    expect(await whose('00101', '00102')).toEqual(['c', 'a'])
    expect(await wrongsOf(world)).toEqual([])
  })

  test('inside a range is spread further, and each part goes on by itself', async () => {
    await moved({ id: 'r1', scope: owner('00101', '00104'), target: 'c' })
    expect(
      await moved({ id: 'r2', scope: owner('00102', '00103'), source: 'c', target: 'b' }),
    ).toBe('done')

    expect(await whose('00101', '00102', '00103', '001')).toEqual(['c', 'b', 'c', 'a'])
    expect(
      await moved({ id: 'r3', scope: owner('00101', '00104'), source: 'c', target: 'a' }),
    ).toBe('done')
    expect(await whose('00101', '00102', '00103', '001')).toEqual(['a', 'b', 'a', 'a'])
    expect(await wrongsOf(world)).toEqual([])
  })

  test('moves with its slot when both are in one database', async () => {
    await moved({ id: 'r1', scope: owner('00101', '00102'), target: 'c' })
    await moved({ id: 's1', scope: slots, target: 'c' })

    expect(await moved({ id: 's2', scope: slots, source: 'c', target: 'b' })).toBe('done')

    expect(await whose('00101', '00102', '000')).toEqual(['b', 'b', 'b'])
    expect(await wrongsOf(world)).toEqual([])
  })
})

describe('a move that holds', () => {
  test('keeps the old copy near, and hands back what was written since', async () => {
    const mover = world.mover()
    await mover.start(world.request({ hold: true }), call)
    expect(await mover.run('m1', call)).toMatchObject({ phase: 'holding' })
    await mover.run('m1', call)
    expect(await mover.verify('m1', call)).toMatchObject({ differences: [] })
    expect(await whose('000')).toEqual(['b'])
    await mover.reverse('m1', call)

    expect(await mover.run('m1', call)).toMatchObject({ phase: 'reversed' })

    expect(await whose('000')).toEqual(['a'])
    expect(await wrongsOf(world)).toEqual([])
  })

  test('lets go when it is completed', async () => {
    const mover = world.mover()
    await mover.start(world.request({ hold: true }), call)
    await mover.run('m1', call)
    await mover.complete('m1', call)

    expect(await mover.run('m1', call)).toMatchObject({ phase: 'done' })

    expect(await wrongsOf(world)).toEqual([])
    await expect(mover.reverse('m1', call)).rejects.toMatchObject({ code: 'move_phase' })
  })
})
