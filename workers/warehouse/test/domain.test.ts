import { createIds, manualClock, parseId, prefixOf, rootCall, seededRandom } from '@stoa/kernel'
import { isOf, newEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cellsOf, entryOf, spreadCells } from '../src/domain/cell.ts'
import { mergeLines } from '../src/domain/change.ts'
import { derivedId, reservationId } from '../src/domain/derived-id.ts'
import { askOn, release, reserve } from '../src/domain/reserve.ts'
import { planSpread } from '../src/domain/spread.ts'
import { available } from '../src/domain/stock.ts'

const clock = manualClock(1_000)
const ids = createIds({ clock, random: seededRandom(7) })
const id = fc.string({ minLength: 1, maxLength: 20 }).map((text) => ids.root(text))

describe('derivedId', () => {
  test('is always an id in the cell of its owner, and the same for the same parts', () => {
    fc.assert(
      fc.property(id, fc.array(fc.string()), (owner, parts) => {
        const made = derivedId(owner, parts)
        expect(parseId(made)).toBe(made)
        expect(made.slice(0, 6)).toBe(owner.slice(0, 6))
        expect(derivedId(owner, parts)).toBe(made)
      }),
    )
  })

  test('gives 100,000 orders of two sister products 200,000 reservations', () => {
    const product = ids.root('a seller')
    const sister = ids.child(product)
    const made = new Set<string>()

    for (let count = 0; count < 100_000; count += 1) {
      const order = ids.rootAt(prefixOf(product))
      made.add(reservationId(product, order))
      made.add(reservationId(sister, order))
    }

    expect(made.size).toBe(200_000)
  })
})

describe('mergeLines', () => {
  test('names each product once and keeps every sum', () => {
    const line = fc.record({
      product: fc.constantFrom('a', 'b', 'c'),
      quantity: fc.integer({ min: 1, max: 999 }),
    })
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const merged = mergeLines(lines)
        expect(new Set(merged.map(({ product }) => product)).size).toBe(merged.length)
        for (const { product, quantity } of merged) {
          const parts = lines.filter((each) => each.product === product)
          expect(quantity).toBe(parts.reduce((sum, each) => sum + each.quantity, 0))
        }
      }),
    )
  })
})

describe('reserve and release', () => {
  const [product, order] = [ids.root('p'), ids.root('o')]
  const source = { key: order, seq: 1, at: 0, cause: 'test' }
  const lines = [{ product, quantity: 2 }]
  const data = { order, product, quantity: 2 }
  const placed = newEvent(ids, 'order.placed', {
    ...source,
    data: { order, buyer: ids.root('b'), lines },
  })
  const entry = entryOf(product, order)
  /** All cells in one database, or those of `far` in another. */
  const depsOf = (far: readonly string[] = []) => ({
    ids,
    clock,
    stock: {
      places: async () => [cellsOf(product).filter((cell) => !far.includes(cell)), far],
    },
  })

  test('prepare both outcomes under the key of the reservation, caused by the order', async () => {
    const [change] = await reserve(placed, depsOf(), rootCall('test'))

    const told = { key: reservationId(entry, order), seq: 1, at: 1_000, cause: placed.id, data }
    expect(change).toMatchObject({
      kind: 'reserve',
      reserved: { type: 'stock.reserved', ...told },
      otherwise: { type: 'stock.refused', ...told },
    })
  })

  test('ask each cell once, database by database, and refuse after the last', async () => {
    const far = cellsOf(product).filter((cell) => cell > `${prefixOf(product)}R`)
    const deps = depsOf(far)

    const [first] = await reserve(placed, deps, rootCall('test'))
    if (first?.kind !== 'reserve' || !isOf(first.otherwise, 'stock.passed_on')) throw new Error()
    const [second] = await askOn(first.otherwise, deps, rootCall('test'))

    if (second?.kind !== 'reserve') throw new Error()
    const asked = [...first.cells, ...second.cells].map(({ cell }) => cell)
    expect(asked[0]).toBe(entry)
    expect(asked.toSorted()).toEqual(cellsOf(product).toSorted())
    expect(second.otherwise.type).toBe('stock.refused')
  })

  test('mean the same reservations, in every database', async () => {
    const far = cellsOf(product).slice(0, 8)
    const rejected = newEvent(ids, 'order.rejected', {
      ...source,
      data: { order, buyer: ids.root('b'), sellers: [], release: lines, missing: [] },
    })

    const ends = await release(rejected, depsOf(far), rootCall('test'))

    const cells = ends.flatMap((end) => (end.kind === 'release' ? end.cells : []))
    expect(cells.map(({ reservation }) => reservation).toSorted()).toEqual(
      cellsOf(product)
        .map((cell) => reservationId(cell, order))
        .toSorted(),
    )
  })
})

describe('planSpread', () => {
  const product = ids.root('hot')

  test('always evens out what is free over so many cells and moves no more than it must', () => {
    const level = fc.record({ onHand: fc.nat({ max: 50 }), reserved: fc.nat({ max: 50 }) })
    const some = fc.array(level, { minLength: 1, maxLength: 17 })
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 17 }), (list, count) => {
        const all = cellsOf(product).toReversed()
        const levels = list.map(({ onHand, reserved }, index) => ({
          cell: all[index] ?? product,
          onHand: onHand + reserved,
          reserved,
        }))
        const free = new Map(levels.map((each) => [each.cell, available(each)]))
        const total = [...free.values()].reduce((sum, units) => sum + units, 0)

        const shifts = planSpread(product, { levels, count })

        for (const { from, to, quantity } of shifts) {
          expect(quantity).toBeGreaterThan(0)
          free.set(from, (free.get(from) ?? 0) - quantity)
          free.set(to, (free.get(to) ?? 0) + quantity)
        }
        const chosen = spreadCells(product, count)
        expect(new Set(chosen).size).toBe(count)
        expect([...free.values()].reduce((sum, units) => sum + units, 0)).toBe(total)
        for (const [cell, units] of free) {
          const share = Math.floor(total / count)
          expect(units).toBeGreaterThanOrEqual(chosen.includes(cell) ? share : 0)
          expect(units).toBeLessThanOrEqual(chosen.includes(cell) ? share + 1 : 0)
        }
        const givers = new Set(shifts.map(({ from }) => from))
        expect(shifts.filter(({ to }) => givers.has(to))).toEqual([])
      }),
    )
  })
})

test('available is what is on hand and not reserved', () => {
  expect(available({ onHand: 5, reserved: 2 })).toBe(3)
})
