import { slotRange } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { Router } from '../../src/index.ts'
import { call } from '../databases.ts'
import { openTown, readVersion, slot, type Town, writeVersion } from './town.ts'

let town: Town
let router: Router

beforeEach(async () => {
  town = await openTown()
  router = town.isolate()
  await router.write(slot, [writeVersion(1)], call)
  await town.feed(0)
  await town.feed(1)
  for (const name of Object.keys(town.asked)) town.asked[name] = 0
})
afterEach(() => town.close())

const versionIn = async (at: Router): Promise<unknown> =>
  (await at.read(slot, readVersion, call)).rows[0]?.[0]

const atReplicas = () => (town.asked['r0'] ?? 0) + (town.asked['r1'] ?? 0)

describe('a session', () => {
  test('reads at a replica, in one round trip', async () => {
    expect(await versionIn(router.session().router)).toBe(1)

    expect([atReplicas(), town.asked['a'] ?? 0]).toEqual([1, 0])
  })

  test('reads at the primary what its replicas lack, only when it wrote that itself', async () => {
    const mine = router.session()
    let [stale, late] = [0, 0]
    for (let version = 2; version < 100; version += 1) {
      await mine.router.write(slot, [writeVersion(version)], call)
      const next = town.isolate().session({ token: mine.token() })
      if ((await versionIn(next.router)) !== version) stale += 1
      if ((await versionIn(town.isolate().session().router)) !== version) late += 1
      town.clock.advance(10)
    }

    expect(stale).toBe(0)
    expect(late).toBeGreaterThan(0)
  })

  test('comes back to the replica that has what it wrote', async () => {
    const mine = router.session()
    await mine.router.write(slot, [writeVersion(2)], call)
    await town.feed(1)
    town.clock.advance(200)
    for (const name of Object.keys(town.asked)) town.asked[name] = 0

    for (let reads = 0; reads < 20; reads += 1) expect(await versionIn(mine.router)).toBe(2)

    expect(town.asked['r1']).toBeGreaterThan(10)
  })

  test('writes in one round trip, and its token comes with it', async () => {
    const mine = router.session()

    await mine.router.write(slot, [writeVersion(2)], call)

    expect(town.asked['a']).toBe(1)
    expect(mine.token()).toMatch(/^1!1!a~[0-9a-z]+~[0-9a-z]+$/)
  })

  test('does not trust a replica with what may have been written', async () => {
    const mine = router.session()
    town.fleet.a.spoil('reply')
    await expect(mine.router.write(slot, [writeVersion(2)], call)).rejects.toMatchObject({
      code: 'ambiguous_write',
    })

    expect(await versionIn(mine.router)).toBe(2)
  })

  test('does not trust replicas while the primary captures nothing', async () => {
    await town.fleet.a.run('UPDATE _fence SET capture = 0')
    const mine = router.session()
    await mine.router.write(slot, [writeVersion(2)], call)

    expect(await versionIn(mine.router)).toBe(2)
  })

  test('reads nothing older than it may', async () => {
    await router.write(slot, [writeVersion(2)], call)
    town.clock.advance(3_000)

    expect(await versionIn(router.session({ maxStaleMs: 3_000 }).router)).toBe(1)
    expect(await versionIn(router.session({ maxStaleMs: 2_999 }).router)).toBe(2)
  })

  test.for([-1, 60_001, Number.NaN])('refuses to read %d ms late', (maxStaleMs) => {
    expect(() => router.session({ maxStaleMs })).toThrow(RangeError)
  })

  test('goes on reading, not too late, while the primary is down, and does not write', async () => {
    const mine = router.session({ maxStaleMs: 10_000 })
    const sky = town.weather['a']
    if (sky !== undefined) sky.isDown = true
    const unavailable = { code: 'shard_unavailable' }

    expect(await versionIn(mine.router)).toBe(1)
    await expect(mine.router.write(slot, [writeVersion(2)], call)).rejects.toMatchObject(
      unavailable,
    )
    town.clock.advance(10_001)
    await expect(versionIn(mine.router)).rejects.toMatchObject(unavailable)
  })

  test('finds the one replica that is fresh when the primary is down', async () => {
    town.clock.advance(6_000)
    await town.feed(1)
    const sky = town.weather['a']
    if (sky !== undefined) sky.isDown = true

    for (let reads = 0; reads < 30; reads += 1)
      expect(await versionIn(router.session().router)).toBe(1)
  })

  test.for([
    ['down', { isDown: true }],
    ['slow', { delayMs: 1_500 }],
  ] as const)('gives up a replica that is %s, and comes back to it', async ([, change]) => {
    const sky = town.weather['r0']
    const read = async (times: number) => {
      town.asked['r0'] = 0
      for (let reads = 0; reads < times; reads += 1) {
        expect(await versionIn(router.session({ maxStaleMs: 60_000 }).router)).toBe(1)
        town.clock.advance(2)
      }
      return town.asked['r0']
    }
    if (sky !== undefined) Object.assign(sky, change)
    await read(100)
    expect(await read(50)).toBeLessThan(5)

    if (sky !== undefined) Object.assign(sky, { isDown: false, delayMs: 0 })
    town.clock.advance(100_000)
    await town.feed(0)
    await town.feed(1)

    expect(await read(100)).toBeGreaterThan(20)
  })

  test('lets the primary say what is wrong with a statement, and keeps the replicas', async () => {
    const wrong = { sql: 'SELECT x FROM nowhere_at_all', args: [] }
    for (let reads = 0; reads < 20; reads += 1)
      await expect(router.session().router.read(slot, wrong, call)).rejects.toThrow('nowhere')
    for (const name of Object.keys(town.asked)) town.asked[name] = 0

    await versionIn(router.session().router)

    expect([atReplicas(), town.asked['a'] ?? 0]).toEqual([1, 0])
  })

  test('is the plain router where no replicas are wanted', async () => {
    const plain = town.fleet.router.session({ token: 'whatever it was' })

    expect(await versionIn(plain.router)).toBe(1)
    expect(plain.token()).toBe('whatever it was')
  })
})

/** Gives the slot to `b`, with its row, and says so in the topology; the replicas of `a` are not told. */
async function moveTo(other: 'a' | 'b', epoch: number, version: number): Promise<void> {
  const { a, b } = town.fleet
  const [from, to] = other === 'b' ? [a, b] : [b, a]
  const { from: lo, to: hi } = slotRange(slot)
  const gone = "UPDATE _slot_owner SET state = 'handed_off', peer = ?, epoch = ? WHERE lo = ?"
  await from.run(gone, to.name, epoch, lo)
  const own = `INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, ?, 'serving')
ON CONFLICT (lo) DO UPDATE SET state = 'serving', peer = NULL, epoch = excluded.epoch`
  await to.run(own, lo, hi, epoch)
  const write = writeVersion(version)
  await to.run("UPDATE _fence SET mover = 'm'")
  await to.run(write.sql, ...write.args)
  await to.run('UPDATE _fence SET mover = NULL')
  const { things } = town.topology.keyspaces as { things: Town['topology']['keyspaces'][string] }
  const ranges = things.slots.flatMap((range) =>
    range.from > slot || range.to < slot
      ? [range]
      : [
          { ...range, to: slot - 1 },
          { from: slot, to: slot, shard: other, epoch },
          { ...range, from: slot + 1 },
        ].filter((part) => part.from <= part.to),
  )
  town.topology = {
    version: town.topology.version + 1,
    keyspaces: { things: { ...things, slots: ranges } },
  }
}

/** What each check is for: how many old rows a session is shown where it has written. */
describe('a session over a move', () => {
  let before: Town['topology']
  beforeEach(() => {
    before = town.topology
  })

  const withoutVersion = (token: string) => token.replace(/^1!\w+/, '1!0')

  const elsewhere = async (mend: (token: string) => string): Promise<unknown> => {
    const old = town.isolate()
    await versionIn(old)
    await moveTo('b', 2, 1)
    const mine = town.isolate().session()
    await mine.router.write(slot, [writeVersion(7)], call)
    return versionIn(old.session({ token: mend(mine.token()) }).router)
  }

  test('reads what it wrote at the new owner, though the map and the replicas are old', async () => {
    expect(await elsewhere((token) => token)).toBe(7)
  })

  test('would not, if its token did not say by which map it wrote', async () => {
    expect(await elsewhere(withoutVersion)).toBe(1)
  })

  const byFollowing = async (mend: (token: string) => string): Promise<unknown> => {
    const [old, other] = [town.isolate(), town.isolate()]
    await versionIn(old)
    await versionIn(other)
    await moveTo('b', 2, 1)
    // The topology does not say so yet: the fence does.
    const published = town.topology
    town.topology = before
    const mine = old.session()
    await mine.router.write(slot, [writeVersion(7)], call)
    town.topology = published
    return versionIn(other.session({ token: mend(mine.token()) }).router)
  }

  test('reads what it wrote by following a fence, though no topology says so yet', async () => {
    expect(await byFollowing((token) => token)).toBe(7)
  })

  test('would not, if its token did not say who handed the keys on', async () => {
    expect(await byFollowing((token) => token.replace(/!a~\*~\w+/, ''))).toBe(1)
  })

  const thereAndBack = async (): Promise<unknown> => {
    await moveTo('b', 2, 1)
    const mine = town.isolate().session()
    await mine.router.write(slot, [writeVersion(7)], call)
    await moveTo('a', 3, 7)
    return versionIn(town.isolate().session({ token: mine.token() }).router)
  }

  test('reads what it wrote, though the slot came back and the replicas did not see it go', async () => {
    expect(await thereAndBack()).toBe(7)
  })

  test('reads at no replica a slot that was handed off longer ago than it may read late', async () => {
    const old = town.isolate()
    await versionIn(old)
    await moveTo('b', 2, 7)

    expect(await versionIn(old.session().router)).toBe(1)
    town.clock.advance(5_001)
    expect(await versionIn(old.session().router)).toBe(7)
  })

  test('is not told a lie by a replica that knows the hand-over', async () => {
    const old = town.isolate()
    await versionIn(old)
    await moveTo('b', 2, 7)
    await town.feed(0)
    await town.feed(1)

    expect(await versionIn(old.session().router)).toBe(7)
  })
})

/** Each takes away one thing that keeps reads right, on the way to the replicas. */
describe('without a check, a session', () => {
  const spoilt = (rewrite: (sql: string) => string) => {
    for (const name of ['r0', 'r1']) {
      const sky = town.weather[name]
      if (sky === undefined) continue
      sky.rewrite = (statements) => statements.map(({ sql, args }) => ({ sql: rewrite(sql), args }))
    }
  }

  test('misses what it wrote, if the replica does not say how far it is', async () => {
    spoilt((sql) => sql.replace('SELECT applied, at', 'SELECT 1000000, at'))
    const mine = router.session()
    await mine.router.write(slot, [writeVersion(2)], call)

    expect(await versionIn(mine.router)).toBe(1)
  })

  test('reads too late, if the replica does not say when it was level', async () => {
    spoilt((sql) => sql.replace('SELECT applied, at', 'SELECT applied, 9e15'))
    await router.write(slot, [writeVersion(2)], call)
    town.clock.advance(3_600_000)

    expect(await versionIn(router.session().router)).toBe(1)
  })

  test.for([
    [
      'of an earlier life of the primary',
      "UPDATE _replica SET incarnation = 'inc-older'",
      / AND incarnation = \?/,
    ],
    ['of another primary', "UPDATE _replica SET primary_name = 'b'", /primary_name = \? AND/],
    [
      'that does not hold the slot',
      `UPDATE _slot_owner SET state = 'importing'`,
      /SELECT state \|\|/,
    ],
    ['that knows an older piece', 'UPDATE _slot_owner SET epoch = 0', /\|\| epoch \|\|/],
  ] as const)('takes a replica %s for the truth', async ([, sql, check]) => {
    const forget = 'PRAGMA ignore_check_constraints = 1'
    for (const replica of town.replicas) {
      await replica.run(forget)
      await replica.run(sql)
    }
    await router.write(slot, [writeVersion(2)], call)
    expect(await versionIn(router.session().router)).toBe(2)
    town.clock.advance(200)

    const lie = {
      ' AND incarnation = ?': ' AND ? IS NOT NULL',
      'primary_name = ? AND': '? IS NOT NULL AND',
      'SELECT state ||': "SELECT 'frozen' ||",
      '|| epoch ||': '|| 9 ||',
    }
    spoilt((text) => {
      const found = check.exec(text)?.[0]
      return found === undefined ? text : text.replace(found, lie[found as keyof typeof lie])
    })

    expect(await versionIn(router.session().router)).toBe(1)
  })
})
