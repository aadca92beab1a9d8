import { manualClock, rootCall, slotCount, slotText } from '@stoa/kernel'
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

    expect(map.place(99)).toEqual({ key: 99, epoch: 1, shard: shard('a') })
    expect(map.place(100)).toEqual({ key: 100, epoch: 7, shard: shard('b') })
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

describe('overrides', () => {
  const slots = [range(0, last)]
  const shards = ['a', 'b', 'c', 'd'].map((name) => shard(name))
  const override = (from: string, to: string, name: string, epoch = 3) => ({
    from,
    to,
    shard: name,
    epoch,
  })

  test('the innermost range that holds a key decides, and outside of all the slot does', () => {
    const ranges = [
      override('0A3XYM', '0A3XYT', 'c'),
      override('0A3XY', '0A3XZ', 'b', 5),
      override('0A3XYP', '0A3XYQ', 'd'),
    ]
    const map = slotMapOf('things', { shards, slots, ranges })
    const shardOf = (key: string | number) => map.place(key).shard.name

    expect(shardOf('0A3XX00000')).toBe('a')
    expect(map.place('0A3XY')).toEqual({ key: '0A3XY', epoch: 5, shard: shard('b') })
    expect(shardOf('0A3XYM')).toBe('c')
    expect(shardOf('0A3XYP99')).toBe('d')
    expect(shardOf('0A3XYQ')).toBe('c')
    expect(shardOf('0A3XYT')).toBe('b')
    expect(shardOf('0A3XZ')).toBe('a')
    expect(shardOf(0x143)).toBe('a')
  })

  test('a part of a slot is served by pieces in key order, without a gap', () => {
    const ranges = [override('0A3XY', '0A3XZ', 'b'), override('0A3XYM', '0A3XYT', 'c')]
    const map = slotMapOf('things', { shards, slots, ranges })

    const pieces = map.pieces('0A3XW', '0A4')

    expect(pieces.map(({ from, to, place }) => [from, to, place.shard.name])).toEqual([
      ['0A3XW', '0A3XY', 'a'],
      ['0A3XY', '0A3XYM', 'b'],
      ['0A3XYM', '0A3XYT', 'c'],
      ['0A3XYT', '0A3XZ', 'b'],
      ['0A3XZ', '0A4', 'a'],
    ])
    expect(() => map.pieces('0A3XW', '0A5')).toThrow(RangeError)
    expect(() => map.pieces('0A3XW', '0A3XW')).toThrow(RangeError)
  })

  test('always: pieces and places agree, whatever laminar ranges there are', () => {
    const key = fc.stringMatching(/^0A3[0-3]{3,5}$/)
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 2, maxLength: 12 }), key, (keys, probe) => {
        const ends = keys.toSorted()
        const half = Math.floor(ends.length / 2)
        // Nested by construction: the first begins first and ends last.
        const ranges = ends
          .slice(0, half)
          .map((from, index) => override(from, ends.at(-1 - index) ?? '', 'bcd'[index % 3] ?? 'b'))
        const map = slotMapOf('things', { shards, slots, ranges })

        const piece = map.pieces('0A3', '0A4').find(({ from, to }) => from <= probe && probe < to)

        expect(piece?.place.shard.name).toBe(map.place(probe).shard.name)
      }),
    )
  })

  test.each([
    ['a whole slot', [override('0A3', '0A4', 'b')]],
    ['a prefix that is too short', [override('0A3X', '0A3Y', 'b')]],
    ['more than one slot', [override('0A3XX', '0A5', 'b')]],
    ['nothing', [override('0A3XX', '0A3XX', 'b')]],
    ['what another crosses', [override('0A3XA', '0A3XC', 'b'), override('0A3XB', '0A3XD', 'c')]],
    ['where another begins', [override('0A3XA', '0A3XC', 'b'), override('0A3XA', '0A3XB', 'c')]],
    ['an unknown shard', [override('0A3XA', '0A3XC', 'nobody')]],
  ])('a range may not be %s', (_what, ranges) => {
    expect(() => slotMapOf('things', { shards, slots, ranges })).toThrow(
      expect.objectContaining({ code: 'invalid_topology' }),
    )
  })

  test('keeps the slot of 16,383, which no text follows', () => {
    const key = `${slotText(last)}ZZ`
    const map = slotMapOf('things', { shards, slots, ranges: [override(key, 'G00', 'b')] })

    expect(map.place(`${key}00`).shard.name).toBe('b')
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

  describe('with a place that keeps it near', () => {
    /** What isolates of one place share. */
    function place() {
      const kept: Topology[] = []
      const near = {
        load: async () => kept.at(-1),
        save: async (each: Topology) => void kept.push(each),
      }
      const isolate = (read: () => Promise<Topology>) => {
        let reads = 0
        const cache = cacheTopology(async () => {
          reads += 1
          return read()
        }, near)
        return { slots: cache.slots('things'), reads: () => reads }
      }
      return { kept, near, isolate }
    }
    const down = () => Promise.reject(new Error('meta is down'))

    test('starts a cold isolate without the database, also when that is down', async () => {
      const { isolate } = place()
      const first = isolate(async () => topology(1, { things: things(['a']) }))
      await first.slots.current(call)

      const second = isolate(down)

      expect((await second.slots.current(call)).place(0).shard.name).toBe('a')
      expect([first.reads(), second.reads()]).toEqual([1, 0])
      expect((await second.slots.refresh(call)).place(0).shard.name).toBe('a')
    })

    test('keeps what is newer, once, and never what is older', async () => {
      const { kept, isolate } = place()
      let version = 2
      const { slots } = isolate(async () => topology(version, { things: things(['a']) }))
      await slots.current(call)
      await slots.refresh(call)
      version = 1
      await slots.refresh(call)
      version = 3
      await slots.refresh(call)

      expect(kept.map((each) => each.version)).toEqual([2, 3])
    })

    test('gives way to the database, also to one that was restored and counts anew', async () => {
      const { kept, isolate } = place()
      kept.push(topology(9, { things: things(['gone']) }))
      const { slots } = isolate(async () => topology(2, { things: things(['a']) }))
      expect((await slots.current(call)).place(0).shard.name).toBe('gone')

      expect((await slots.refresh(call)).place(0).shard.name).toBe('a')
      expect(kept.at(-1)?.version).toBe(2)
    })

    test('asks the database for a keyspace that what is near lacks', async () => {
      const { kept, isolate } = place()
      kept.push(topology(1, {}))
      const { slots, reads } = isolate(async () => topology(2, { things: things(['a']) }))

      expect((await slots.current(call)).place(0).shard.name).toBe('a')
      expect(reads()).toBe(1)
    })

    test('goes on when the place fails', async () => {
      const near = { load: down, save: down }
      const cache = cacheTopology(async () => topology(1, { things: things(['a']) }), near)

      expect((await cache.slots('things').current(call)).place(0).shard.name).toBe('a')
    })
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
