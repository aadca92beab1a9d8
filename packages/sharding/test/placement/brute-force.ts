import fc from 'fast-check'

import type { Pin, PlanNode } from '../../src/placement/plan-moves.ts'

/** A planning problem small enough to try every answer. */
export type Case = {
  readonly owners: readonly string[]
  readonly nodes: readonly PlanNode[]
  readonly pins: readonly Pin[]
}

const names = ['a', 'b', 'c'] as const

/** Up to six slots on three shards or one that leaves, up to three nodes, with and without capacities and pins. */
export const smallCases: fc.Arbitrary<Case> = fc
  .tuple(
    fc.array(fc.constantFrom(...names, 'leaving'), { minLength: 1, maxLength: 6 }),
    fc.uniqueArray(
      fc.record(
        {
          name: fc.constantFrom(...names),
          weight: fc.constantFrom(1, 1, 1, 2, 3, 0.7),
          capacity: fc.integer({ min: 0, max: 6 }),
        },
        { requiredKeys: ['name'] },
      ),
      { selector: ({ name }) => name, minLength: 1, maxLength: 3 },
    ),
  )
  .chain(([owners, nodes]) =>
    fc.record({
      owners: fc.constant(owners),
      nodes: fc.constant(nodes),
      pins: fc.uniqueArray(
        fc.record({
          slot: fc.nat(owners.length - 1),
          shard: fc.constantFrom(...nodes.map(({ name }) => name)),
        }),
        { selector: ({ slot }) => slot, maxLength: 3 },
      ),
    }),
  )

/** Tries every assignment: is `target` one that is allowed, and is there none that moves less? */
export function checkPlan(given: Case, target: readonly string[] | undefined): string {
  const allowed = assignments(given).filter((each) => isAllowed(given, each))
  if (target === undefined) return allowed.length === 0 ? 'right' : 'gave up'
  if (!isAllowed(given, target)) return 'not allowed'
  const fewest = Math.min(...allowed.map((each) => movedIn(given, each)))
  return movedIn(given, target) === fewest ? 'right' : 'moves too much'
}

function assignments({ owners, nodes }: Case): readonly (readonly string[])[] {
  let all: readonly (readonly string[])[] = [[]]
  for (let slot = 0; slot < owners.length; slot += 1)
    all = all.flatMap((each) => nodes.map(({ name }) => [...each, name]))
  return all
}

/** Pins hold, and each load is the fair part rounded one way or the other, within the bounds. */
function isAllowed({ owners, nodes, pins }: Case, target: readonly string[]): boolean {
  if (!pins.every(({ slot, shard }) => target[slot] === shard)) return false
  if (!target.every((name) => nodes.some((node) => node.name === name))) return false
  const bounds = nodes.map(({ name, weight = 1, capacity = owners.length }) => ({
    weight,
    least: pins.filter(({ shard }) => shard === name).length,
    most: capacity,
  }))
  const partsAt = (factor: number) =>
    bounds.map(({ weight, least, most }) => Math.min(Math.max(weight * factor, least), most))
  let [low, high] = [0, 1_000]
  for (let step = 0; step < 100; step += 1) {
    const middle = (low + high) / 2
    if (partsAt(middle).reduce((sum, part) => sum + part, 0) < owners.length) low = middle
    else high = middle
  }
  const parts = partsAt(high)
  return nodes.every(({ name, capacity = owners.length }, index) => {
    const load = target.filter((each) => each === name).length
    const part = parts[index] ?? 0
    return load >= Math.floor(part + 1e-6) && load <= Math.ceil(part - 1e-6) && load <= capacity
  })
}

function movedIn({ owners }: Case, target: readonly string[]): number {
  return owners.filter((owner, slot) => owner !== target[slot]).length
}
