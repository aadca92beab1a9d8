import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { call } from './databases.ts'
import { type Bench, idIn, openBench, start } from './harness.ts'

/** The real code with one safeguard taken out of its SQL or its script; the drain's own steps are mutated in the model. */

let bench: Bench
const id = idIn(1)
beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.fleet.close())

async function flushed(by: number): Promise<void> {
  bench.counting.increment('post', id, { views: by })
  await bench.counting.flush(call)
}

async function add(by: number): Promise<void> {
  await flushed(by)
  await bench.counting.drainer.drain(call)
}

async function freeze(): Promise<void> {
  bench.hot.strings.clear()
  await bench.counting.freeze('post', { bucket: 0, madeBefore: start }, call)
}

async function total(): Promise<number | undefined> {
  bench.hot.strings.clear()
  return (await bench.counting.read('post', id, call)).values['views']
}

/** The same entries come again after they were drained. */
async function sameTwice(): Promise<number | undefined> {
  await flushed(1)
  const { entries } = bench.log
  await bench.counting.drainer.drain(call)
  bench.log.entries = entries
  await bench.counting.drainer.drain(call)
  return total()
}

/** A drain comes between what the freezer reads and what it writes. */
async function drainDuringFreeze(): Promise<number | undefined> {
  await add(1)
  let isFirst = true
  bench.fleet.a.before = async (statements) => {
    if (!isFirst || !statements.some(({ sql }) => sql.includes('INTO count_page'))) return
    isFirst = false
    await add(1)
    bench.hot.strings.clear()
  }
  await freeze()
  bench.fleet.a.before = async () => undefined
  return total()
}

async function thawed(): Promise<number | undefined> {
  await add(1)
  await freeze()
  await add(1)
  return total()
}

async function publishedLate(): Promise<number | undefined> {
  await flushed(1)
  const late = Promise.withResolvers<void>()
  const pipeline: typeof bench.hot.pipeline = async (...args) => {
    await late.promise
    return bench.hot.pipeline(...args)
  }
  const slow = bench.isolate({ hot: { ...bench.hot, pipeline } }).drainer.drain(call)
  await expect
    .poll(async () => (await bench.fleet.a.run('SELECT 1 FROM count_post')).length)
    .toBe(1)
  await add(1)
  late.resolve()
  await slow
  return (await bench.counting.read('post', id, call)).values['views']
}

/** Another drainer merges between read and write. */
async function mergedBetween(): Promise<number> {
  const see = async (member: string) => {
    const counting = bench.isolate()
    counting.see('post', { id, metric: 'viewers', member })
    await counting.flush(call)
    await counting.drainer.drain(call)
  }
  await see('ada')
  let isFirst = true
  bench.fleet.a.before = async (statements) => {
    if (!isFirst || !statements.some(({ sql }) => sql.includes('INTO count_unique'))) return
    isFirst = false
    await see('bob')
  }
  await see('cyd')
  const { count } = await bench.counting.unique('post', { id, metric: 'viewers' }, call)
  return count
}

const gate = /CASE WHEN (seq|version) = \? THEN (?:seq|version) \+ 1 END/
const mutants: readonly {
  readonly name: string
  readonly live: () => Promise<number | undefined>
  readonly right: number
  readonly mutate: () => void
}[] = [
  {
    name: 'a flush that is known does not stop the batch',
    live: sameTwice,
    right: 1,
    mutate: () => {
      bench.fleet.a.rewrite = (sql) =>
        sql.startsWith('INSERT INTO count_applied')
          ? `${sql} WHERE true ON CONFLICT DO NOTHING`
          : sql
    },
  },
  {
    name: 'the freezer does not ask whether the bucket has moved on',
    live: drainDuringFreeze,
    right: 2,
    mutate: () => {
      bench.fleet.a.rewrite = (sql) => sql.replace(gate, '$1 + 1 + 0 * ?')
    },
  },
  {
    name: 'an object in a cold page is not marked when it is counted again',
    live: thawed,
    right: 2,
    mutate: () => {
      bench.fleet.a.rewrite = (sql) =>
        sql.startsWith('INSERT INTO count_thaw') ? sql.replace('EXISTS', '0 AND EXISTS') : sql
    },
  },
  {
    name: 'whoever publishes last wins',
    live: publishedLate,
    right: 2,
    mutate: () => {
      bench.hot.isBlind = true
    },
  },
  {
    name: 'a sketch is written over one that was not read',
    live: mergedBetween,
    right: 3,
    mutate: () => {
      bench.fleet.a.rewrite = (sql) => sql.replace(gate, '$1 + 1 + 0 * ?')
    },
  },
]

describe('the suite notices that', () => {
  process.stdout.write(`${mutants.map(({ name }) => `mutant: ${name}`).join('\n')}\n`)

  test.each(mutants)('$name', async ({ live, right, mutate }) => {
    expect(await live()).toBe(right)
    bench.fleet.close()
    bench = await openBench()
    mutate()

    expect(await live()).not.toBe(right)
  })
})
