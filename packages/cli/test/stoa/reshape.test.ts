import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { call, misplaced, openTown, seedPosts, startWriter, type Town } from './harness.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let town: Town

beforeEach(async () => {
  town = await openTown()
})

afterEach(() => town.close())

const whole = { lost: 0, doubled: 0, foreign: 0, astray: 0 }

async function slotsOf(name: string): Promise<number> {
  const { slots } = await town.social()
  return slots
    .filter(({ shard }) => shard === name)
    .reduce((sum, { from, to }) => sum + to - from + 1, 0)
}

const isCopying = (event: Readonly<Record<string, unknown>>) =>
  event['event'] === 'progress' && String(event['what']).endsWith('copying')

describe('stoa split', () => {
  test('moves half to a new database while clients write, and loses and doubles nothing', async () => {
    const seeded = await seedPosts(town, 1_500)
    const writer = startWriter(town)

    const { code, events } = await town.stoa(
      'split',
      'social',
      '--from',
      'social-0',
      '--to',
      'social-2',
      '--yes',
    )
    const written = await writer.stop()

    expect(code).toBe(0)
    const moves = events.filter(({ event }) => event === 'move')
    expect(moves.map(({ phase }) => phase)).toEqual(['done', 'done', 'done', 'done'])
    expect(await slotsOf('social-2')).toBe(4_096)
    expect(written.length).toBeGreaterThan(5)
    expect(await misplaced(town, [...seeded, ...written])).toEqual(whole)
    expect((await town.stoa('verify', 'social')).code).toBe(0)
    const job = String(events.find(({ event }) => event === 'move')?.['job'])
    expect((await town.stoa('verify', job)).code).toBe(0)
  })

  test('killed in the midst goes on with resume', async () => {
    const seeded = await seedPosts(town, 1_500)
    const words = ['split', 'social', '--from', 'social-0', '--to', 'social-2', '--yes']
    const child = town.start(...words, '--max-rate', '150')
    await child.until(isCopying)
    child.process.kill('SIGKILL')
    expect(await child.ended).toBe('SIGKILL')

    const jobs = await town.stoa('jobs')
    const { code, events } = await town.stoa('resume')

    const phases = jobs.events.filter(({ event }) => event === 'job').map(({ phase }) => phase)
    expect(phases.toSorted()).toEqual(['copying', 'planned', 'planned', 'planned'])
    expect(code).toBe(0)
    expect(events.at(-1)).toMatchObject({ event: 'move', phase: 'done' })
    expect(await slotsOf('social-2')).toBe(4_096)
    expect(await misplaced(town, seeded)).toEqual(whole)
    expect((await town.stoa('jobs')).events).toEqual([])
  })

  test('killed before all of its moves were written down moves what it was to, and no more', async () => {
    const seeded = await seedPosts(town, 600)
    const words = ['split', 'social', '--from', 'social-0', '--to', 'social-2', '--yes']
    const child = town.start(...words, '--max-rate', '150')
    await child.until(isCopying)
    child.process.kill('SIGKILL')
    await child.ended
    // The others have not begun: it is as if they had never been written.
    const forget = { sql: "DELETE FROM reshard_job WHERE phase = 'planned'", args: [] }
    const [forgotten] = await town.meta.batch([forget], 'write', call)

    const { code } = await town.stoa(...words)

    expect(forgotten?.rowsAffected).toBe(3)
    expect(code).toBe(0)
    expect(await slotsOf('social-2')).toBe(4_096)
    expect(await misplaced(town, seeded)).toEqual(whole)
    expect((await town.stoa('jobs')).events).toEqual([])
  })
})

describe('the same command twice at once', () => {
  test('is done once: the later one joins in or is refused', async () => {
    const seeded = await seedPosts(town, 400)
    const words = ['split', 'social', '--from', 'social-0', '--to', 'social-2', '--yes']
    const both = [town.start(...words), town.start(...words)]

    const codes = await Promise.all(both.map(({ ended }) => ended))

    expect(codes).toContain(0)
    expect((await town.stoa('resume')).code).toBe(0)
    expect(await slotsOf('social-2')).toBe(4_096)
    expect(await misplaced(town, seeded)).toEqual(whole)
  })
})

describe('stoa drain', () => {
  test('stopped by Ctrl-C goes on with the same command, and leaves the database empty', async () => {
    const seeded = await seedPosts(town, 800)
    const words = ['drain', 'social', '--from', 'social-0', '--to', 'social-1', '--yes']
    const child = town.start(...words, '--max-rate', '150')
    await child.until(isCopying)
    child.process.kill('SIGINT')
    expect(await child.ended).toBe(130)
    expect(child.events.at(-1)).toMatchObject({ event: 'stopped' })

    const { code } = await town.stoa(...words)

    expect(code).toBe(0)
    expect(await slotsOf('social-1')).toBe(16_384)
    expect(await misplaced(town, seeded)).toEqual(whole)
    expect(await town.rows('social-0', 'SELECT count(*) FROM post')).toEqual([[0]])
    const again = await town.stoa(...words)
    expect(again.events.at(-1)).toMatchObject({ event: 'nothing' })
  })
})

describe('stoa isolate and spread', () => {
  test('give an owner its own database, spread its keys in order, and bring it home', async () => {
    const owner = '0A0ZZ'
    const others = await seedPosts(town, 60)
    const own = await seedPosts(town, 30, owner)
    const range = { from: owner, to: '0A1' }
    const read = async () => {
      const parts = await town.router.readRange(
        range,
        ({ from, to }) => ({
          sql: 'SELECT id FROM post WHERE id >= ? AND id < ? ORDER BY id LIMIT 100',
          args: [from, to],
        }),
        call,
      )
      return parts.flatMap(({ rows }) => rows.map(([id]) => String(id)))
    }
    const countIn = async (name: string) =>
      Number((await town.rows(name, `SELECT count(*) FROM post WHERE id LIKE '${owner}%'`))[0]?.[0])

    const isolated = await town.stoa(
      'isolate',
      'social',
      '--owner',
      owner,
      '--to',
      'social-hot',
      '--yes',
    )
    expect(isolated.code).toBe(0)
    expect(await countIn('social-hot')).toBe(30)
    expect(await read()).toEqual(own.toSorted())

    const spread = await town.stoa(
      'spread',
      'social',
      '--owner',
      own[0] ?? '',
      '--to',
      'social-hot,social-1,social-2',
      '--yes',
    )
    expect(spread.code).toBe(0)
    expect([
      await countIn('social-hot'),
      await countIn('social-1'),
      await countIn('social-2'),
    ]).toEqual([10, 10, 10])
    expect(await read()).toEqual(own.toSorted())

    const home = await town.stoa('move', 'social', '--owner', owner, '--to', 'social-0', '--yes')
    expect(home.code).toBe(0)
    expect(await countIn('social-0')).toBe(30)
    expect(await read()).toEqual(own.toSorted())
    expect(await misplaced(town, [...others, ...own])).toEqual(whole)
  })
})

describe('stoa merge', () => {
  test('brings over the slots, and the overrides that lie in slots of others', async () => {
    const owner = '0A0AB'
    const posts = [...(await seedPosts(town, 100)), ...(await seedPosts(town, 20, owner))]
    await town.stoa('isolate', 'social', '--owner', owner, '--to', 'social-1', '--yes')
    const words = ['merge', 'social', '--from', 'social-1', '--to', 'social-0', '--yes']

    expect((await town.stoa(...words)).code).toBe(0)

    expect(await slotsOf('social-0')).toBe(16_384)
    expect(await town.rows('social-1', 'SELECT count(*) FROM post')).toEqual([[0]])
    expect(await misplaced(town, posts)).toEqual(whole)
    expect((await town.stoa(...words)).events.at(-1)).toMatchObject({ event: 'nothing' })
  })
})

describe('stoa rebalance', () => {
  test('shares the slots anew by weight, and then has nothing to do', async () => {
    const seeded = await seedPosts(town, 200)
    const words = ['rebalance', 'social', '--to', 'social-2', '--weight', 'social-1=2', '--yes']

    expect((await town.stoa(...words)).code).toBe(0)

    expect([
      await slotsOf('social-0'),
      await slotsOf('social-1'),
      await slotsOf('social-2'),
    ]).toEqual([4_096, 8_192, 4_096])
    expect((await town.stoa(...words)).events.at(-1)).toMatchObject({ event: 'nothing' })
    expect(await misplaced(town, seeded)).toEqual(whole)
  })
})

describe('stoa abort, reverse and complete', () => {
  test('take an unfinished move back, and a held one from either side', async () => {
    const seeded = await seedPosts(town, 600)
    const child = town.start(
      'move',
      'social',
      '--slots',
      '0-4000',
      '--to',
      'social-1',
      '--yes',
      '--max-rate',
      '100',
    )
    await child.until(isCopying)
    child.process.kill('SIGINT')
    await child.ended
    const plan = (await town.stoa('jobs')).events.find(({ event }) => event === 'open_plan')

    const aborted = await town.stoa('abort', String(plan?.['id']))
    const ends = aborted.events.filter(({ event }) => event === 'move')
    expect(ends.map(({ phase }) => phase)).toEqual(['aborted', 'aborted', 'aborted', 'aborted'])
    expect(await slotsOf('social-0')).toBe(8_192)
    expect(await misplaced(town, seeded)).toEqual(whole)

    const hold = ['move', 'social', '--slots', '0-99', '--to', 'social-1', '--hold', '--yes']
    const held = (await town.stoa(...hold)).events.at(-1)
    expect(held).toMatchObject({ phase: 'holding' })
    expect((await town.stoa('verify', String(held?.['job']))).code).toBe(0)
    expect((await town.stoa('reverse', String(held?.['job']))).events.at(-1)).toMatchObject({
      phase: 'reversed',
    })
    expect(await slotsOf('social-0')).toBe(8_192)

    const again = (await town.stoa(...hold)).events.at(-1)
    expect((await town.stoa('complete', String(again?.['job']))).events.at(-1)).toMatchObject({
      phase: 'done',
    })
    expect(await slotsOf('social-0')).toBe(8_092)
    expect(await misplaced(town, seeded)).toEqual(whole)
  })

  test('end the holding of all moves of a plan', async () => {
    const seeded = await seedPosts(town, 200)
    const hold = ['move', 'social', '--slots', '0-1499', '--to', 'social-1', '--hold', '--yes']
    const planIn = (events: Awaited<ReturnType<Town['stoa']>>['events']) =>
      String(events.at(-1)?.['job']).replace(/-\d+\.\d+$/, '')
    const phasesOf = async (what: string, id: string) =>
      (await town.stoa(what, id)).events
        .filter(({ event }) => event === 'move')
        .map(({ phase }) => phase)

    const held = await town.stoa(...hold)
    expect(await slotsOf('social-0')).toBe(6_692)
    expect(await phasesOf('reverse', planIn(held.events))).toEqual(['reversed', 'reversed'])
    expect(await slotsOf('social-0')).toBe(8_192)

    const again = await town.stoa(...hold)
    expect(await phasesOf('complete', planIn(again.events))).toEqual(['done', 'done'])
    expect(await slotsOf('social-0')).toBe(6_692)
    expect(await misplaced(town, seeded)).toEqual(whole)
  })
})
