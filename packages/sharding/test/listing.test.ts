import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createListing, type Entry, type ListingIndex } from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet
let listing: ListingIndex
beforeEach(async () => {
  fleet = await openFleet()
  listing = createListing(fleet.router)
})
afterEach(() => fleet.close())

const under = { kind: 'seller', text: 'ann' }
const entry = (sort: string, version: number, active = true): Entry => ({
  ...under,
  sort,
  owner: sort.padEnd(20, '0'),
  version,
  active,
})

async function put(each: Entry): Promise<void> {
  const { key, statement } = listing.put(each)
  await fleet.router.write(key, [statement], call)
}

test('a list is in order, goes on behind a cursor, and keeps texts apart', async () => {
  for (const sort of ['c', 'a', 'b']) await put(entry(sort, 1))
  await put({ ...entry('d', 1), text: 'bob' })

  const first = await listing.list(under, { limit: 2 }, call)
  const rest = await listing.list(under, { limit: 2, after: first[1]?.sort ?? '' }, call)

  expect(first.map(({ sort }) => sort)).toEqual(['a', 'b'])
  expect(rest).toEqual([{ owner: 'c'.padEnd(20, '0'), sort: 'c' }])
})

test('words about one entry, however repeated and reordered, always leave what the newest says', async () => {
  const words = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(2)), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(words, async (list) => {
      await fleet.a.run('DELETE FROM listing')
      await fleet.b.run('DELETE FROM listing')
      // What a version says is always the same.
      for (const [version] of list) await put(entry('a', version, version % 2 === 0))
      const newest = Math.max(...list.map(([version]) => version))

      const found = await listing.list(under, { limit: 9 }, call)

      expect(found.length).toBe(newest % 2 === 0 ? 1 : 0)
    }),
    { numRuns: 30 },
  )
})
