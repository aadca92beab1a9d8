import { afterEach, beforeEach, expect, test } from 'vitest'

import { call } from './databases.ts'
import { type Bench, idIn, openBench } from './harness.ts'

let bench: Bench
const id = idIn(1)
const options = { kind: 'post', metric: 'likes', settleMs: 600_000 }
beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.fleet.close())

async function like(by: number): Promise<void> {
  bench.counting.increment('post', id, { likes: by })
  await bench.counting.flush(call)
  await bench.counting.drainer.drain(call)
}

async function likes(): Promise<number | undefined> {
  bench.hot.strings.clear()
  return (await bench.counting.read('post', id, call)).values['likes']
}

test('the reconciler repairs a counter that differs from its edges, only when it still does after a while', async () => {
  await like(3)
  const compare = () => bench.counting.reconciler.reconcile([{ id, edges: 5 }], options, call)

  expect(await compare()).toEqual([{ id, edges: 5, total: 3, state: 'seen' }])
  bench.clock.advance(599_999)
  expect(await compare()).toMatchObject([{ state: 'seen' }])
  expect(await likes()).toBe(3)
  bench.clock.advance(1)
  expect(await compare()).toMatchObject([{ state: 'repaired' }])
  expect(await likes()).toBe(5)
  expect(await compare()).toEqual([])
})

test('the reconciler waits again when the total or the edges have changed meanwhile', async () => {
  await like(3)
  const compare = (edges: number) =>
    bench.counting.reconciler.reconcile([{ id, edges }], options, call)
  await compare(5)
  bench.clock.advance(700_000)
  await like(1)

  expect(await compare(5)).toMatchObject([{ state: 'seen' }])
  bench.clock.advance(700_000)
  expect(await compare(6)).toMatchObject([{ state: 'seen' }])
  expect(await likes()).toBe(4)
})

test('the reconciler leaves a counter that is counted between read and repair', async () => {
  await like(3)
  const compare = () => bench.counting.reconciler.reconcile([{ id, edges: 5 }], options, call)
  await compare()
  bench.clock.advance(700_000)
  let isFirst = true
  bench.fleet.a.before = async (statements) => {
    if (!isFirst || !statements.some(({ sql }) => sql.includes('DELETE FROM count_drift'))) return
    isFirst = false
    await like(2)
  }

  expect(await compare()).toMatchObject([{ state: 'seen' }])
  expect(await likes()).toBe(5)
})

test('the reconciler repairs what lies in a cold page too', async () => {
  await like(3)
  bench.hot.strings.clear()
  await bench.counting.freeze('post', { bucket: 0, madeBefore: bench.clock.now() }, call)
  const compare = () => bench.counting.reconciler.reconcile([{ id, edges: 2 }], options, call)
  await compare()
  bench.clock.advance(700_000)
  await compare()

  expect(await likes()).toBe(2)
})
