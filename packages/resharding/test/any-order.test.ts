import { isFault, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { MoveScope } from '../src/index.ts'
import { call, contestedIn, createWriter, openWorld, type World, wrongsOf } from './world.ts'

const names = ['a', 'b', 'c'] as const

const scope: fc.Arbitrary<MoveScope> = fc.oneof(
  fc
    .uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1 })
    .map((slots): MoveScope => ({ kind: 'slots', slots })),
  fc
    .tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
    )
    .map(([slot, from, count]): MoveScope => {
      const lo = `${slotText(slot)}0${from}`
      return { kind: 'range', lo, hi: `${slotText(slot)}0${from + count}` }
    }),
)

const command = fc.record({
  scope,
  target: fc.constantFrom(...names),
  hold: fc.boolean(),
  /** After so many steps the move is aborted; after more than it takes, never. */
  abortAfter: fc.integer({ min: 0, max: 12 }),
  end: fc.constantFrom('complete', 'reverse'),
})

/** Who serves the first key of the scope, as far as anybody can say: who is asked to give it away. */
async function sourceOf(world: World, wanted: MoveScope): Promise<string> {
  await world.refresh()
  return world.router.shardOf(wanted.kind === 'range' ? wanted.lo : (wanted.slots[0] ?? 0), call)
}

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

/** Carries a command out; how the move ended, or the code with which it was refused. */
async function carryOut(world: World, id: string, given: Command): Promise<string> {
  const { abortAfter, end, ...wish } = given
  const mover = world.mover()
  const source = await sourceOf(world, wish.scope)
  try {
    await mover.start(world.request({ id, source, ...wish }), call)
  } catch (error) {
    if (!isFault(error)) throw error
    return error.code
  }
  for (let steps = 0; steps < abortAfter; steps += 1) await mover.advance(id, call)
  await mover.abort(id, call).catch(() => undefined)
  const { phase } = await mover.run(id, call)
  if (phase === 'holding') await mover[end](id, call)
  return (await mover.run(id, call)).phase
}

/** Carries commands out while a client writes; answers how each ended, and what is wrong then or was on the way. */
async function carryOutAll(
  commands: readonly Command[],
  seed: number,
): Promise<{ readonly ends: readonly string[]; readonly wrongs: readonly string[] }> {
  const world = await openWorld()
  try {
    const writer = createWriter(world, seed)
    for (let count = 0; count < 40; count += 1) await writer.write()
    const contested: string[] = []
    world.between = async () => {
      await writer.write()
      contested.push(...(await contestedIn(world)))
    }
    const ends: string[] = []
    for (const [index, each] of commands.entries())
      ends.push(await carryOut(world, `m${index}`, each))
    return { ends, wrongs: [...contested, ...(await wrongsOf(world))] }
  } finally {
    world.close()
  }
}

test(
  'moves of slots and ranges leave every row in one place, in whatever order they come',
  { timeout: 120_000 },
  async () => {
    const seen = new Set<string>()
    const commands = fc.array(command, { minLength: 4, maxLength: 7 })
    await fc.assert(
      fc.asyncProperty(commands, fc.nat(), async (list, seed) => {
        const { ends, wrongs } = await carryOutAll(list, seed)

        expect(wrongs).toEqual([])
        for (const end of ends) seen.add(end)
      }),
      { numRuns: 12 },
    )
    const expected = ['aborted', 'done', 'invalid_move', 'move_conflict', 'reversed']
    expect([...seen].filter((end) => !expected.includes(end))).toEqual([])
    expect([...seen]).toEqual(expect.arrayContaining(['aborted', 'done']))
  },
)
