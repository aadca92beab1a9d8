import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { stemOf } from '../../src/stoa/jobs.ts'
import { openPlan } from '../../src/stoa/plans.ts'
import { wavesOf, type Wish } from '../../src/stoa/wish.ts'
import { call, misplaced, openTown, seedPosts, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town
const seeded: string[] = []

beforeAll(async () => {
  town = await openTown()
  seeded.push(...(await seedPosts(town, 500)))
})

afterAll(() => town.close())

const whole = { lost: 0, doubled: 0, foreign: 0, astray: 0 }
const isCopying = (event: Readonly<Record<string, unknown>>) =>
  event['event'] === 'progress' && String(event['what']).endsWith('copying')
const doneIn = (events: readonly Readonly<Record<string, unknown>>[]) =>
  events.filter(({ event, phase }) => event === 'move' && phase === 'done').length

async function counts(): Promise<Readonly<Record<string, number>>> {
  const { slots } = await town.social()
  const found: Record<string, number> = {}
  for (const { shard, from, to } of slots) found[shard] = (found[shard] ?? 0) + to - from + 1
  return found
}

/** Begins a command as a process, and ends that in the midst of its first move. */
async function endedInTheMidst(signal: 'SIGKILL' | 'SIGINT', ...words: readonly string[]) {
  const child = town.start(...words, '--yes', '--max-rate', '100')
  await child.until(isCopying)
  child.process.kill(signal)
  await child.ended
}

const wishOf = (wish: Partial<Wish> & Pick<Wish, 'verb'>): Wish => ({
  keyspace: 'social',
  to: [],
  weights: [],
  ...wish,
})

describe('a plan of several moves', () => {
  test('killed in its first wave is brought to its end by resume, the waves that were not written down too', async () => {
    // An owner in a slot of social-1 that social-0 has: it is moved after the slots.
    const owner = 'FZZAB'
    seeded.push(...(await seedPosts(town, 20, owner)))
    expect(
      (await town.stoa('move', 'social', '--owner', owner, '--to', 'social-0', '--yes')).code,
    ).toBe(0)
    await endedInTheMidst('SIGKILL', 'drain', 'social', '--from', 'social-0', '--to', 'social-1')

    const { events: left } = await town.stoa('jobs')
    const { code, events } = await town.stoa('resume')

    expect(left).toContainEqual(expect.objectContaining({ event: 'open_plan', verb: 'drain' }))
    expect(left.filter(({ event }) => event === 'job')).toHaveLength(8)
    expect([code, doneIn(events)]).toEqual([0, 9])
    expect(await town.rows('social-0', 'SELECT count(*) FROM post')).toEqual([[0]])
    expect(await counts()).toEqual({ 'social-1': 16_384 })
    expect(await misplaced(town, seeded)).toEqual(whole)
    expect((await town.stoa('jobs')).events).toEqual([])
    expect((await town.stoa('resume')).events).toEqual([{ event: 'nothing' }])
  })

  test('stopped by Ctrl-C goes on with the same command, with what is left of it', async () => {
    const words = ['rebalance', 'social', '--to', 'social-0,social-2'] as const
    await endedInTheMidst('SIGINT', ...words)

    const { code, events } = await town.stoa(...words, '--yes')

    expect([code, doneIn(events)]).toEqual([0, 12])
    expect(Object.values(await counts()).toSorted()).toEqual([5_461, 5_461, 5_462])
    expect(await misplaced(town, seeded)).toEqual(whole)
    expect((await town.stoa('jobs')).events).toEqual([])
  })

  test('of which no move was written down yet is made by resume', async () => {
    const wish = wishOf({ verb: 'merge', from: 'social-2', to: ['social-1'] })
    await openPlan({ meta: town.meta }, { id: stemOf(wish), wish, hold: false }, call)

    const { code, events } = await town.stoa('resume', stemOf(wish))

    expect([code, doneIn(events)]).toEqual([0, 6])
    expect((await counts())['social-2']).toBeUndefined()
    expect((await town.stoa('jobs')).events).toEqual([])
  })

  test('given up is gone on with by nobody, and what was moved stays', async () => {
    const before = await counts()
    await endedInTheMidst('SIGKILL', 'rebalance', 'social', '--to', 'social-2,social-3')
    const plan = (await town.stoa('jobs')).events.find(({ event }) => event === 'open_plan')

    const { code } = await town.stoa('abort', String(plan?.['id']))

    expect(code).toBe(0)
    expect((await town.stoa('jobs')).events).toEqual([])
    expect((await town.stoa('resume')).events).toEqual([{ event: 'nothing' }])
    expect(await counts()).toEqual(before)
    expect(await misplaced(town, seeded)).toEqual(whole)
  })

  test('to isolate slots of two databases is completed when some of them are there', async () => {
    const shards = ['a', 'b', 'c'].map((name) => ({ name, url: 'memory:', incarnation: '' }))
    const slots = [
      { from: 0, to: 1, shard: 'c', epoch: 2 },
      { from: 2, to: 8_191, shard: 'a', epoch: 1 },
      { from: 8_192, to: 16_383, shard: 'b', epoch: 1 },
    ]
    const wish = wishOf({ verb: 'isolate', slots: '0-1,9000-9001', to: ['c'] })

    const waves = await wavesOf(
      wish,
      { shards, slots },
      { findCuts: async () => [], isBegun: false },
    )

    const scope = { kind: 'slots', slots: [9_000, 9_001] }
    expect(waves).toEqual([[{ from: 'b', to: 'c', scope }]])
  })
})
