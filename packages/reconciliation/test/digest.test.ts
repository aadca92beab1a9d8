import { seededRandom, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  createDigestTree,
  type Digested,
  differingSpans,
  digestsOf,
  writeDigest,
} from '../src/index.ts'
import { call, openFleet } from './databases.ts'

const entries = fc.uniqueArray(
  fc.record({
    slot: fc.integer({ min: 0, max: 16_383 }),
    tail: fc.nat({ max: 99 }),
    value: fc.nat(),
  }),
  { maxLength: 40, selector: ({ slot, tail }) => `${slot} ${tail}` },
)

function digested(
  all: readonly { slot: number; tail: number; value: number }[],
): readonly Digested[] {
  return all.map(({ slot, tail, value }) => ({
    key: `${slotText(slot)}${tail.toString().padStart(17, '0')}`,
    fields: { value },
  }))
}

function treeOf(all: readonly Digested[]) {
  const tree = createDigestTree()
  for (const each of all) tree.add(each)
  return tree
}

test('differingSpans covers every key that differs, and no slot that does not', async () => {
  await fc.assert(
    fc.asyncProperty(entries, entries, async (one, other) => {
      const both = [...digested(one), ...digested(other)]
      const theirs = digested(other)
      const wrong = both.filter(({ key, fields }) => {
        const said = [digested(one), theirs].map((side) => side.find((each) => each.key === key))
        return said.some((each) => each?.fields['value'] !== fields['value'])
      })

      const { spans } = await differingSpans([treeOf(digested(one)), treeOf(theirs)], call)

      const isCovered = (key: string) => spans.some(({ from, to }) => from <= key && key < to)
      expect(wrong.filter(({ key }) => !isCovered(key))).toEqual([])
      const slots = new Set(wrong.map(({ key }) => key.slice(0, 3)))
      expect(both.filter(({ key }) => isCovered(key) && !slots.has(key.slice(0, 3)))).toEqual([])
    }),
  )
})

test('differingSpans looks at one digest of each side when they are equal', async () => {
  const all = digested(
    Array.from({ length: 2_000 }, (_, n) => ({ slot: (n * 37) % 16_384, tail: 1, value: n })),
  )

  const { spans, looked } = await differingSpans([treeOf(all), treeOf(all.toReversed())], call)

  expect({ spans, looked }).toEqual({ spans: [], looked: 2 })
})

test('writeDigest keeps in the databases what a tree of the same entries says', async () => {
  const fleet = await openFleet(['a', 'b'])
  try {
    const random = seededRandom(3)
    const scope = { entity: 'order', day: 20_000 }
    const now = new Map<string, Digested>()
    for (let n = 0; n < 120; n += 1) {
      const [fresh] = digested([
        { slot: (random.uint32() % 40) * 400, tail: random.uint32() % 3, value: n },
      ])
      if (fresh === undefined) continue
      const before = now.get(fresh.key)
      const isGone = before !== undefined && random.uint32() % 3 === 0
      const change = { ...(before && { before }), ...(isGone ? {} : { after: fresh }) }
      await fleet.router.write(fresh.key, [writeDigest(scope, change)], call)
      if (isGone) now.delete(fresh.key)
      else now.set(fresh.key, fresh)
    }

    const sides = [digestsOf(fleet.router, scope), treeOf([...now.values()])] as const
    const { spans } = await differingSpans(sides, call)

    expect(now.size).toBeGreaterThan(20)
    expect(spans).toEqual([])
  } finally {
    fleet.close()
  }
})
