import { afterAll, beforeAll, expect, test } from 'vitest'

import { close, execute, openHarness, pipeline } from './harness.ts'
import type { Harness, PipelineAnswer } from './harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness()
})
afterAll(() => harness.close())

/** A stream whose connection has read the schema: `t` with the one column `a`. */
async function openStream(database: string, ...more: readonly string[]): Promise<Stream> {
  await harness.engine.databases?.create(database)
  const base = `${harness.origin}/${database}`
  let { baton } = await pipeline(base, [
    execute('CREATE TABLE t (a)'),
    execute('INSERT INTO t VALUES (1)'),
    execute('SELECT * FROM t'),
    ...more.map((sql) => execute(sql)),
  ])
  const run = async (...texts: readonly string[]): Promise<PipelineAnswer['results']> => {
    const answer = await pipeline(
      base,
      texts.map((sql) => execute(sql)),
      baton,
    )
    baton = answer.baton
    return answer.results
  }
  const elsewhere = async (...texts: readonly string[]): Promise<void> => {
    const { results } = await pipeline(base, [...texts.map((sql) => execute(sql)), close])
    expect(results.map(({ type }) => type)).not.toContain('error')
  }
  return { run, elsewhere }
}

type Stream = {
  readonly run: (...texts: readonly string[]) => Promise<PipelineAnswer['results']>
  /** On another stream, and so on another connection. */
  readonly elsewhere: (...texts: readonly string[]) => Promise<void>
}

const names = (result: PipelineAnswer['results'][number] | undefined): readonly string[] =>
  result?.response?.result?.cols.map(({ name }) => name) ?? []

const rows = (result: PipelineAnswer['results'][number] | undefined): number | undefined =>
  result?.response?.result?.rows[0]?.length

test('an open stream inserts into a table as another stream has made it anew', async () => {
  const { run, elsewhere } = await openStream('anew')

  await elsewhere('DROP TABLE t', 'CREATE TABLE t (a, b)')
  const [inserted] = await run('INSERT INTO t VALUES (1, 2)')

  expect(inserted).not.toHaveProperty('error')
})

test('an open stream names a column that another stream has added', async () => {
  const { run, elsewhere } = await openStream('added')

  await elsewhere('ALTER TABLE t ADD COLUMN b')
  const [known, fresh] = await run('SELECT * FROM t', 'SELECT * FROM t WHERE a = 1')

  expect([names(known), names(fresh)]).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ])
  expect([rows(known), rows(fresh)]).toEqual([2, 2])
})

test('a transaction keeps the schema of its snapshot, and its stream sees the new one afterwards', async () => {
  const { run, elsewhere } = await openStream('snapshot', 'BEGIN', 'SELECT count(*) FROM t')

  await elsewhere('ALTER TABLE t ADD COLUMN b')
  const during = await run('SELECT * FROM t', 'SELECT * FROM t WHERE a = 1')
  const after = await run('COMMIT', 'SELECT * FROM t', 'SELECT * FROM t WHERE a = 1')

  expect(during.map(names)).toEqual([['a'], ['a']])
  expect(after.slice(1).map(names)).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ])
})
