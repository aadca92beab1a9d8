import { slotRange } from '@stoa/kernel'
import { evenSlots, type Keyspace, slotMapOf } from '@stoa/sharding'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { assign } from '../src/publish.ts'

const shards = ['a', 'b', 'c'].map((name) => ({ name, url: 'x', incarnation: name }))
const even: Keyspace = { shards, slots: evenSlots(['a', 'b']) }
const piece = (slot: number) => {
  const { from, to } = slotRange(slot)
  return { lo: from, hi: to }
}

describe('the topology after a move', () => {
  test('is a partition in as few ranges as can be, and places what moved, and nothing else, anew', () => {
    const moved = fc.uniqueArray(fc.integer({ min: 0, max: 16_383 }), { maxLength: 40 })
    fc.assert(
      fc.property(moved, (slots) => {
        const next = assign(even, { pieces: slots.map(piece), shard: 'c', epoch: 2 })
        const [before, after] = [slotMapOf('k', even), slotMapOf('k', next)]

        const others = Array.from({ length: 443 }, (_, index) => index * 37)
        for (const slot of others.filter((each) => !slots.includes(each)))
          expect(after.place(slot)).toEqual(before.place(slot))
        for (const slot of slots)
          expect(after.place(slot)).toMatchObject({ epoch: 2, shard: { name: 'c' } })
        const joins = next.slots.filter((range, index) => {
          const last = next.slots[index - 1]
          return last?.shard === range.shard && last.epoch === range.epoch
        })
        expect(joins).toEqual([])
      }),
      { numRuns: 20 },
    )
  })

  test('is the same when it is told twice, and when an older move tells late', () => {
    const first = assign(even, { pieces: [piece(1)], shard: 'b', epoch: 2 })
    const second = assign(first, { pieces: [piece(1)], shard: 'c', epoch: 3 })

    expect(assign(second, { pieces: [piece(1)], shard: 'c', epoch: 3 })).toEqual(second)
    expect(assign(second, { pieces: [piece(1)], shard: 'b', epoch: 2 })).toEqual(second)
  })

  test('knows a range that was set apart, and moves it on', () => {
    const range = { lo: '00101', hi: '00102' }
    const first = assign(even, { pieces: [range], shard: 'c', epoch: 2 })
    const second = assign(first, { pieces: [range], shard: 'b', epoch: 3 })

    expect(first.ranges).toEqual([{ from: '00101', to: '00102', shard: 'c', epoch: 2 }])
    expect(slotMapOf('k', second).place('00101')).toMatchObject({ shard: { name: 'b' } })
    expect(slotMapOf('k', second).place('00102')).toMatchObject({ shard: { name: 'a' } })
  })
})
