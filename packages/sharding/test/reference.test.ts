import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  publishReference,
  readReference,
  type ReferenceTable,
  referenceVersions,
  spreadReference,
  verifyReference,
} from '../src/index.ts'
import {
  allSafeguards,
  call,
  columns,
  openWorld,
  paused,
  rowsOf,
  type Safeguards,
  scheduler,
  type World,
} from './reference-world.ts'

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const statesIn = (report: Awaited<ReturnType<World['spread']>>) =>
  report.copies.map(({ database, state, version }) => `${database} ${state} ${version}`)
const verify = () =>
  verifyReference({ meta: world.meta, name: 'currency', databases: [world.a, world.b] }, call)

describe('publishReference', () => {
  test('gives each other content the next version, and the same content none', async () => {
    const first = await world.publish(1)
    const again = await world.publish(1)
    const second = await world.publish(2)

    expect([first.version, again.version, second.version]).toEqual([1, 1, 2])
    expect(await referenceVersions(world.meta, call)).toEqual(new Map([['currency', 2]]))
    expect((await readReference(world.meta, 'currency', call)).rows).toEqual(rowsOf(2))
  })

  test('keeps rows in the order of their keys, whatever order they come in', async () => {
    const table = { name: 'currency', columns, rows: rowsOf(2).toReversed(), at: 1 }
    await publishReference(world.meta, table, call)

    expect((await world.publish(2)).version).toBe(1)
  })

  test('refuses rows that were made from another version than is there', async () => {
    await world.publish(1)
    await world.publish(2)

    await expect(world.publish(3, 1)).rejects.toMatchObject({
      code: 'reference_conflict',
      version: 2,
    })
    await expect(world.publish(3, 7)).rejects.toMatchObject({ code: 'reference_conflict' })
    expect((await world.publish(3, 2)).version).toBe(3)
  })

  test('refuses a first publication over a version that never was', async () => {
    await expect(world.publish(1, 4)).rejects.toMatchObject({
      code: 'reference_conflict',
      version: 0,
    })
    expect(await referenceVersions(world.meta, call)).toEqual(new Map())
  })

  test('passes versions that copies have, when meta was restored from before them', async () => {
    for (const version of [1, 2, 3]) await world.publish(version)
    await world.spread()
    await world.meta.run("UPDATE reference SET version = 1, rows = '[]'")
    await world.publish(3)
    expect(statesIn(await verify())).toEqual(['a ahead 3', 'b ahead 3'])

    const table = { name: 'currency', columns, rows: rowsOf(3), at: 1, beyond: 3 }
    const passed = await publishReference(world.meta, table, call)
    const again = await publishReference(world.meta, table, call)
    await world.spread()

    expect([passed.version, again.version]).toEqual([4, 4])
    expect(statesIn(await verify())).toEqual(['a current 4', 'b current 4'])
  })

  const unfit: readonly (readonly [string, Partial<ReferenceTable>, string])[] = [
    ['a name that is none', { name: 'Currency"; --' }, 'invalid_reference'],
    ['a column that is none', { columns: ['code', 'x y', 'name'] }, 'invalid_reference'],
    ['a column that is named twice', { columns: ['code', 'code', 'name'] }, 'invalid_reference'],
    ['no columns', { columns: [], rows: [] }, 'invalid_reference'],
    ['a row that is too short', { rows: [['EUR', 2]] }, 'invalid_reference'],
    ['a fraction', { rows: [['EUR', 2.5, 'Euro']] }, 'invalid_reference'],
    ['half a character', { rows: [['EUR', 2, '\uD800']] }, 'invalid_reference'],
    ['a character that ends texts', { rows: [['EUR', 2, 'Eu\0ro']] }, 'invalid_reference'],
    ['a key that is no text', { rows: [[1, 2, 'Euro']] }, 'invalid_reference'],
    [
      'a key that is there twice',
      { rows: [...rowsOf(1), ['EUR', 2, 'Euro']] },
      'invalid_reference',
    ],
    [
      'too many rows',
      { rows: Array.from({ length: 10_001 }, (_, at) => [`k${at}`, 0, '']) },
      'reference_too_large',
    ],
    ['too many bytes', { rows: [['EUR', 2, '€'.repeat(90_000)]] }, 'reference_too_large'],
  ]
  test.for(unfit)('refuses %s, and asks nobody', async ([, part, code]) => {
    const table = { name: 'currency', columns, rows: rowsOf(1), at: 1, ...part }

    await expect(publishReference(world.meta, table, call)).rejects.toMatchObject({ code })
    expect(world.meta.sent).toEqual([])
  })
})

describe('spreadReference', () => {
  test('brings every database to the newest version, in one batch each', async () => {
    await world.publish(1)
    await world.spread()
    await world.publish(2)
    const before = world.a.sent.length

    const report = await world.spread()

    expect(statesIn(report)).toEqual(['a current 2', 'b current 2'])
    expect(world.a.sent.length - before).toBe(1)
    expect(await world.wrongs()).toEqual([])
  })

  test('writes only the rows that differ, and none when nothing does', async () => {
    await world.publish(1)
    const first = await world.spread()
    await world.publish(2)
    const second = await world.spread()
    const third = await world.spread()

    const changed = [first, second, third].map(({ copies: [a] }) => a?.changed)
    // Two inserted; the euro deleted and inserted, and a third row; nothing.
    expect(changed).toEqual([2, 3, 0])
  })

  test('lets queries join the copy with rows of the shard', async () => {
    await world.publish(2)
    await world.spread()
    await world.a.run('CREATE TABLE price (minor INTEGER, currency TEXT)')
    await world.a.run("INSERT INTO price VALUES (1250, 'EUR'), (980, 'JPY'), (5, 'ZZZ')")

    const rows = await world.a.run(
      'SELECT p.minor, c.exponent FROM price AS p LEFT JOIN _currency AS c ON c.code = p.currency',
    )

    expect(rows).toEqual([
      [1250, 2],
      [980, 0],
      [5, null],
    ])
  })

  test('mends a copy that somebody has spoilt', async () => {
    await world.publish(2)
    await world.spread()
    await world.a.run("UPDATE _currency SET exponent = 3 WHERE code = 'JPY'")
    await world.b.run("DELETE FROM _currency WHERE code = 'EUR'")
    await world.b.run("INSERT INTO _currency VALUES ('DEM', 2, 'Mark')")

    expect(statesIn(await verify())).toEqual(['a differs 1', 'b differs 1'])
    await world.spread()

    expect(statesIn(await verify())).toEqual(['a current 1', 'b current 1'])
  })

  test('goes on past a database that fails, says which, and completes it the next time', async () => {
    await world.publish(1)
    world.a.spoil('refused')

    const first = await world.spread()
    expect(statesIn(first)).toEqual(['a failed 0', 'b current 1'])
    expect(first.copies[0]?.error).toMatchObject({ code: 'shard_unavailable' })
    expect(statesIn(await verify())).toEqual(['a behind 0', 'b current 1'])
    const second = await world.spread()

    expect(statesIn(second)).toEqual(['a current 1', 'b current 1'])
    expect(second.copies.map(({ changed }) => changed)).toEqual([2, 0])
  })

  test('whose reply was lost has written all, and finds so when it is repeated', async () => {
    await world.publish(1)
    world.a.spoil('reply')

    const first = await world.spread()
    const second = await world.spread()

    expect(first.copies[0]?.error).toMatchObject({ code: 'ambiguous_write' })
    expect(second.copies[0]).toMatchObject({ state: 'current', changed: 0 })
  })

  test('that dies between two databases is completed by the next', async () => {
    await world.publish(2)
    const controller = new AbortController()
    const dying = { ...call, signal: controller.signal }
    world.b.before = async () => controller.abort(new Error('killed'))
    const options = { meta: world.meta, name: 'currency', databases: [world.a, world.b] }

    await expect(spreadReference(options, dying)).rejects.toThrow('killed')
    world.b.before = async () => undefined
    expect(await world.wrongs()).toEqual([])
    await world.spread()

    expect(statesIn(await verify())).toEqual(['a current 1', 'b current 1'])
  })

  test('fails where the columns change the values, or are not there', async () => {
    await publishReference(
      world.meta,
      { name: 'currency', columns, rows: [['EUR', '2', 'Euro']], at: 1 },
      call,
    )
    const report = await world.spread()
    expect(report.copies[0]?.error).toMatchObject({ code: 'reference_unlike' })

    await world.a.run('DROP TABLE _currency')
    expect(statesIn(await verify())).toEqual(['a failed 0', 'b differs 1'])
  })

  test('of what was never published is refused', async () => {
    await expect(world.spread()).rejects.toMatchObject({ code: 'reference_not_found' })
  })

  test('keeps columns that a later version has, and leaves out those that it has not', async () => {
    await world.publish(1)
    await world.spread()
    for (const database of [world.a, world.b])
      await database.run('ALTER TABLE _currency ADD COLUMN symbol TEXT')
    const rows = [['EUR', 2, 'Euro', '€'] as const, ['JPY', 0, 'Yen', null] as const]
    const wider = { name: 'currency', columns: [...columns, 'symbol'], rows, at: 2 }
    await publishReference(world.meta, wider, call)

    expect(statesIn(await world.spread())).toEqual(['a current 2', 'b current 2'])
    expect(await world.b.run('SELECT code, symbol FROM _currency')).toEqual([
      ['EUR', '€'],
      ['JPY', null],
    ])
  })
})

/** Each ends with what was wrong. */
type Trial = (safeguards: Safeguards) => Promise<readonly string[]>

async function inWorld(
  safeguards: Safeguards,
  scene: (made: World) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const made = await openWorld(safeguards)
  try {
    return await scene(made)
  } finally {
    made.close()
  }
}

/** A spreader stands before its write while a newer version is published and spread. */
const olderAfterNewer: Trial = (safeguards) =>
  inWorld(safeguards, async (made) => {
    await made.publish(1)
    const old = paused(made.a)
    const late = made.spread([old.shard])
    await old.arrived
    await made.publish(2)
    await made.spread()
    const before = await made.wrongs()
    old.go()
    await late
    return [...before, ...(await made.wrongs())]
  })

const trials: Readonly<Record<keyof Safeguards, Trial>> = {
  newerOnly: olderAfterNewer,
  sameVersion: olderAfterNewer,
  oneBatch: (safeguards) =>
    inWorld(safeguards, async (made) => {
      await made.publish(1)
      const controller = { batches: 0 }
      // It dies after its first batch.
      made.a.before = async () => {
        controller.batches += 1
        if (controller.batches === 2) throw new Error('killed')
      }
      await made.spread([made.a])
      return made.wrongs()
    }),
  compareAndSet: (safeguards) =>
    inWorld(safeguards, async (made) => {
      await made.publish(1)
      await made.publish(2, 1)
      await made.spread()
      const first = await made.wrongs()
      await made.publish(3, 1).catch(() => undefined)
      return [...first, ...(await made.wrongs())]
    }),
  adopt: (safeguards) =>
    inWorld(safeguards, async (made) => {
      made.meta.spoil('reply')
      await made.publish(1, 0).catch(() => undefined)
      const again = await made.publish(1, 0).catch((error: unknown) => String(error))
      return typeof again === 'string' ? [again] : []
    }),
}

/** Four publishers and eight spreaders at once, refused and unheard now and then; then one that is not disturbed. */
async function lifeOf(seed: number, safeguards: Safeguards): Promise<readonly string[]> {
  return inWorld(safeguards, async (made) => {
    const { gated, start, run } = scheduler(seed)
    const [meta, a, b] = [gated(made.meta), gated(made.a), gated(made.b)]
    const wrongs: string[] = []
    for (let version = 1; version <= 4; version += 1) {
      start(() => made.publish(version, undefined, meta))
      start(() => made.spread([a, b], meta))
      start(() => made.spread([b, a], meta))
    }
    await run(async () => {
      wrongs.push(...(await made.wrongs()))
    })
    await made.publish(9)
    const { copies: last } = await made.spread()
    const strange = last.filter(({ state }) => state !== 'current')
    return [...wrongs, ...strange.map(({ state }) => state), ...(await made.wrongs())]
  })
}

describe('a reference table', () => {
  const caught: string[] = []
  afterAll(() => {
    process.stdout.write(`mutants of reference tables that were caught:\n${caught.join('\n')}\n`)
  })

  test.for(Object.keys(trials) as (keyof Safeguards)[])(
    'is right in the scene of %s, and wrong without',
    async (name) => {
      expect(await trials[name](allSafeguards)).toEqual([])
      const found = await trials[name]({ ...allSafeguards, [name]: false })
      if (found.length > 0) caught.push(`  ${name}: ${found.at(-1)}`)

      expect(found).not.toEqual([])
    },
  )

  test('has the rows of its version at every moment, whoever publishes and spreads at once', async () => {
    for (let seed = 1; seed <= 12; seed += 1)
      expect([seed, ...(await lifeOf(seed, allSafeguards))]).toEqual([seed])
  })

  test.for(['newerOnly', 'sameVersion', 'oneBatch', 'compareAndSet'] as const)(
    'does not without %s, which some of 25 lives show',
    async (name) => {
      const wrongs: string[] = []
      for (let seed = 1; seed <= 25 && wrongs.length === 0; seed += 1)
        wrongs.push(...(await lifeOf(seed, { ...allSafeguards, [name]: false })))

      expect(wrongs).not.toEqual([])
    },
  )
})
