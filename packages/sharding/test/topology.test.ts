import { manualClock, rootCall, slotCount } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cacheTopology, evenSlots, type Keyspace, slotMapOf, type Topology } from '../src/index.ts'

const last = slotCount - 1
const shard = (name: string, url = `http://${name}`) => ({ name, url, incarnation: `inc-${name}` })
const range = (from: number, to: number, name = 'a') => ({ from, to, shard: name, epoch: 1 })
const call = rootCall('test')

describe('slotMapOf', () => {
  test('finds the shard, the epoch and the incarnation of every slot', () => {
    const slots = [range(0, 99), { from: 100, to: last, shard: 'b', epoch: 7 }]

    const map = slotMapOf('things', { shards: [shard('a'), shard('b')], slots })

    expect(map.place(99)).toEqual({ slot: 99, epoch: 1, shard: shard('a') })
    expect(map.place(100)).toEqual({ slot: 100, epoch: 7, shard: shard('b') })
    expect(map.place(last).shard.name).toBe('b')
  })

  test.each<[string, Keyspace['slots']]>([
    ['a gap', [range(0, 99), range(101, last)]],
    ['an overlap', [range(0, 100), range(100, last)]],
    ['a start that is late', [range(1, last)]],
    ['an end that is early', [range(0, last - 1)]],
    ['an end that is beyond', [range(0, last + 1)]],
    ['a range that runs backwards', [range(0, -1), range(0, last)]],
    ['ranges in another order', [range(100, last), range(0, 99)]],
    ['ranges that are no numbers', [range(NaN, NaN)]],
    ['an unknown shard', [range(0, last, 'nobody')]],
    ['a shard without an address', [range(0, last, 'planned')]],
    ['nothing', []],
  ])('refuses %s', (_what, slots) => {
    const keyspace = { shards: [shard('a'), shard('planned', '')], slots }

    expect(() => slotMapOf('things', keyspace)).toThrow(
      expect.objectContaining({ code: 'invalid_topology', retryable: true }),
    )
  })

  test.each([-1, slotCount, 0.5, NaN])('has no place for slot %s', (slot) => {
    const map = slotMapOf('things', { shards: [shard('a')], slots: [range(0, last)] })

    expect(() => map.place(slot)).toThrow(RangeError)
  })
})

describe('evenSlots', () => {
  test('always partitions the slots, and no shard has two more than another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), (count) => {
        const names = Array.from({ length: count }, (_, index) => `s${index}`)
        const slots = evenSlots(names)

        const map = slotMapOf('things', { shards: names.map((name) => shard(name)), slots })

        const sizes = slots.map(({ from, to }) => to - from + 1)
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(slotCount)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        expect(map.place(0).shard.name).toBe('s0')
        expect(map.place(last).shard.name).toBe(names.at(-1))
      }),
      { numRuns: 50 },
    )
  })
})

describe('cacheTopology', () => {
  const things = (names: readonly string[], url?: string): Keyspace => ({
    shards: names.map((name) => shard(name, url)),
    slots: evenSlots(names),
  })
  const topology = (version: number, keyspaces: Topology['keyspaces']) => ({ version, keyspaces })

  /** A meta database that answers what it is told to. */
  function meta(first: Topology) {
    const state = { answer: first as Topology | Error, reads: 0 }
    const cache = cacheTopology(async () => {
      state.reads += 1
      if (state.answer instanceof Error) throw state.answer
      return state.answer
    })
    return { state, cache }
  }

  test('reads once, and again only to refresh', async () => {
    const { state, cache } = meta(topology(1, { things: things(['a']) }))
    const slots = cache.slots('things')

    await slots.current(call)
    await slots.current(call)
    expect(state.reads).toBe(1)
    state.answer = topology(2, { things: things(['b']) })
    await slots.refresh(call)

    expect(state.reads).toBe(2)
    expect((await slots.current(call)).place(0).shard.name).toBe('b')
  })

  test('keeps the newer one when an older comes late', async () => {
    const { state, cache } = meta(topology(2, { things: things(['new']) }))
    await cache.slots('things').current(call)

    state.answer = topology(1, { things: things(['old']) })
    const map = await cache.slots('things').refresh(call)

    expect(map.place(0).shard.name).toBe('new')
  })

  test('goes on with what it has when the refresh fails, and fails when it has nothing', async () => {
    const { state, cache } = meta(topology(1, { things: things(['a']) }))
    await cache.slots('things').current(call)

    state.answer = new Error('meta is down')

    expect((await cache.slots('things').refresh(call)).place(0).shard.name).toBe('a')
    const empty = meta(topology(1, {}))
    empty.state.answer = new Error('meta is down')
    await expect(empty.cache.slots('things').refresh(call)).rejects.toThrow('meta is down')
    await expect(empty.cache.slots('things').current(call)).rejects.toThrow('meta is down')
  })

  test('looks again for a keyspace that was not there, or not yet provisioned', async () => {
    const { state, cache } = meta(topology(1, {}))
    const slots = cache.slots('things')
    await expect(slots.current(call)).rejects.toMatchObject({ code: 'invalid_topology' })
    state.answer = topology(2, { things: things(['a'], '') })
    await expect(slots.current(call)).rejects.toMatchObject({ code: 'invalid_topology' })

    state.answer = topology(3, { things: things(['a']) })

    expect((await slots.current(call)).place(0).shard.name).toBe('a')
  })

  test('tells every database anew, but for those without an address', async () => {
    const { state, cache } = meta(topology(1, { things: things(['a']) }))
    await cache.shards(call)
    state.answer = topology(2, { things: things(['a', 'b']), planned: things(['c'], '') })

    const names = (await cache.shards(call)).map(({ name }) => name)
    state.answer = new Error('meta is down')

    expect(names).toEqual(['a', 'b'])
    expect(await cache.shards(call)).toHaveLength(2)
  })

  test('awaits no promise of another request: two of a cold isolate both read', async () => {
    const clock = manualClock()
    let reads = 0
    const cache = cacheTopology(async () => {
      reads += 1
      if (reads === 1)
        await new Promise((resolve) => clock.after(1_000).addEventListener('abort', resolve))
      return topology(1, { things: things(['a']) })
    })
    const stuck = cache.slots('things').current(call)

    expect((await cache.slots('things').current(call)).place(0).shard.name).toBe('a')

    clock.advance(1_000)
    await stuck
    expect(reads).toBe(2)
  })
})
