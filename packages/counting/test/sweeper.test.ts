import { manualClock, slotText, within } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { Counting, SweepReport } from '../src/index.ts'
import { call } from './databases.ts'
import { type Bench, idIn, kinds, openBench, post, start } from './harness.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
/** Posts over four pages a bucket; one bucket a sweep. */
const spread = { kinds: [{ ...post, pagesPerBucket: 4 }, ...kinds.slice(1)], sweepBuckets: 1 }

let bench: Bench
beforeEach(async () => {
  bench = await openBench(spread)
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

/** Lets time pass until it is the bucket's turn. */
function turnOf(bucket: number): void {
  bench.clock.advance(minuteMs)
  while (Math.floor(bench.clock.now() / minuteMs) % 256 !== bucket) bench.clock.advance(minuteMs)
}

function sweepOf(bucket: number, counting: Counting = bench.counting): Promise<SweepReport> {
  turnOf(bucket)
  return counting.sweep(call)
}

async function count(table: string): Promise<number> {
  const [[rows] = []] = await bench.fleet.a.run(`SELECT count(*) FROM ${table}`)
  return Number(rows)
}

describe('a sweep freezes', () => {
  test('what is a month old and idle for a day, a page at each turn of its bucket, and begins anew', async () => {
    const ids = [idIn(0), idIn(16), idIn(17), idIn(63)]
    for (const [index, id] of ids.entries()) await add(id, index + 1)
    bench.clock.advance(31 * dayMs)

    const frozen: number[] = []
    for (let turn = 0; turn < 5; turn += 1) frozen.push((await sweepOf(0)).frozen)

    expect(frozen).toEqual([1, 2, 0, 1, 0])
    expect([await count('count_post'), await count('count_page')]).toEqual([0, 3])
    bench.hot.strings.clear()
    expect(await Promise.all(ids.map(views))).toEqual([1, 2, 3, 4])
  })

  test('nothing that is young, or that somebody has read since yesterday', async () => {
    const [read, left] = [idIn(1), idIn(2)]
    await add(read, 1)
    await add(left, 1)
    const early = await sweepOf(0)
    bench.clock.advance(31 * dayMs)
    await views(read)
    await bench.settle()
    for (let turn = 0; turn < 3; turn += 1) await sweepOf(0)
    const late = await sweepOf(0)

    expect([early.frozen, late.frozen]).toEqual([0, 1])
    expect(await count('count_post')).toBe(1)
    // Four turns of four hours later than that read, and a day.
    for (let turn = 0; turn < 8; turn += 1) await sweepOf(0)
    expect(await count('count_post')).toBe(0)
  })

  test('the other pages of a bucket when one cannot be frozen', async () => {
    const [first, second] = [idIn(0), idIn(16)]
    await add(first, 1)
    await add(second, 2)
    await bench.fleet.a.run(
      "INSERT INTO count_page (slot, kind, body) VALUES (?, 'post', x'ff')",
      slotText(0),
    )
    bench.clock.advance(31 * dayMs)
    const frozen = [await sweepOf(0), await sweepOf(0)].map((report) => report.frozen)

    expect(frozen).toEqual([0, 1])
    expect(bench.reported).toHaveLength(1)
  })
})

describe('a sweep forgets', () => {
  test('windows 90 days after their end, and what was seen and ranked as long ago', async () => {
    const id = idIn(1)
    const see = () =>
      bench.counting.see('post', { id, metric: 'viewers', member: 'ada', periodMs: dayMs })
    see()
    bench.counting.see('post', { id, metric: 'viewers', member: 'ada' })
    await add(id, 1)
    bench.clock.advance(89 * dayMs)
    const early = await sweepOf(0)
    see()
    await add(id, 1)
    bench.clock.advance(2 * dayMs)
    const late = await sweepOf(0)
    const again = await sweepOf(0)

    expect([early.forgotten, late.forgotten, again.forgotten]).toEqual([0, 2, 0])
    // What is for ever, and what is younger.
    expect([await count('count_window'), await count('count_unique')]).toEqual([1, 2])
    bench.hot.strings.clear()
    expect(await views(id)).toBe(2)
  })

  test('boards 90 days after their window, where they lie', async () => {
    await add(idIn(1), 1)
    const [[slot = ''] = []] = [
      ...(await bench.fleet.a.run('SELECT slot FROM count_top')),
      ...(await bench.fleet.b.run('SELECT slot FROM count_top')),
    ]
    const bucket = Math.floor(parseSlotText(String(slot)) / 64)
    const early = await sweepOf(bucket)
    bench.clock.advance(91 * dayMs)
    const late = await sweepOf(bucket)

    expect([early.forgotten, late.forgotten]).toEqual([0, 1])
  })

  test('what is declared otherwise at its own time, and never what nobody declares or a dead flush', async () => {
    const [looks = { name: 'views' }, ...others] = post.metrics
    const own = { ...post, metrics: [{ ...looks, windowsKeptMs: [10 * dayMs] }, ...others] }
    const counting = bench.isolate({ kinds: [own, ...kinds.slice(1)] })
    await add(idIn(1), 1)
    await oldWindows(1, 'post.gone')
    await bench.fleet.a.run(
      "INSERT INTO count_dead (slot, flush, reason, payload, at) VALUES ('000', 'f', 'r', 'p', 1)",
    )
    bench.clock.advance(9 * dayMs)
    const early = await sweepOf(0, counting)
    bench.clock.advance(2 * dayMs)
    const late = await sweepOf(0, counting)

    expect([early.forgotten, late.forgotten]).toEqual([0, 1])
    expect([await count('count_window'), await count('count_dead')]).toEqual([1, 1])
  })

  test('at most 5,000 rows of a table at a turn, and goes on behind them', async () => {
    await oldWindows(11_000, 'post.views')
    await add(idIn(63), 1)
    const forgotten: number[] = []
    for (let turn = 0; turn < 4; turn += 1) forgotten.push((await sweepOf(0)).forgotten)

    expect(forgotten).toEqual([5_000, 5_000, 1_000, 0])
    expect(await count('count_window')).toBe(1)
  })
})

describe('a declaration is refused', () => {
  const of = (metric: object, kind: object = {}, more: object = {}) => {
    const metrics = [{ name: 'views', windowsMs: [minuteMs], boardMs: minuteMs, ...metric }]
    return () => bench.isolate({ kinds: [{ ...post, metrics, ...kind }], ...more })
  }

  test.each([
    ['a window that is kept for a day', of({ windowsKeptMs: [dayMs] })],
    ['windows of which one has no time', of({ windowsKeptMs: [] })],
    ['a leaderboard that is kept for a day', of({ boardKeptMs: dayMs })],
    ['viewers that are kept for a day', of({}, { uniquesKeptMs: dayMs })],
    [
      'terms that are kept for a day',
      of({}, {}, { boards: [{ name: 'terms', windowMs: minuteMs, keptMs: dayMs }] }),
    ],
    ['no bucket a sweep', of({}, {}, { sweepBuckets: 0 })],
  ])('%s', (_name, declare) => {
    expect(declare).toThrow(RangeError)
  })

  test('a period that is forgotten before its end', () => {
    const see = (periodMs: number) => () =>
      bench.counting.see('post', { id: idIn(1), metric: 'viewers', member: 'ada', periodMs })

    expect(see(90 * dayMs)).toThrow(expect.objectContaining({ code: 'invalid_increment' }))
    expect(see(89 * dayMs)).not.toThrow()
  })
})

/** Windows of 1970 in the slots of bucket 0. */
async function oldWindows(rows: number, metric: string): Promise<void> {
  await bench.fleet.a.run(
    `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
INSERT INTO count_window (slot, subject, metric, width, start, n)
SELECT '00' || (i % 8), printf('00%d%017d', i % 8, i), ?, 60000, 60000 + i, 1 FROM n`,
    rows,
    metric,
  )
}

function parseSlotText(text: string): number {
  return Array.from({ length: 16_384 }, (_, slot) => slotText(slot)).indexOf(text)
}

describe('a sweep', () => {
  test('costs two reads and a write where there is nothing to do, and looks at rows by their key', async () => {
    await add(idIn(40), 1)
    turnOf(0)
    bench.fleet.a.sent = []
    await bench.counting.sweep(call)
    const batches = bench.fleet.a.sent

    expect(batches).toHaveLength(3)
    for (const { sql, args } of batches.flat()) {
      if (!sql.includes('count_window') && !sql.includes('count_post')) continue
      const plan = await bench.fleet.a.run(`EXPLAIN QUERY PLAN ${sql}`, ...(args ?? []))
      const scans = plan.map((row) => String(row.at(-1))).filter((line) => /SCAN count_/.test(line))
      expect(scans).toEqual([])
    }
  })

  test('comes to every bucket, and to each but once, in 64 turns of four', async () => {
    const clock = manualClock(start)
    const counting = bench.isolate({ clock, sweepBuckets: 4 })
    let buckets = 0
    for (let turn = 0; turn < 64; turn += 1) {
      buckets += (await counting.sweep(call)).buckets
      clock.advance(minuteMs)
    }
    const places = [
      ...(await bench.fleet.a.run('SELECT slot FROM count_sweep')),
      ...(await bench.fleet.b.run('SELECT slot FROM count_sweep')),
    ]

    expect([buckets, places.length]).toEqual([256, 256])
  })

  test('starts no bucket with less than five seconds left', async () => {
    const short = within(call, 4_000, bench.clock)

    expect(await bench.counting.sweep(short)).toEqual({ buckets: 0, frozen: 0, forgotten: 0 })
  })

  test('reports a bucket that fails, and does the others', async () => {
    const counting = bench.isolate({ sweepBuckets: 2 })
    turnOf(127)
    // Bucket 127 * 2 = 254 lies in b, and so does 255.
    bench.fleet.b.spoil('refused', 'refused', 'refused')
    const report = await counting.sweep(call)

    expect(report.buckets + bench.reported.length).toBe(2)
  })

  test('does its work once when two sweep at once, and when a reply is lost', async () => {
    const id = idIn(0)
    await add(id, 5)
    await oldWindows(6_000, 'post.views')
    bench.clock.advance(31 * dayMs)
    turnOf(0)
    await Promise.all([bench.counting.sweep(call), bench.isolate().sweep(call)])
    turnOf(0)
    bench.fleet.a.before = async (statements) => {
      if (statements.some(({ sql }) => sql.includes('INTO count_sweep')))
        bench.fleet.a.spoil('reply')
    }
    await bench.counting.sweep(call)
    bench.fleet.a.before = async () => undefined
    bench.fleet.a.heal()
    for (let turn = 0; turn < 3; turn += 1) await sweepOf(0)
    bench.hot.strings.clear()

    expect([await count('count_post'), await count('count_window'), await views(id)]).toEqual([
      0, 1, 5,
    ])
  })

  test('never changes a total, nor a window that is kept, in any order with counting and lost replies', async () => {
    const ids = [idIn(1), idIn(20), idIn(40)]
    const act = fc.oneof(
      fc.record({
        what: fc.constant('add' as const),
        at: fc.nat(2),
        by: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ what: fc.constantFrom('sweep', 'both', 'evict', 'lose'), at: fc.nat(2) }),
    )
    const expected = ids.map(() => 0)
    const lost = () => undefined
    bench.clock.advance(31 * dayMs)
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 10 }), async (acts) => {
        for (const { what, at, ...rest } of acts) {
          if (what === 'lose') bench.fleet.a.spoil('reply')
          if (what === 'evict') bench.hot.strings.clear()
          if (what === 'sweep') await sweepOf(0)
          if (what === 'both')
            await Promise.all([sweepOf(0), bench.isolate().sweep(call).catch(lost)])
          if (what === 'add' && 'by' in rest) {
            await add(ids[at] ?? '', rest.by)
            expected[at] = (expected[at] ?? 0) + rest.by
          }
        }
        await bench.counting.drainer.drain(call)
        bench.fleet.a.heal()
        await bench.counting.drainer.drain(call)
        bench.hot.strings.clear()
        const [[kept] = []] = await bench.fleet.a.run(
          'SELECT coalesce(sum(n), 0) FROM count_window',
        )

        expect(await Promise.all(ids.map(views))).toEqual(expected)
        expect(kept).toBe(expected.reduce((sum, one) => sum + one, 0))
      }),
      { numRuns: 20 },
    )
  })
})

/** Three turns over rows that stay and rows that go, in turns, and one that is young. */
async function leftOf(mutate: (sql: string) => string): Promise<number> {
  await oldWindows(6_000, 'post.gone')
  await oldWindows(6_000, 'post.views')
  await add(idIn(63), 1)
  bench.fleet.a.rewrite = mutate
  for (let turn = 0; turn < 3; turn += 1) await sweepOf(0)
  bench.fleet.a.rewrite = (sql) => sql
  return count('count_window')
}

describe('the suite notices that', () => {
  const mutants: readonly (readonly [string, (sql: string) => string])[] = [
    [
      'rows are forgotten whatever their age',
      (sql) => sql.replaceAll('start < ?', 'start > coalesce(?, 0) - 9e15'),
    ],
    [
      'the place of a walk is not noted',
      (sql) =>
        sql.startsWith('INSERT INTO count_sweep')
          ? sql.replace('VALUES (?, ?, ?)', 'SELECT ?, ?, ? WHERE false')
          : sql,
    ],
    ['the last key of a part is left out', (sql) => sql.replace(') <= (', ') < (')],
  ]
  process.stdout.write(`${mutants.map(([name]) => `mutant: ${name}`).join('\n')}\n`)

  test('nothing, while nothing is mutated', async () => {
    expect(await leftOf((sql) => sql)).toBe(6_001)
  })

  test.each(mutants)('%s', async (_name, mutate) => {
    expect(await leftOf(mutate)).not.toBe(6_001)
  })
})
