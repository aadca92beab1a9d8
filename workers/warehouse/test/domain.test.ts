import { createIds, manualClock, parseId, prefixOf, seededRandom } from '@stoa/kernel'
import { newEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { mergeLines } from '../src/domain/change.ts'
import { derivedId, reservationId } from '../src/domain/derived-id.ts'
import { release, reserve } from '../src/domain/reserve.ts'
import { available } from '../src/domain/stock.ts'

const clock = manualClock(1_000)
const ids = createIds({ clock, random: seededRandom(7) })
const id = fc.string({ minLength: 1, maxLength: 20 }).map((text) => ids.root(text))

describe('derivedId', () => {
  test('is always an id in the place of its owner, and the same for the same parts', () => {
    fc.assert(
      fc.property(id, fc.array(fc.string()), (owner, parts) => {
        const made = derivedId(owner, parts)
        expect(parseId(made)).toBe(made)
        expect(prefixOf(made)).toBe(prefixOf(owner))
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
  const placed = newEvent(ids, 'order.placed', {
    ...source,
    data: { order, buyer: ids.root('b'), lines },
  })

  test('prepare both outcomes under the key of the reservation, caused by the order', () => {
    const [change] = reserve(placed, { ids, clock })

    const told = { key: reservationId(product, order), seq: 1, at: 1_000, cause: placed.id }
    const data = { order, product, quantity: 2 }
    expect(change).toMatchObject({
      kind: 'reserve',
      reserved: { type: 'stock.reserved', ...told, data },
      refused: { type: 'stock.refused', ...told, data },
    })
  })

  test('mean the same reservation', () => {
    const rejected = newEvent(ids, 'order.rejected', {
      ...source,
      data: { order, buyer: ids.root('b'), sellers: [], release: lines, missing: [] },
    })

    const [wish] = reserve(placed, { ids, clock })
    const [end] = release(rejected)

    expect(end).toMatchObject({ kind: 'release', reservation: reservationId(product, order) })
    expect(wish).toMatchObject({ reservation: reservationId(product, order) })
  })
})

test('available is what is on hand and not reserved', () => {
  expect(available({ product: 'p', onHand: 5, reserved: 2 })).toBe(3)
})
