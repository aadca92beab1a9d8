import { slotCount } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type MovePlan, ownersOf } from '../../src/placement/move-plan.ts'
import { planMoves } from '../../src/placement/plan-moves.ts'
import { planDrain, planIsolate, planMerge, planSplit } from '../../src/placement/plan-shards.ts'
import { evenSlots } from '../../src/topology.ts'
import { namedNodes } from './arbitraries.ts'
import { impossible, invalid } from './refusals.ts'

const even = (count: number) => evenSlots(namedNodes(count).map(({ name }) => name))
const held = ({ target }: MovePlan, shard: string) =>
  ownersOf(target).filter((owner) => owner === shard).length
const pairs = ({ moves }: MovePlan) => moves.map(({ from, to, slots }) => [from, to, slots.length])

describe('planSplit', () => {
  test('moves half of the slots to the new shard, in one range', () => {
    const plan = planSplit({ current: even(3), from: 'node-1', into: 'new' })

    expect(pairs(plan)).toEqual([['node-1', 'new', 2_730]])
    expect(held(plan, 'node-1')).toBe(2_731)
    expect(plan.target.filter(({ shard }) => shard === 'new')).toHaveLength(1)
  })

  test('refuses an unknown source, a destination that is not new, and one slot', () => {
    const current = even(2)
    expect(() => planSplit({ current, from: 'none', into: 'new' })).toThrow(invalid)
    expect(() => planSplit({ current, from: 'node-0', into: 'node-1' })).toThrow(invalid)
    expect(() => planSplit({ current, from: 'node-0', into: 'node-0' })).toThrow(invalid)
    const one = planIsolate({ current, slots: [7], into: 'hot' }).target
    expect(() => planSplit({ current: one, from: 'hot', into: 'new' })).toThrow(impossible)
  })

  test('is undone by a merge', () => {
    const current = even(5)
    const split = planSplit({ current, from: 'node-3', into: 'new' })

    expect(planMerge({ current: split.target, from: 'new', into: 'node-3' }).target).toEqual(
      current,
    )
  })
})

describe('planMerge', () => {
  test('moves all slots of the one to the other', () => {
    const plan = planMerge({ current: even(4), from: 'node-2', into: 'node-0' })

    expect(pairs(plan)).toEqual([['node-2', 'node-0', 4_096]])
    expect([held(plan, 'node-2'), held(plan, 'node-0')]).toEqual([0, 8_192])
  })

  test('refuses shards that hold nothing, and one twice', () => {
    const current = even(2)
    expect(() => planMerge({ current, from: 'none', into: 'node-0' })).toThrow(invalid)
    expect(() => planMerge({ current, from: 'node-0', into: 'none' })).toThrow(invalid)
    expect(() => planMerge({ current, from: 'node-0', into: 'node-0' })).toThrow(invalid)
  })
})

describe('planDrain', () => {
  test('always moves the slots of the one and no other, whatever the balance of the rest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.array(fc.double({ min: 0.1, max: 9, noNaN: true })),
        (count, weights) => {
          const uneven = namedNodes(count).map((node, index) => ({
            ...node,
            weight: weights[index] ?? 1,
          }))
          const { target: current } = planMoves({ current: even(count), nodes: uneven })
          const drained = ownersOf(current).filter((owner) => owner === 'node-0').length

          const plan = planDrain({ current, from: 'node-0', nodes: namedNodes(count).slice(1) })

          expect(plan.moves.every(({ from }) => from === 'node-0')).toBe(true)
          expect(plan.moves.reduce((sum, { slots }) => sum + slots.length, 0)).toBe(drained)
          expect(held(plan, 'node-0')).toBe(0)
        },
      ),
      { numRuns: 30 },
    )
  }, 60_000)

  test('fills the emptiest first, and no shard beyond its capacity', () => {
    const { target: current } = planMerge({ current: even(8), from: 'node-7', into: 'node-6' })

    const plan = planDrain({
      current,
      from: 'node-0',
      nodes: namedNodes(7)
        .slice(1)
        .map((node) => (node.name === 'node-1' ? { ...node, capacity: 2_100 } : node)),
    })

    expect(held(plan, 'node-6')).toBe(4_096)
    expect(held(plan, 'node-1')).toBe(2_100)
    expect([2, 3, 4, 5].map((index) => held(plan, `node-${index}`))).toEqual([
      2_547, 2_547, 2_547, 2_547,
    ])
  })

  test('takes new shards too, and a shard that is beyond its capacity keeps what it has', () => {
    const nodes = [{ name: 'node-1', capacity: 10 }, { name: 'new' }]

    expect(pairs(planDrain({ current: even(2), from: 'node-0', nodes }))).toEqual([
      ['node-0', 'new', slotCount / 2],
    ])
  })

  test('refuses an unknown shard, one that is to take what it gives, and one that is missing', () => {
    const current = even(3)
    const nodes = namedNodes(3)
    expect(() => planDrain({ current, from: 'none', nodes })).toThrow(invalid)
    expect(() => planDrain({ current, from: 'node-0', nodes })).toThrow(invalid)
    expect(() => planDrain({ current, from: 'node-0', nodes: nodes.slice(2) })).toThrow(invalid)
    const full = nodes.slice(1).map((node) => ({ ...node, capacity: 6_000 }))
    expect(() => planDrain({ current, from: 'node-0', nodes: full })).toThrow(impossible)
  })
})

describe('planIsolate', () => {
  test('moves the slots, wherever they are, and nothing else', () => {
    const plan = planIsolate({ current: even(2), slots: [16_383, 7, 8, 7], into: 'hot' })

    expect(plan.moves).toEqual([
      { from: 'node-0', to: 'hot', slots: [7, 8] },
      { from: 'node-1', to: 'hot', slots: [16_383] },
    ])
  })

  test.each([
    ['no slots', [], 'hot'],
    ['an unknown slot', [slotCount], 'hot'],
    ['half a slot', [0.5], 'hot'],
    ['a shard that is not new', [7], 'node-1'],
  ])('refuses %s', (_what, slots, into) => {
    expect(() => planIsolate({ current: even(2), slots, into })).toThrow(invalid)
  })
})
