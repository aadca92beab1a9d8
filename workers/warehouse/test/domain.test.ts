import { createIds, manualClock, parseId, prefixOf, rootCall, seededRandom } from '@stoa/kernel'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  type AskedBranch,
  type Reservation,
  ReservationLostError,
  runStockBranch,
  type Told,
} from '../src/domain/branch.ts'
import { cellsOf, entryOf, spreadCells } from '../src/domain/cell.ts'
import { mergeLines } from '../src/domain/change.ts'
import { derivedId, reservationId } from '../src/domain/derived-id.ts'
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

describe('a stock branch', () => {
  const [product, order] = [ids.root('p'), ids.root('o')]
  const branch = { gid: order, branch: 'stock', op: 'try', order, product, quantity: 2 } as const
  const entry = entryOf(product, order)

  /** Databases in memory that refuse, but for the cells in `stocked`; and which cells were asked. */
  function refusing(places: readonly (readonly string[])[], stocked: readonly string[] = []) {
    const rows = new Map<string, Reservation>()
    const asked: string[] = []
    const ask = async ({ op, cells, next, isEntry }: AskedBranch): Promise<Told> => {
      const keys = cells.map(({ cell }) => cell)
      const [first = ''] = keys
      const isNew = !rows.has(first)
      if (op === 'try' && isNew) {
        asked.push(...keys)
        const found = keys.find((key) => stocked.includes(key))
        if (found !== undefined) rows.set(found, { state: 'reserved', next: undefined })
        if (found !== first) rows.set(first, { state: 'refused', next: found ?? next })
      }
      const reservations = new Map([...rows].filter(([cell]) => keys.includes(cell)))
      return { outcome: isEntry ? (isNew ? 'applied' : 'duplicate') : undefined, reservations }
    }
    return { asked, stock: { places: async () => places, ask } }
  }

  test('asks each cell once, database by database, and is refused after the last', async () => {
    const far = cellsOf(product).filter((cell) => cell > `${prefixOf(product)}R`)
    const near = cellsOf(product).filter((cell) => !far.includes(cell))
    const world = refusing([near, far])

    const verdict = await runStockBranch(world, branch, rootCall('test'))

    expect(verdict).toEqual({ outcome: 'refused', code: 'out_of_stock' })
    expect(world.asked[0]).toBe(entry)
    expect(world.asked.toSorted()).toEqual(cellsOf(product).toSorted())
  })

  test('ends at its reservation whatever cells have moved since, and asks none of them', () => {
    const cells = cellsOf(product)
    const apart = fc.array(fc.nat({ max: 3 }), { minLength: 17, maxLength: 17 })
    const placesOf = (list: readonly number[]) =>
      [0, 1, 2, 3].map((place) => cells.filter((_cell, index) => list[index] === place))
    return fc.assert(
      fc.asyncProperty(apart, apart, fc.nat({ max: 16 }), async (before, after, index) => {
        const world = refusing(placesOf(before), [cells[index] ?? ''])
        const first = await runStockBranch(world, branch, rootCall('test'))
        const { length } = world.asked
        const stock = { ...world.stock, places: async () => placesOf(after) }

        const again = await runStockBranch({ stock }, branch, rootCall('test'))
        const kept = await runStockBranch({ stock }, { ...branch, op: 'confirm' }, rootCall('test'))

        expect([first, again, kept]).toEqual([1, 2, 3].map(() => ({ outcome: 'done' })))
        expect(world.asked).toHaveLength(length)
      }),
    )
  })

  test('says so when its reservation is gone', async () => {
    const world = refusing([cellsOf(product)])
    const lost = async (): Promise<Told> => ({ outcome: 'applied', reservations: new Map() })

    const confirming = runStockBranch(
      { stock: { ...world.stock, ask: lost } },
      { ...branch, op: 'confirm' },
      rootCall('test'),
    )

    await expect(confirming).rejects.toBeInstanceOf(ReservationLostError)
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
