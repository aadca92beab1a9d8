import { createClient } from '@libsql/client'
import type { Rows, SqlValue } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { compareValues, mergeRows } from '../src/index.ts'

const set = (rows: readonly (readonly SqlValue[])[]): Rows => ({
  columns: ['a', 'b'],
  rows,
  rowsAffected: 0,
})

const value = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
  fc.uint8Array({ maxLength: 4 }),
)

test('values are ordered as SQLite orders them', async () => {
  const client = createClient({ url: 'file::memory:' })
  await client.execute('CREATE TABLE t (v)')
  const samples = fc.sample(value, { numRuns: 300, seed: 7 })
  for (const each of [...samples, '\u{1F600}', '\uFFEE', '', 0, -0.5])
    await client.execute({ sql: 'INSERT INTO t VALUES (?)', args: [each] })

  const { rows } = await client.execute('SELECT v FROM t ORDER BY v')
  client.close()
  const sorted = rows.map((row) => {
    const cell = row['v'] ?? null
    return cell instanceof ArrayBuffer ? new Uint8Array(cell) : cell
  })

  for (const [index, each] of sorted.slice(1).entries())
    expect(compareValues(sorted[index] ?? null, each)).toBeLessThanOrEqual(0)
  expect(compareValues('\uFFEE', '\u{1F600}')).toBeLessThan(0)
})

test('merging sorted sets always gives what sorting them together gives, cut at the limit', () => {
  const row = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.string({ maxLength: 2 }))
  const sets = fc.array(fc.array(row, { maxLength: 8 }), { minLength: 1, maxLength: 5 })
  const compare = (one: readonly SqlValue[], other: readonly SqlValue[]) =>
    -compareValues(one[0] ?? null, other[0] ?? null) ||
    compareValues(one[1] ?? null, other[1] ?? null)
  fc.assert(
    fc.property(sets, fc.integer({ min: 0, max: 20 }), (lists, limit) => {
      const merged = mergeRows(
        lists.map((list) => set(list.toSorted(compare))),
        { order: [{ column: 'a', descending: true }, { column: 'b' }], limit },
      )

      expect(merged.rows).toEqual(lists.flat().toSorted(compare).slice(0, limit))
    }),
  )
})

test('merging by a column that is not there is refused', () => {
  expect(() => mergeRows([set([])], { order: [{ column: 'c' }], limit: 1 })).toThrow(RangeError)
})
