import { createIds, manualClock, seededRandom } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  backfillLookup,
  type Claim,
  claimGraceMs,
  claimMender,
  createLookup,
  type LookupIndex,
  sweepPending,
  verifyLookup,
} from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet
let lookup: LookupIndex
const clock = manualClock(1_790_000_000_000)
const ids = createIds({ clock, random: seededRandom(1) })
/** The main rows: owner to text. */
const things = new Map<string, string>()

const claimOf = (text: string, owner = ids.root(text)): Claim => ({ kind: 'handle', text, owner })
const owners = async (claims: readonly Claim[]) =>
  claims.map(({ owner, text }) => things.get(owner) === text)
const options = () => ({ router: fleet.router, owners, clock, pageSize: 3 })
const entries = async () => {
  const sql = 'SELECT text, state FROM lookup'
  return [...(await fleet.a.run(sql)), ...(await fleet.b.run(sql))].toSorted((one, other) =>
    String(one[0]) < String(other[0]) ? -1 : 1,
  )
}

beforeEach(async () => {
  fleet = await openFleet()
  lookup = createLookup(fleet.router, clock)
  things.clear()
})
afterEach(() => fleet.close())

describe('sweepPending', () => {
  test('confirms claims whose thing is there, and removes the others, page by page', async () => {
    const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const claims = texts.map((text) => claimOf(text))
    await lookup.claim(claims, call)
    for (const { owner, text } of claims.slice(0, 4)) things.set(owner, text)
    clock.advance(2 * claimGraceMs)

    const done = await sweepPending(options(), call)

    expect(done).toEqual({ checked: 7, confirmed: 4, removed: 3 })
    expect(await entries()).toEqual(texts.slice(0, 4).map((text) => [text, 'confirmed']))
    expect(await sweepPending(options(), call)).toEqual({ checked: 0, confirmed: 0, removed: 0 })
  })

  test('leaves young claims alone: their thing may still be written', async () => {
    await lookup.claim([claimOf('a')], call)
    clock.advance(2 * claimGraceMs - 1)

    expect((await sweepPending(options(), call)).checked).toBe(0)
    expect(await entries()).toEqual([['a', 'pending']])
  })

  test('never removes a claim that another took up while it was being looked at', async () => {
    const claim = claimOf('a')
    const [holder] = await lookup.claim([claim], call)
    clock.advance(2 * claimGraceMs)
    const late = async (claims: readonly Claim[]) => {
      if (holder !== undefined)
        await lookup.takeOver({ ...claim, owner: ids.root('b') }, holder, call)
      return owners(claims)
    }

    expect((await sweepPending({ ...options(), owners: late }, call)).removed).toBe(0)
    expect(await entries()).toEqual([['a', 'pending']])
  })

  test('goes on over a slot that another shard serves by now', async () => {
    const claim = claimOf('a')
    await lookup.claim([claim], call)
    clock.advance(2 * claimGraceMs)
    const frozen = "UPDATE _slot_owner SET state = 'frozen'"
    await fleet.a.run(frozen)
    await fleet.b.run(frozen)
    fleet.onSleep = async () => {
      await fleet.a.run("UPDATE _slot_owner SET state = 'serving'")
      await fleet.b.run("UPDATE _slot_owner SET state = 'serving'")
    }

    expect((await sweepPending(options(), call)).removed).toBe(1)
  })
})

test('verifyLookup removes entries whose thing is gone or has another text, and keeps the rest', async () => {
  const claims = ['a', 'b', 'c', 'd', 'e'].map((text) => claimOf(text))
  await lookup.claim(claims, call)
  await lookup.confirm(claims, call)
  for (const { owner, text } of claims.slice(0, 4)) things.set(owner, text)
  things.set(claims[1]?.owner ?? '', 'other')

  const done = await verifyLookup(options(), call)

  expect(done).toEqual({ checked: 5, confirmed: 0, removed: 2 })
  expect((await entries()).map(([text]) => text)).toEqual(['a', 'c', 'd'])
})

describe('claimMender', () => {
  test('makes an entry that is lacking, once, and not over what another has', async () => {
    const mender = claimMender(fleet.router, lookup)
    const claim = claimOf('a')

    expect(await mender.restore(claim, call)).toBe(true)
    expect(await mender.restore(claim, call)).toBe(true)
    expect(await mender.restore({ ...claim, owner: ids.root('b') }, call)).toBe(false)
    expect(await entries()).toEqual([['a', 'confirmed']])
    expect(await lookup.find('handle', 'a', call)).toBe(claim.owner)
  })

  test('takes a confirmed entry away, and neither a pending one nor another owner’s', async () => {
    const mender = claimMender(fleet.router, lookup)
    const [settled, pending] = [claimOf('a'), claimOf('b')]
    await lookup.claim([settled, pending], call)
    await lookup.confirm([settled], call)

    await mender.remove({ ...settled, owner: ids.root('c') }, call)
    await mender.remove(pending, call)
    expect(await entries()).toEqual([
      ['a', 'confirmed'],
      ['b', 'pending'],
    ])

    await mender.remove(settled, call)
    expect(await entries()).toEqual([['b', 'pending']])
  })
})

describe('backfillLookup', () => {
  const claims = ['a', 'b', 'c', 'd', 'e'].map((text) => claimOf(text))
  const pageOf = async (after: string | undefined) => {
    const start = Number(after ?? 0)
    const next = start + 2
    return {
      claims: claims.slice(start, next),
      ...(next < claims.length ? { next: String(next) } : {}),
    }
  }

  test('brings all into the index, and says whose text another has', async () => {
    const other = claimOf('c')
    await lookup.claim([other], call)
    const cursors: unknown[] = []

    const done = await backfillLookup(
      lookup,
      { page: pageOf, onPage: ({ next }) => cursors.push(next) },
      call,
    )

    expect(done).toEqual({ claimed: 4, conflicts: [claims[2]] })
    expect(cursors).toEqual(['2', '4', undefined])
    expect(await lookup.find('handle', 'c', call)).toBe(other.owner)
    expect((await entries()).filter(([, state]) => state === 'confirmed')).toHaveLength(4)
  })

  test('goes on where a run died, and a second run changes nothing', async () => {
    await backfillLookup(lookup, { page: pageOf, from: '2' }, call)
    expect((await entries()).map(([text]) => text)).toEqual(['c', 'd', 'e'])

    await backfillLookup(lookup, { page: pageOf }, call)
    const once = await entries()
    await backfillLookup(lookup, { page: pageOf }, call)

    expect(await entries()).toEqual(once)
    expect(once).toHaveLength(5)
  })
})
