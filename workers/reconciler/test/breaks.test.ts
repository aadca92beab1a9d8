import { beforeAll, expect, test } from 'vitest'

import { moneyRepairs } from '../src/store/money-repairs.ts'
import { serviceRepairs } from '../src/store/repairs.ts'
import { ask, dump, env, keyspace, momentOf, select, startWorld, type World } from './harness.ts'
import { breaks, type Injected, seedClean, seedNear } from './scenarios.ts'

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

/** The statement of the day before is there. */
const beginsAt = momentOf('breaks', 3)

let world: World
let injected: readonly Injected[] = []

function name({ comparison, class: kind, key, action }: Injected): string {
  return [comparison, kind, key, action].join(' ')
}

async function rows(condition: string): Promise<readonly string[]> {
  const sql = `SELECT comparison || ' ' || class || ' ' || key || ' ' || action FROM discrepancy
WHERE first_seen_at BETWEEN ? AND ? AND ${condition}`
  return (await select('reconciler', sql, beginsAt, beginsAt + 10 * dayMs)).map(String).toSorted()
}

function expected(which: (each: Injected) => boolean): readonly string[] {
  return injected.filter(which).map(name).toSorted()
}

beforeAll(async () => {
  world = await startWorld(beginsAt)
  const at = world.clock.now() - 15 * hourMs
  for (let n = 0; n < 3; n += 1) {
    await seedClean(at, world)
    await seedNear(at, world)
  }
  const made: Injected[] = []
  for (const inject of Object.values(breaks)) made.push(await inject(at, world))
  injected = made
  const mends = new Map(made.map((each) => [`${each.comparison} ${each.key}`, each.mend]))
  world.mend = async ({ of, key }) => mends.get(`${of} ${key}`)?.()
}, 60_000)

test('finds each break among what is right, and nothing else, in one tick', async () => {
  await world.service.sweep()

  expect(await rows('TRUE')).toEqual(expected(() => true))
})

test('knows hands for whatever mends itself', () => {
  const deps = {
    queue: { publish: async () => [] },
    publicUrl: env['PUBLIC_URL'] ?? '',
    readerOf: (each: string) => keyspace(each).router,
    clock: world.clock,
    operatorToken: 'the-operators-token',
  }
  const links = { fetcher: () => () => Promise.reject(new Error('nobody is asked')) }
  const hands = {
    ...serviceRepairs(links, deps),
    ...moneyRepairs(links, { PAYMENTS_PROVIDER: 'sandbox' }),
  }

  const wanted = injected.filter(({ mend }) => mend !== undefined)
  expect(wanted.length).toBeGreaterThan(15)
  expect(Object.keys(hands)).toEqual(
    expect.arrayContaining(wanted.map(({ comparison, action }) => `${comparison}/${action}`)),
  )
})

test('changes nothing when it looks again', async () => {
  const before = await dump(beginsAt)

  for (const { comparison } of new Map(injected.map((each) => [each.comparison, each])).values())
    await ask(world, ['POST', '/v1/reconciliation-runs'], { body: { comparison }, key: comparison })

  expect(await dump(beginsAt)).toBe(before)
})

test('repairs what is safe after a second look, once each', async () => {
  world.clock.advance(2 * minuteMs)
  await world.settle()

  const safe = expected(({ mend, holdDays }) => mend !== undefined && holdDays === undefined)
  expect(await rows("state = 'repaired'")).toEqual(safe)
  expect(world.mended.map(({ key }) => key).toSorted()).toEqual(
    injected
      .filter((each) => safe.includes(name(each)))
      .map(({ key }) => key)
      .toSorted(),
  )
})

test('sees that what was repaired is gone', async () => {
  world.clock.advance(2 * hourMs)
  await world.settle()

  expect(await rows("state = 'resolved'")).toEqual(
    expected(({ mend, holdDays }) => mend !== undefined && holdDays === undefined),
  )
})

test('repairs what had to be held, and leaves the rest to persons', async () => {
  for (let day = 0; day < 2; day += 1) {
    world.clock.advance(dayMs + 2 * hourMs)
    await world.settle()
  }

  expect(await rows("state = 'resolved'")).toEqual(expected(({ mend }) => mend !== undefined))
  expect(await rows("state = 'review'")).toEqual(expected(({ mend }) => mend === undefined))
})

test('changes nothing after the repairs', async () => {
  const before = await dump(beginsAt)

  for (const { comparison } of new Map(injected.map((each) => [each.comparison, each])).values())
    await ask(world, ['POST', '/v1/reconciliation-runs'], {
      body: { comparison },
      key: `again-${comparison}`,
    })

  expect(await dump(beginsAt)).toBe(before)
})
