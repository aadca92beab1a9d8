import { slotCount } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type MovePlan, ownersOf } from '../../src/placement/move-plan.ts'
import { type Pin, planMoves, type PlanNode, rebalanced } from '../../src/placement/plan-moves.ts'
import { rangesOf } from '../../src/placement/slots-by.ts'
import { evenSlots, slotMapOf } from '../../src/topology.ts'
import { namedNodes } from './arbitraries.ts'
import { type Case, checkPlan, smallCases } from './brute-force.ts'
import { impossible, invalid } from './refusals.ts'

const names = (count: number) => namedNodes(count).map(({ name }) => name)
const even = (count: number) => evenSlots(names(count))
const movedIn = ({ moves }: MovePlan) => moves.reduce((sum, { slots }) => sum + slots.length, 0)

const counted = (owners: readonly string[]) => {
  const counts = new Map<string, number>()
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  return counts
}

/** Any map of all slots over some of twelve shards, in up to forty ranges. */
const maps = fc
  .array(fc.tuple(fc.integer({ min: 1, max: slotCount - 1 }), fc.nat(11)), { maxLength: 40 })
  .map((cuts) => {
    const at = new Map(cuts)
    let shard = 0
    const owners = Array.from({ length: slotCount }, (_, slot) => {
      shard = at.get(slot) ?? shard
      return { shard: `node-${shard}`, epoch: 1 + (slot >> 13) }
    })
    return rangesOf(owners)
  })

const nodeLists: fc.Arbitrary<readonly PlanNode[]> = fc
  .uniqueArray(fc.nat(15), { minLength: 1, maxLength: 12 })
  .chain((chosen) =>
    fc.tuple(
      ...chosen.map((index) =>
        fc.record({
          name: fc.constant(`node-${index}`),
          weight: fc.double({ min: 0.1, max: 10, noNaN: true }),
        }),
      ),
    ),
  )

describe('planMoves', () => {
  test('moves as few slots as the best of all assignments, within weights, capacities and pins', () => {
    fc.assert(
      fc.property(smallCases, (given) => {
        expect(checkPlan(given, attempt(given))).toBe('right')
      }),
      { numRuns: 400 },
    )
  }, 60_000)

  test('always moves what exceeds the shares and no more, and makes a map that the router takes', () => {
    fc.assert(
      fc.property(maps, nodeLists, (current, nodes) => {
        const plan = planMoves({ current, nodes })

        const [before, after] = [counted(ownersOf(current)), counted(ownersOf(plan.target))]
        const excess = [...before].map(([name, held]) => Math.max(0, held - (after.get(name) ?? 0)))
        expect(movedIn(plan)).toBe(excess.reduce((sum, each) => sum + each, 0))
        const shards = nodes.map(({ name }) => ({ name, url: 'http://x', incarnation: '' }))
        expect(() => slotMapOf('things', { shards, slots: plan.target })).not.toThrow()
      }),
      { numRuns: 15 },
    )
  }, 60_000)

  test('always lists each slot that changes its shard once, with both shards', () => {
    fc.assert(
      fc.property(maps, nodeLists, (current, nodes) => {
        const { moves, target } = planMoves({ current, nodes })

        const owners = [...ownersOf(current)]
        for (const { from, to, slots } of moves) {
          expect(slots.length).toBeGreaterThan(0)
          expect(slots.filter((slot) => owners[slot] !== from)).toEqual([])
          for (const slot of slots) owners[slot] = to
        }
        expect(owners.join()).toBe(ownersOf(target).join())
        expect(new Set(moves.map(({ from, to }) => `${from} ${to}`)).size).toBe(moves.length)
      }),
      { numRuns: 15 },
    )
  }, 60_000)

  test('plans the same in whatever order nodes come, and nothing for a map that it has made', () => {
    fc.assert(
      fc.property(maps, nodeLists, (current, nodes) => {
        const plan = planMoves({ current, nodes })

        expect(planMoves({ current, nodes: nodes.toReversed() })).toEqual(plan)
        expect(planMoves({ current: plan.target, nodes }).moves).toEqual([])
      }),
      { numRuns: 15 },
    )
  }, 60_000)

  test('adds at most one range for each shard that gives and each that takes', () => {
    fc.assert(
      fc.property(maps, nodeLists, (current, nodes) => {
        const { moves, target } = planMoves({ current, nodes })

        const before = rangesOf(ownersOf(current).map((shard) => ({ shard, epoch: 1 })))
        const after = rangesOf(ownersOf(target).map((shard) => ({ shard, epoch: 1 })))
        const givers = new Set(moves.map(({ from }) => from)).size
        const takers = new Set(moves.map(({ to }) => to)).size
        expect(after.length).toBeLessThanOrEqual(before.length + givers + takers)
      }),
      { numRuns: 15 },
    )
  }, 60_000)

  test.each([1, 2, 7, 63, 64, 255])('lets a node join %i with exactly its part', (count) => {
    const plan = planMoves({ current: even(count), nodes: namedNodes(count + 1) })

    expect(movedIn(plan)).toBe(Math.floor(slotCount / (count + 1)))
    expect(plan.moves.every(({ to }) => to === `node-${count}`)).toBe(true)
    const held = [...counted(ownersOf(plan.target)).values()]
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1)
  })

  test.each([2, 7, 64])('lets one of %i nodes leave with exactly what it has', (count) => {
    const current = even(count)
    const plan = planMoves({ current, nodes: namedNodes(count).slice(1) })

    expect(movedIn(plan)).toBe(counted(ownersOf(current)).get('node-0'))
    expect(plan.moves.every(({ from }) => from === 'node-0')).toBe(true)
  })

  test('takes for a new node the ends at which two neighbours meet, so that it gets few ranges', () => {
    const { target } = planMoves({ current: even(4), nodes: namedNodes(5) })

    expect(target.filter(({ shard }) => shard === 'node-4')).toHaveLength(2)
  })

  test('leaves the epochs as they are', () => {
    const current = even(2).map((range, index) => ({ ...range, epoch: 5 + index }))

    const { target } = planMoves({ current, nodes: namedNodes(3) })

    for (const { from, to, epoch } of target)
      expect([from, to, epoch]).toEqual([from, to, from < slotCount / 2 ? 5 : 6])
  })

  test('moves a pinned slot to its shard, and never one that is there', () => {
    const pins = [0, 1, 9_000].map((slot) => ({ slot, shard: 'node-2' }))

    const plan = planMoves({ current: even(3), nodes: namedNodes(3), pins })

    const owners = ownersOf(plan.target)
    expect([0, 1, 9_000].map((slot) => owners[slot])).toEqual(['node-2', 'node-2', 'node-2'])
    expect(movedIn(plan)).toBe(6)
  })

  test.each<[string, readonly PlanNode[], readonly Pin[]]>([
    ['no nodes', [], []],
    ['two nodes of one name', [{ name: 'a' }, { name: 'a' }], []],
    ['a weight of nothing', [{ name: 'a', weight: 0 }], []],
    ['a capacity below nothing', [{ name: 'a', capacity: -1 }], []],
    ['a capacity that is not whole', [{ name: 'a', capacity: 0.5 }], []],
    ['a pin of no slot', [{ name: 'a' }], [{ slot: slotCount, shard: 'a' }]],
    ['a pin of half a slot', [{ name: 'a' }], [{ slot: 0.5, shard: 'a' }]],
    ['a pin to an unknown shard', [{ name: 'a' }], [{ slot: 0, shard: 'b' }]],
  ])('refuses %s', (_what, nodes, pins) => {
    expect(() => planMoves({ current: even(1), nodes, pins })).toThrow(invalid)
  })

  test.each([
    ['a gap', even(2).slice(1)],
    ['an end that is early', even(2).slice(0, 1)],
    ['an overlap', [...even(1), ...even(1)]],
    ['nothing', []],
    ['a range that is no number', [{ from: 0, to: Number.NaN, shard: 'a', epoch: 1 }]],
    ['a range that runs beyond', [{ from: 0, to: slotCount, shard: 'a', epoch: 1 }]],
  ])('refuses a map with %s', (_what, current) => {
    expect(() => planMoves({ current, nodes: namedNodes(1) })).toThrow(invalid)
  })

  test.each<[string, readonly PlanNode[], readonly Pin[]]>([
    ['capacities too small for all', [{ name: 'a', capacity: 16_383 }], []],
    [
      'more slots pinned to a shard than it takes',
      [{ name: 'a', capacity: 1 }, { name: 'b' }],
      [
        { slot: 0, shard: 'a' },
        { slot: 1, shard: 'a' },
      ],
    ],
    [
      'a slot pinned to two shards',
      [{ name: 'a' }, { name: 'b' }],
      [
        { slot: 0, shard: 'a' },
        { slot: 0, shard: 'b' },
      ],
    ],
  ])('refuses %s as impossible', (_what, nodes, pins) => {
    expect(() => planMoves({ current: even(1), nodes, pins })).toThrow(impossible)
  })
})

function attempt({ owners, nodes, pins }: Case): readonly string[] | undefined {
  try {
    return rebalanced(owners, { nodes, pins })
  } catch (error) {
    if ((error as { code?: string }).code === 'impossible_plan') return undefined
    throw error
  }
}

/** Planners with one rule broken: the comparison with all assignments must see each. */
const mutants: Readonly<Record<string, (given: Case) => readonly string[] | undefined>> = {
  'cuts the slots anew': ({ owners, nodes }) =>
    owners.map((_, slot) => nodes[Math.floor((slot * nodes.length) / owners.length)]?.name ?? ''),
  'deals the slots in turn': ({ owners, nodes }) =>
    owners.map((_, slot) => nodes[slot % nodes.length]?.name ?? ''),
  'ignores pins': (given) => attempt({ ...given, pins: [] }),
  'ignores capacities': (given) =>
    attempt({
      ...given,
      nodes: given.nodes.map(({ name, weight }) => ({
        name,
        ...(weight === undefined ? {} : { weight }),
      })),
    }),
  'ignores weights': (given) =>
    attempt({
      ...given,
      nodes: given.nodes.map(({ name, capacity }) => ({
        name,
        ...(capacity === undefined ? {} : { capacity }),
      })),
    }),
  'forgets who holds what': (given) =>
    attempt({ ...given, owners: given.owners.map(() => 'elsewhere') }),
  'moves one slot there and one back': (given) => {
    const target = attempt(given)
    const [first, ...others] = target ?? []
    const other = others.indexOf(others.find((name) => name !== first) ?? '')
    if (target === undefined || first === undefined || other < 0) return target
    return target.map((name, slot) =>
      slot === 0 ? (target[other + 1] ?? '') : slot === other + 1 ? first : name,
    )
  },
  'does nothing': ({ owners }) => owners,
  'gives up': () => undefined,
}

test.each(Object.entries(mutants))('a planner that %s is found out', (_name, mutant) => {
  const found = fc
    .sample(smallCases, { numRuns: 400, seed: 1 })
    .filter((given) => checkPlan(given, mutant(given)) !== 'right')

  expect(found.length).toBeGreaterThan(0)
})
