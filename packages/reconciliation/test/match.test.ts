import fc from 'fast-check'
import { expect, test } from 'vitest'

import { type Entry, type Group, matchSides, UnsortedSideError } from '../src/index.ts'

async function* pagesOf(entries: readonly Entry[], size: number): AsyncGenerator<readonly Entry[]> {
  for (let start = 0; start < entries.length; start += size) {
    yield entries.slice(start, start + size)
    yield []
  }
}

async function matched(
  sides: readonly (readonly Entry[])[],
  size: number,
): Promise<readonly Group[]> {
  const groups: Group[] = []
  for await (const page of matchSides(sides.map((side) => pagesOf(side, size))))
    groups.push(...page)
  return groups
}

const entry = fc.record({
  key: fc.integer({ min: 0, max: 30 }).map((n) => n.toString().padStart(2, '0')),
  at: fc.nat(),
  fields: fc.constant({}),
})
const side = fc
  .array(entry, { maxLength: 60 })
  .map((entries) => entries.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)))

test('matchSides gives every entry of every side, under its key, whatever the pages', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(side, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 9 }),
      async (sides, size) => {
        const keys = [...new Set(sides.flat().map(({ key }) => key))].toSorted()
        const expected = keys.map((key) => ({
          key,
          entries: sides.map((entries) => entries.filter((each) => each.key === key)),
        }))

        expect(await matched(sides, size)).toEqual(expected)
      },
    ),
  )
})

test('matchSides refuses keys that do not ascend, before anything is judged', async () => {
  const entries = ['b', 'a'].map((key) => ({ key, at: 0, fields: {} }))

  await expect(matched([entries], 10)).rejects.toThrow(UnsortedSideError)
})
