import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { call } from './databases.ts'
import { type Bench, idIn, openBench, start } from './harness.ts'

let bench: Bench
beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.fleet.close())

async function add(id: string, by: number): Promise<void> {
  bench.counting.increment('post', id, { views: by })
  await bench.counting.flush(call)
  await bench.counting.drainer.drain(call)
}

async function views(id: string): Promise<number | undefined> {
  return (await bench.counting.read('post', id, call)).values['views']
}

function freeze(): Promise<number> {
  bench.hot.strings.clear()
  return bench.counting.freeze('post', { bucket: 0, madeBefore: start }, call)
}

async function rows(): Promise<unknown> {
  const [[count] = []] = await bench.fleet.a.run('SELECT count(*) FROM count_post')
  return count
}

describe('freezing', () => {
  test('moves idle rows into a page, and nothing that is read changes', async () => {
    const ids = [idIn(0), idIn(5), idIn(63)]
    for (const [index, id] of ids.entries()) await add(id, index + 1)

    expect(await freeze()).toBe(3)
    expect(await rows()).toBe(0)
    expect(await Promise.all(ids.map(views))).toEqual([1, 2, 3])
    expect(await views(idIn(7))).toBe(0)
  })

  test('leaves what is young, and what somebody still reads', async () => {
    const [cold, warm] = [idIn(1), idIn(2)]
    await add(cold, 1)
    await add(warm, 1)
    bench.hot.strings.delete(`post:${cold}`)
    const frozen = await bench.counting.freeze('post', { bucket: 0, madeBefore: start }, call)
    const young = await bench.counting.freeze('post', { bucket: 0, madeBefore: 0 }, call)

    expect([frozen, young]).toEqual([1, 0])
    expect(await rows()).toBe(1)
  })

  test('keeps a value as a row that no page takes', async () => {
    const id = idIn(1)
    await add(id, 2 ** 51)

    expect(await freeze()).toBe(0)
    expect([await rows(), await views(id)]).toEqual([1, 2 ** 51])
  })

  test('keeps 2^32 and more as they are', async () => {
    const id = idIn(1)
    await add(id, 2 ** 32 + 5)
    await freeze()

    expect(await rows()).toBe(0)
    expect(await views(id)).toBe(2 ** 32 + 5)
  })
})

describe('a frozen object that is counted again', () => {
  test('is thawed by the drain, and its total goes on', async () => {
    const [id, other] = [idIn(1), idIn(1)]
    await add(id, 10)
    await add(other, 7)
    await freeze()
    await add(id, 1)
    const [[marks] = []] = await bench.fleet.a.run('SELECT count(*) FROM count_thaw')

    expect(bench.hot.strings.get(`post:${id}`)).toMatch(/^11,0:/)
    expect([await views(id), await views(other)]).toEqual([11, 7])
    expect([await rows(), marks]).toEqual([1, 0])
    bench.hot.strings.clear()
    expect([await views(id), await views(other)]).toEqual([11, 7])
  })

  test('reads as the sum while it could not be thawed, and is thawed by the next drain', async () => {
    const id = idIn(1)
    await add(id, 10)
    await freeze()
    bench.counting.increment('post', id, { views: 1 })
    await bench.counting.flush(call)
    // The board's and the bucket's own batches come first; the thaw is what reads.
    bench.fleet.a.before = async (statements) => {
      if (statements.some(({ sql }) => sql.includes('DELETE FROM count_thaw')))
        throw new Error('no')
    }
    await bench.counting.drainer.drain(call)
    bench.fleet.a.before = async () => undefined
    const [[marks] = []] = await bench.fleet.a.run('SELECT count(*) FROM count_thaw')
    bench.hot.strings.clear()
    const between = await views(id)
    await add(id, 1)
    const [[after] = []] = await bench.fleet.a.run('SELECT count(*) FROM count_thaw')

    expect([marks, between, after]).toEqual([1, 11, 0])
    expect(await views(id)).toBe(12)
  })

  test('is right when a drain comes between what the freezer reads and what it writes', async () => {
    const id = idIn(1)
    await add(id, 10)
    let isFirst = true
    bench.fleet.a.before = async (statements) => {
      if (!isFirst || !statements.some(({ sql }) => sql.includes('INSERT INTO count_page'))) return
      isFirst = false
      await add(id, 5)
      bench.hot.strings.clear()
    }
    await freeze()

    expect(isFirst).toBe(false)
    bench.hot.strings.clear()
    expect(await views(id)).toBe(15)
  })

  test('is right when the reply to the freezer is lost', async () => {
    const id = idIn(1)
    await add(id, 10)
    bench.fleet.a.before = async (statements) => {
      if (statements.some(({ sql }) => sql.includes('INSERT INTO count_page')))
        bench.fleet.a.spoil('reply')
    }
    await freeze()
    bench.fleet.a.before = async () => undefined

    expect([await rows(), await views(id)]).toEqual([0, 10])
  })
})

test('counting, freezing and losing the hot view in any order never change a total', async () => {
  const ids = [idIn(1), idIn(2), idIn(40)]
  const act = fc.oneof(
    fc.record({
      what: fc.constant('add' as const),
      at: fc.nat(2),
      by: fc.integer({ min: 1, max: 400 }),
    }),
    fc.constant({ what: 'freeze' as const, at: 0, by: 0 }),
    fc.constant({ what: 'evict' as const, at: 0, by: 0 }),
    fc.constant({ what: 'lose' as const, at: 0, by: 0 }),
  )
  const expected = ids.map(() => 0)
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 8 }), async (acts) => {
      for (const { what, at, by } of acts) {
        if (what === 'lose') bench.fleet.a.spoil('reply')
        if (what === 'evict') bench.hot.strings.clear()
        if (what === 'freeze') await freeze().catch(() => undefined)
        if (what === 'add') {
          await add(ids[at] ?? '', by)
          expected[at] = (expected[at] ?? 0) + by
        }
      }
      await bench.counting.drainer.drain(call)
      bench.fleet.a.heal()
      await bench.counting.drainer.drain(call)
      bench.hot.strings.clear()

      expect(await Promise.all(ids.map(views))).toEqual(expected)
    }),
    { numRuns: 25 },
  )
})
