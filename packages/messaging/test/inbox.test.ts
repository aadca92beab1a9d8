import { slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { Effect } from '../src/index.ts'
import { call } from './databases.ts'
import {
  type Bench,
  countIn,
  idIn,
  insertThing,
  openBench,
  raise,
  registered,
  slotOf,
  versionOf,
} from './harness.ts'

let bench: Bench

beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.close())

async function thingIn(slot: number): Promise<string> {
  const id = idIn(slot)
  await bench.committer.commit({ keys: [slot], statements: [insertThing(id)], events: [] }, call)
  return id
}

/** An event that raises a thing by one, and says so. */
function raising(id: string, change: Partial<Effect> = {}): Effect {
  const event = registered(idIn(1))
  return {
    event,
    key: slotOf(id),
    statements: [raise(id)],
    events: [registered(idIn(slotOf(id)))],
    ...change,
  }
}

const apply = (...effects: Effect[]) => bench.inbox.apply(effects, call)

describe('the inbox', () => {
  test('applies an effect once, however often it comes', async () => {
    const id = await thingIn(5)
    const effect = raising(id)

    await apply(effect)
    await apply(effect)
    await apply(effect, effect)

    expect(await versionOf(bench.a, id)).toBe(2)
    expect(await countIn(bench.a, 'outbox')).toBe(1)
    await bench.settle()
  })

  test('applies it once when it comes twenty times at the same time', async () => {
    const id = await thingIn(5)
    const effects = [raising(id), raising(id), raising(id)]

    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        apply(...(index % 2 === 0 ? effects : effects.toReversed())),
      ),
    )

    expect(await versionOf(bench.a, id)).toBe(4)
  })

  test('applies what is new among what is known', async () => {
    const id = await thingIn(5)
    const effects = Array.from({ length: 10 }, () => raising(id))
    await apply(...effects.filter((_, index) => index % 3 === 0))

    await apply(...effects)

    expect(await versionOf(bench.a, id)).toBe(11)
  })

  test('takes one round trip a shard, and three when some came before', async () => {
    const [low, high] = [await thingIn(5), await thingIn(16_000)]
    const known = raising(low)
    await apply(known)
    bench.a.sent.length = 0
    bench.b.sent.length = 0

    await apply(raising(low), raising(low), raising(high))
    expect([bench.a.sent.length, bench.b.sent.length]).toEqual([1, 1])
    await apply(known, raising(low))

    expect(bench.a.sent).toHaveLength(4)
  })

  test('keeps effects of one event in one slot apart by their scope', async () => {
    const id = await thingIn(5)
    const event = registered(idIn(1))

    await apply(raising(id, { event, scope: 'x' }), raising(id, { event, scope: 'y' }))
    await apply(raising(id, { event, scope: 'x' }))

    expect(await versionOf(bench.a, id)).toBe(3)
  })

  test('lets one that fails stop no other, and fails with it', async () => {
    const [id, high] = [await thingIn(5), await thingIn(16_000)]
    const poison = raising(id, { statements: [raise(id, 500)] })

    const applying = apply(raising(id), poison, raising(id), raising(high))

    await expect(applying).rejects.toMatchObject({ code: 'sql_constraint', type: 'check' })
    expect(await versionOf(bench.a, id)).toBe(3)
    expect(await versionOf(bench.b, high)).toBe(2)
    expect(await countIn(bench.a, 'inbox')).toBe(2)
  })

  test('tells a UNIQUE of the business from one of its own', async () => {
    const id = await thingIn(5)
    const twice = raising(id, { statements: [insertThing(id)] })

    await expect(apply(twice, raising(id))).rejects.toMatchObject({ constraint: 'thing.id' })

    expect(await versionOf(bench.a, id)).toBe(2)
  })

  test('leaves a frozen slot alone after one wait, and applies the others of its shard', async () => {
    const [id, frozen] = [await thingIn(5), await thingIn(6)]
    await bench.a.run("UPDATE _slot_owner SET state = 'frozen' WHERE lo = ?", slotText(6))

    const applying = apply(raising(frozen), raising(frozen), raising(id), raising(frozen))

    await expect(applying).rejects.toMatchObject({ code: 'shard_fenced', slot: 6 })
    expect(await versionOf(bench.a, id)).toBe(2)
    expect(await versionOf(bench.a, frozen)).toBe(1)
    expect(bench.slept.reduce((sum, ms) => sum + ms, 0)).toBe(2_375)
  })

  test('asks a shard that is down once, not once for each effect', async () => {
    const [id, high] = [await thingIn(5), await thingIn(16_000)]
    bench.a.sent.length = 0
    bench.a.spoil('refused')

    const applying = apply(...Array.from({ length: 50 }, () => raising(id)), raising(high))

    await expect(applying).rejects.toMatchObject({ code: 'shard_unavailable' })
    expect(bench.a.sent).toHaveLength(1)
    expect(await versionOf(bench.b, high)).toBe(2)
  })

  test.each(['reply', 'request'] as const)('applies it once when the %s is lost', async (lost) => {
    const id = await thingIn(5)
    bench.a.spoil(lost)

    await apply(raising(id), raising(id))

    expect(await versionOf(bench.a, id)).toBe(3)
    expect(await countIn(bench.a, 'outbox')).toBe(2)
  })

  test('applies an effect without events once when its reply is lost', async () => {
    const id = await thingIn(5)
    bench.a.spoil('reply')

    await apply(raising(id, { events: [] }))

    expect(await versionOf(bench.a, id)).toBe(2)
  })

  test('follows effects whose slots have parted since they were grouped', async () => {
    const [id, moved] = [await thingIn(5), await thingIn(6)]
    await bench.b.run('INSERT INTO thing (id, version) VALUES (?, 1)', moved)
    await bench.a.run(
      "UPDATE _slot_owner SET state = 'handed_off', peer = 'b' WHERE lo = ?",
      slotText(6),
    )
    await bench.b.run(
      "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 2, 'serving')",
      slotText(6),
      slotText(7),
    )
    const { shards, slots } = bench.topology.keyspaces['things'] ?? { shards: [], slots: [] }
    const [first, second] = slots
    if (first === undefined || second === undefined) throw new Error('there are two ranges')
    const parted = [
      { ...first, to: 5 },
      { from: 6, to: 6, shard: 'b', epoch: 2 },
      { ...first, from: 7 },
      second,
    ]
    bench.topology = { version: 2, keyspaces: { things: { shards, slots: parted } } }

    await apply(raising(id), raising(moved))

    expect(await versionOf(bench.a, id)).toBe(2)
    expect(await versionOf(bench.b, moved)).toBe(2)
  })

  test('is exactly once under any order, copies, batches and lost replies', async () => {
    const things = [await thingIn(5), await thingIn(6), await thingIn(16_000)]
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat({ max: 5 })),
        fc.array(fc.constantFrom('reply', 'request', 'refused', 'none'), { maxLength: 6 }),
        async (targets, picks, faults) => {
          await Promise.all(
            [bench.a, bench.b].map((each) => each.run('UPDATE thing SET version = 1')),
          )
          const effects = targets.map((target) => raising(things[target] ?? ''))
          const pick = () => picks.next().value as number
          for (const fault of faults) {
            const size = 1 + pick()
            const batch = Array.from({ length: size }, () => effects[pick() % effects.length])
            if (fault !== 'none') for (const each of [bench.a, bench.b]) each.spoil(fault)
            await apply(...batch.filter((effect) => effect !== undefined)).catch(() => undefined)
          }
          // Whatever is spoilt still spoils a delivery that comes again.
          for (let n = 0; n < 20; n += 1) await apply(...effects).catch(() => undefined)
          await apply(...effects)

          const versions = await Promise.all(
            things.map((id, index) => versionOf(index < 2 ? bench.a : bench.b, id)),
          )
          const expected = things.map(
            (_, thing) => 1 + targets.filter((each) => each === thing).length,
          )
          expect(versions).toEqual(expected)
        },
      ),
      { numRuns: 40 },
    )
  })
})
