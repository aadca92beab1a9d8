import { createIds, manualClock, prefixOf, seededRandom } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type Claim, claimAll, claimGraceMs, createLookup, type LookupIndex } from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet
let lookup: LookupIndex
const clock = manualClock(1_790_000_000_000)
const ids = createIds({ clock, random: seededRandom(1) })
/** The main rows of the tests. */
const things = new Set<string>()

const claimsOf = (owner: string, ...texts: [string, ...string[]]) =>
  texts.map((text) => ({ kind: 'handle', text, owner })) as [Claim, ...Claim[]]

function claim(owner: string, ...texts: [string, ...string[]]) {
  const exists = async (id: string) => things.has(id)
  return claimAll(lookup, { claims: claimsOf(owner, ...texts), exists, now: clock.now() }, call)
}

const holderOf = (text: string) => lookup.find('handle', text, call)

beforeEach(async () => {
  fleet = await openFleet()
  lookup = createLookup(fleet.router, clock)
  things.clear()
})
afterEach(() => fleet.close())

describe('claimAll', () => {
  test('gives free texts to their claimer', async () => {
    const owner = ids.root('one')

    expect(await claim(owner, 'ada', 'grace')).toEqual({ owner })
    expect([await holderOf('ada'), await holderOf('grace')]).toEqual([owner, owner])
  })

  test('gives a text that fifty race for to exactly one', async () => {
    const owners = Array.from({ length: 50 }, (_, index) => ids.root(`racer ${index}`))

    const results = await Promise.all(owners.map((owner) => claim(owner, 'ada')))

    const winners = results.flatMap((result) => ('owner' in result ? [result.owner] : []))
    expect(winners).toEqual([await holderOf('ada')])
    expect(results.filter((result) => 'taken' in result)).toHaveLength(49)
  })

  test('gives two texts that many race for to at most one, never one to each', async () => {
    const owners = Array.from({ length: 20 }, (_, index) => ids.root(`racer ${index}`))

    const results = await Promise.all(
      owners.map((owner, index) =>
        index % 2 === 0 ? claim(owner, 'ada', 'grace') : claim(owner, 'grace', 'ada'),
      ),
    )

    const winners = results.filter((result) => 'owner' in result)
    expect(winners.length).toBeLessThanOrEqual(1)
    expect(await holderOf('ada')).toBe(await holderOf('grace'))
  })

  test('gives back what it had when another text is taken', async () => {
    const first = ids.root('one')
    await claim(first, 'taken')
    things.add(first)

    expect(await claim(ids.root('two'), 'free', 'taken')).toEqual({ taken: 'handle' })

    expect(await holderOf('free')).toBeUndefined()
    expect(await holderOf('taken')).toBe(first)
  })

  test('takes up the claim of an earlier try of the same request', async () => {
    const [earlier, later] = [ids.root('the same key'), ids.root('the same key')]
    await claim(earlier, 'ada')

    const result = await claim(later, 'ada', 'grace')

    expect(prefixOf(earlier)).toBe(prefixOf(later))
    expect(result).toEqual({ owner: earlier })
    expect(await holderOf('grace')).toBe(earlier)
  })

  test('takes up the claim of an earlier try that came to its end', async () => {
    const earlier = ids.root('the same key')
    await claim(earlier, 'ada')
    things.add(earlier)
    await lookup.confirm(claimsOf(earlier, 'ada'), call)

    expect(await claim(ids.root('the same key'), 'ada')).toEqual({ owner: earlier })
  })

  test.each([0, claimGraceMs])(
    'never gives back what an earlier try holds, though it is not confirmed (after %i ms)',
    async (ms) => {
      const earlier = ids.root('the same key')
      const other = ids.root('another')
      await claim(earlier, 'ada')
      await claim(other, 'taken')
      things.add(earlier)
      things.add(other)
      clock.advance(ms)

      expect(await claim(ids.root('the same key'), 'ada', 'taken')).toEqual({ taken: 'handle' })

      expect(await holderOf('ada')).toBe(earlier)
      expect(await claim(ids.root('a third'), 'ada')).toEqual({ taken: 'handle' })
    },
  )

  test('keeps what it took up when the earlier try gives its claims back late', async () => {
    const [first, second, stranger] = [ids.root('one'), ids.root('one'), ids.root('other')]
    await lookup.claim(claimsOf(stranger, 'grace'), call)
    const between: unknown[] = []
    const late: LookupIndex = {
      ...lookup,
      giveBack: async (claims, each) => {
        await lookup.giveBack(claimsOf(stranger, 'grace'), each)
        between.push(await claim(second, 'ada', 'grace'))
        await lookup.giveBack(claims, each)
      },
    }
    const job = { claims: claimsOf(first, 'ada', 'grace'), exists: async () => false }

    expect(await claimAll(late, { ...job, now: clock.now() }, call)).toEqual({ taken: 'handle' })

    expect(between).toEqual([{ owner: first }])
    expect([await holderOf('ada'), await holderOf('grace')]).toEqual([first, first])
  })

  test('begins the grace of an old claim again when it takes it up', async () => {
    const earlier = ids.root('the same key')
    await claim(earlier, 'ada')
    clock.advance(claimGraceMs - 1)
    await claim(ids.root('the same key'), 'ada')
    clock.advance(claimGraceMs - 1)

    expect(await claim(ids.root('another'), 'ada')).toEqual({ taken: 'handle' })
  })

  test('lets all of many late tries of one request take its claims up', async () => {
    const earlier = ids.root('the same key')
    await claim(earlier, 'ada', 'grace')
    clock.advance(claimGraceMs * 2)

    const results = await Promise.all(
      Array.from({ length: 10 }, () => claim(ids.root('the same key'), 'ada', 'grace')),
    )

    expect(results).toEqual(results.map(() => ({ owner: earlier })))
  })

  test('takes over a claim whose thing never came, and not before its grace has passed', async () => {
    const [dead, next] = [ids.root('dead'), ids.root('next')]
    await claim(dead, 'ada')

    clock.advance(claimGraceMs - 1)
    expect(await claim(next, 'ada')).toEqual({ taken: 'handle' })
    clock.advance(1)
    expect(await claim(next, 'ada')).toEqual({ owner: next })

    expect(await holderOf('ada')).toBe(next)
  })

  test('never takes over a claim whose thing is there, however old, confirmed or not', async () => {
    const [slow, next] = [ids.root('slow'), ids.root('next')]
    await claim(slow, 'ada')
    things.add(slow)

    clock.advance(claimGraceMs * 100)

    expect(await claim(next, 'ada')).toEqual({ taken: 'handle' })
    expect(await holderOf('ada')).toBe(slow)
  })

  test('lets exactly one of many take over', async () => {
    await claim(ids.root('dead'), 'ada')
    clock.advance(claimGraceMs)
    const owners = Array.from({ length: 20 }, (_, index) => ids.root(`next ${index}`))

    const results = await Promise.all(owners.map((owner) => claim(owner, 'ada')))

    const winners = results.flatMap((result) => ('owner' in result ? [result.owner] : []))
    expect(winners).toEqual([await holderOf('ada')])
  })

  test('leaves a dead claim where it is when another text is taken', async () => {
    const live = ids.root('live')
    const dead = ids.root('dead')
    await claim(dead, 'ada')
    await claim(live, 'taken')
    things.add(live)
    clock.advance(claimGraceMs)

    expect(await claim(ids.root('next'), 'ada', 'taken')).toEqual({ taken: 'handle' })

    expect([await holderOf('ada'), await holderOf('taken')]).toEqual([dead, live])
  })

  test('leads all tries of one request to one id, which holds every text', async () => {
    for (let round = 0; round < 20; round += 1) {
      const texts: [string, string] = [`ada ${round}`, `grace ${round}`]
      const tries = Array.from({ length: 6 }, () => ids.root(`same ${round}`))

      const results = await Promise.all(
        tries.map((owner, index) =>
          claim(owner, ...(index % 2 === 0 ? texts : ([texts[1], texts[0]] as [string, string]))),
        ),
      )

      const owners = new Set(results.map((result) => ('owner' in result ? result.owner : 'none')))
      expect(owners.size).toBe(1)
      expect([...owners]).toEqual([await holderOf(texts[0])])
      expect([...owners]).toEqual([await holderOf(texts[1])])
    }
  })
})

describe('the index', () => {
  test('confirms and gives back only what is the owner’s and pending, however often', async () => {
    const [one, two] = [ids.root('one'), ids.root('two')]
    await claim(one, 'ada')

    await lookup.release(claimsOf(two, 'ada'), call)
    await lookup.confirm(claimsOf(two, 'ada'), call)
    expect((await lookup.claim(claimsOf(two, 'ada'), call))[0]).toMatchObject({
      owner: one,
      state: 'pending',
    })
    await lookup.confirm(claimsOf(one, 'ada'), call)
    await lookup.confirm(claimsOf(one, 'ada'), call)
    await lookup.release(claimsOf(one, 'ada'), call)

    expect((await lookup.claim(claimsOf(two, 'ada'), call))[0]).toMatchObject({
      owner: one,
      state: 'confirmed',
    })
  })

  test('keeps kinds apart, and texts that look like numbers, lists or JSON', async () => {
    const owner = ids.root('one')
    const texts = ['1', '01', '1.0', '[1]', '{"a":1}', 'a|b', 'a', "'", '%', 'ä', '😀', 'null']
    const claims = ['handle', 'email'].flatMap((kind) =>
      texts.map((text) => ({ kind, text, owner })),
    )

    const holders = await lookup.claim(claims, call)

    expect(holders).toHaveLength(claims.length)
    expect(new Set(holders.map((holder) => holder.owner))).toEqual(new Set([owner]))
    const [[count] = []] = await fleet.a.run('SELECT count(*) FROM lookup')
    const [[other] = []] = await fleet.b.run('SELECT count(*) FROM lookup')
    expect(Number(count) + Number(other)).toBe(claims.length)
    expect(await holderOf('nobody')).toBeUndefined()
  })

  test('takes one round trip a shard, whatever the number of claims', async () => {
    const owner = ids.root('one')
    const claims = Array.from({ length: 200 }, (_, index) => ({
      kind: 'k',
      text: `t${index}`,
      owner,
    }))

    await lookup.claim(claims, call)

    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([1, 1])
  })
})
