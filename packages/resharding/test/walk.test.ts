import fc from 'fast-check'
import { expect, test } from 'vitest'

import { placeOf, type Table } from '../src/tables.ts'
import { slicesOf, type Stretch } from '../src/walk.ts'

const table: Table = {
  name: 't',
  key: 'id',
  primaryKey: ['id'],
  columns: ['id', 'text'],
  bytes: [],
}

/** Stretches as a reader gives them: all but the last are whole ranges. */
const stretches = fc
  .tuple(fc.array(fc.array(fc.nat({ max: 30 }), { maxLength: 12 }), { minLength: 1 }), fc.boolean())
  .map(([lists, goesOn]) =>
    lists.map((sizes, index): Stretch => {
      const rows = sizes.map((size, row) => [`${index}-${row}`, 'x'.repeat(size)])
      const last = index === lists.length - 1 && goesOn ? rows.at(-1) : undefined
      const until = last === undefined ? null : placeOf(table, last)
      const next = { range: until === null ? index + 1 : index, after: until }
      const range = { table: 't', lo: `${index}`, hi: `${index}~` }
      return { range, table, rows, after: null, until, next }
    }),
  )

const bounds = { rows: 5, bytes: 60 }

test('the slices of stretches hold every row once, in order, and each tells where the next begins', () => {
  fc.assert(
    fc.property(stretches, (list) => {
      const slices = slicesOf(list, bounds)

      expect(slices.flat().flatMap(({ rows }) => rows)).toEqual(list.flatMap(({ rows }) => rows))
      expect(slices.at(-1)?.at(-1)?.next).toEqual(list.at(-1)?.next)
      for (const slice of slices) {
        const rows = slice.flatMap((stretch) => stretch.rows)
        const bytes = rows.flat().join('').length
        expect(rows.length).toBeLessThanOrEqual(bounds.rows)
        expect(rows.length <= 1 || bytes <= bounds.bytes).toBe(true)
        const [end, row] = [slice.at(-1), rows.at(-1)]
        const isCut = end !== undefined && end.next.after !== null
        expect(!isCut || end.next.after === placeOf(table, row ?? [])).toBe(true)
        expect(!isCut || end.range.lo === String(end.next.range)).toBe(true)
      }
    }),
  )
})
