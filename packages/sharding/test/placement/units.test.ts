import { array, assert, constantFrom, integer, property } from 'fast-check'
import { expect, test } from 'vitest'

import {
  evenSlots,
  InvalidPlacementError,
  type MovePlan,
  planDrain,
  planMerge,
  planMoves,
  planSplit,
  slotMapOf,
} from '../../src/index.ts'

const slotCount = 16_384

function isWhole({ moves, target }: MovePlan, unit: number): boolean {
  const bounds = target.every(({ from, to }) => from % unit === 0 && (to + 1) % unit === 0)
  return bounds && moves.every(({ slots }) => slots.length % unit === 0)
}

function namesTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `s${index}`)
}

const units = constantFrom(2, 16, 64, 256)

test('an even map over any number of shards is a partition of whole groups', () => {
  assert(
    property(units, integer({ min: 1, max: 40 }), (unit, count) => {
      const slots = evenSlots(namesTo(count), unit)
      const shards = namesTo(count).map((name) => ({ name, url: 'u', incarnation: 'i' }))

      expect(() => slotMapOf('k', { shards, slots })).not.toThrow()
      expect(slots.every(({ from, to }) => from % unit === 0 && (to + 1) % unit === 0)).toBe(true)
      const sizes = slots.map(({ from, to }) => to - from + 1)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(unit)
    }),
  )
})

test('no chain of plans ever cuts a group', () => {
  const verb = constantFrom('split', 'merge', 'drain', 'rebalance')
  assert(
    property(units, array(verb, { minLength: 1, maxLength: 6 }), (unit, verbs) => {
      let current = evenSlots(namesTo(3), unit)
      for (const [at, each] of verbs.entries()) {
        const holding = [...new Set(current.map(({ shard }) => shard))].toSorted()
        const [from = '', into = ''] = holding
        if (into === '' && each !== 'split') continue
        const others = holding.filter((name) => name !== from).map((name) => ({ name }))
        const plan = {
          split: () => planSplit({ current, from, into: `n${at}`, unit }),
          merge: () => planMerge({ current, from, into, unit }),
          drain: () => planDrain({ current, from, nodes: others, unit }),
          rebalance: () =>
            planMoves({ current, nodes: [...holding, `n${at}`].map((name) => ({ name })), unit }),
        }[each]()
        current = plan.target

        expect(isWhole(plan, unit)).toBe(true)
        const held = current.reduce((sum, { from: lo, to }) => sum + to - lo + 1, 0)
        expect(held).toBe(slotCount)
      }
    }),
    { numRuns: 30 },
  )
})

test('a capacity is used in whole groups', () => {
  const current = evenSlots(['a', 'b'], 64)
  const nodes = [{ name: 'a', capacity: 100 }, { name: 'b' }]

  const { target } = planMoves({ current, nodes, unit: 64 })

  const held = target.filter(({ shard }) => shard === 'a').map(({ from, to }) => to - from + 1)
  expect(held).toEqual([64])
})

test('a map that cuts a group is refused', () => {
  const current = evenSlots(['a', 'b', 'c'])

  expect(() => planMerge({ current, from: 'a', into: 'b', unit: 64 })).toThrow(
    InvalidPlacementError,
  )
})
