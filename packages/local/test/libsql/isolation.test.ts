import { afterEach, expect, test, vi } from 'vitest'

import { close, execute, openHarness, pipeline } from './harness.ts'
import type { Harness } from './harness.ts'

let harness: Harness

// Slow queries take their time on a loaded machine, and the order is what counts.
vi.setConfig({ testTimeout: 40_000 })

afterEach(() => harness.close())

/** Counts to `n`: some four million a second. */
const slow = (n: number): string =>
  `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${n}) SELECT max(i) FROM c`

async function create(...names: readonly string[]): Promise<void> {
  for (const name of names) await harness.engine.databases?.create(name)
}

test('answers for other databases while one is in a slow query', async () => {
  harness = await openHarness({ maxThreads: 2 })
  await create('slow', 'a', 'b', 'c')
  const order: string[] = []
  const ask = async (name: string, sql: string): Promise<void> => {
    const { results } = await pipeline(`${harness.origin}/${name}`, [execute(sql), close])
    expect(results[0]?.type).toBe('ok')
    order.push(name)
  }

  const slowOne = ask('slow', slow(6_000_000))
  for (let round = 0; round < 3; round += 1)
    await Promise.all(['a', 'b', 'c'].map((name) => ask(name, 'SELECT 1')))
  await slowOne

  expect(order).toHaveLength(10)
  expect(order.at(-1)).toBe('slow')
})

test('starts another thread when slow queries hold all it has', async () => {
  harness = await openHarness({ maxThreads: 6 })
  const names = ['s1', 's2', 's3', 's4', 'quick']
  await create(...names)
  const order: string[] = []
  const ask = async (name: string, sql: string): Promise<void> => {
    await pipeline(`${harness.origin}/${name}`, [execute(sql), close])
    order.push(name)
  }

  const slowOnes = names.slice(0, 4).map((name) => ask(name, slow(3_000_000)))
  await ask('quick', 'SELECT 1')
  await Promise.all(slowOnes)

  expect(order[0]).toBe('quick')
})

test('keeps an open transaction with its database while others use the thread', async () => {
  harness = await openHarness({ maxThreads: 1 })
  await create('held', 'other')
  const { baton } = await pipeline(`${harness.origin}/held`, [
    execute('CREATE TABLE t (x)'),
    execute('BEGIN'),
    execute('INSERT INTO t VALUES (1)'),
  ])
  const others = Array.from({ length: 20 }, () =>
    pipeline(`${harness.origin}/other`, [execute('SELECT 1'), close]),
  )

  const { results } = await pipeline(
    `${harness.origin}/held`,
    [execute('COMMIT'), execute('SELECT count(*) FROM t'), close],
    baton,
  )
  await Promise.all(others)

  expect(results[1]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '1' }]])
})

test('shows a schema change made on one thread to statements prepared on another', async () => {
  harness = await openHarness({ maxThreads: 2 })
  await create('moved', 'blocker')
  const moved = `${harness.origin}/moved`
  await pipeline(moved, [
    execute('CREATE TABLE t (a INT)'),
    execute('INSERT INTO t VALUES (1)'),
    execute('SELECT * FROM t'),
    close,
  ])

  // The blocker takes the thread that knows `moved`, or leaves it: either way both threads see `moved` in turn.
  for (const column of ['b', 'c', 'd', 'e']) {
    const blocked = pipeline(`${harness.origin}/blocker`, [execute(slow(100_000)), close])
    await pipeline(moved, [execute(`ALTER TABLE t ADD COLUMN ${column} TEXT`), close])
    await blocked
    const { results } = await pipeline(moved, [execute('SELECT * FROM t'), close])
    const result = results[0]?.response?.result
    expect(result?.cols.at(-1)).toEqual({ name: column, decltype: 'TEXT' })
    expect(result?.rows[0]).toHaveLength(result?.cols.length ?? 0)
  }
})

test('serves every database in turn when they outnumber the threads', async () => {
  harness = await openHarness({ maxThreads: 2 })
  const names = Array.from({ length: 40 }, (_, i) => `d${i}`)
  await create(...names)

  const answers = await Promise.all(
    names.flatMap((name) =>
      [1, 2, 3].map((x) =>
        pipeline(`${harness.origin}/${name}`, [
          execute('CREATE TABLE IF NOT EXISTS t (x)'),
          execute(`INSERT INTO t VALUES (${x})`),
          close,
        ]),
      ),
    ),
  )
  const counts = await Promise.all(
    names.map((name) =>
      pipeline(`${harness.origin}/${name}`, [execute('SELECT count(*) FROM t'), close]),
    ),
  )

  expect(answers.flatMap(({ results }) => results).every((result) => result.type === 'ok')).toBe(
    true,
  )
  for (const { results } of counts)
    expect(results[0]?.response?.result?.rows).toEqual([[{ type: 'integer', value: '3' }]])
})
