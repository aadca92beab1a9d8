import { createIds, seededRandom, slotCount, slotOfId, slotText, systemClock } from '@stoa/kernel'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'

import { hashModulo, modulo } from '../../src/placement/modulo.ts'
import { slotsBy } from '../../src/placement/slots-by.ts'
import { shardedTable, slotBits } from '../../src/placement/tables.ts'
import { evenSlots } from '../../src/topology.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid } from './refusals.ts'

const slots = Array.from({ length: slotCount }, (_, slot) => slot)

describe('shardedTable', () => {
  test('names its tables, and finds that of a key by its slot', () => {
    const orders = shardedTable('orders', { count: 4 })

    expect(orders.tables).toEqual(['orders_0', 'orders_1', 'orders_2', 'orders_3'])
    expect([0, 63, 64, 255, 256].map((slot) => orders.tableOf(slot))).toEqual(
      [0, 0, 1, 3, 0].map((table) => `orders_${table}`),
    )
    expectTypeOf(orders.tableOf(0)).toEqualTypeOf<`orders_${number}`>()
  })

  test('puts a slot, its text, an id in it and a longer key into one table', () => {
    const ids = createIds({ clock: systemClock, random: seededRandom(7) })
    const orders = shardedTable('orders', { count: 8 })

    fc.assert(
      fc.property(fc.string(), (text) => {
        const id = ids.root(text)
        const slot = slotOfId(id)

        const table = orders.tableOf(slot)
        expect(table).toBe(`orders_${(slot >> 6) & 7}`)
        for (const key of [slotText(slot), id.slice(0, 5), id, `${id}/7`])
          expect(orders.tableOf(key)).toBe(table)
      }),
    )
  })

  test.each(['', '0', 'ZZZ', 'ord'])('refuses the key %j, which begins with no slot', (key) => {
    expect(() => shardedTable('orders', { count: 4 }).tableOf(key)).toThrow(
      expect.objectContaining({ code: 'invalid_id' }),
    )
  })

  test.each([0, -1, 1.5, 257, Number.NaN])('refuses %s tables', (count) => {
    expect(() => shardedTable('orders', { count, by: modulo })).toThrow(invalid)
  })

  test.each([3, 6, 12])('refuses %i tables by bits', (count) => {
    expect(() => shardedTable('orders', { count })).toThrow(invalid)
    expect(shardedTable('orders', { count, by: hashModulo() }).tables).toHaveLength(count)
  })

  test.each([-1, 12, 14])('refuses the bits from %i on for eight tables', (shift) => {
    expect(() => shardedTable('orders', { count: 8, by: slotBits(shift) })).toThrow(invalid)
  })
})

/** How many of eight tables the slots of each database use, at least. */
function tablesUsed(ownerOf: (slot: number) => string, by = slotBits()): number {
  const orders = shardedTable('orders', { count: 8, by })
  const used = Map.groupBy(slots, ownerOf)
  return Math.min(
    ...[...used.values()].map((own) => new Set(own.map((slot) => orders.tableOf(slot))).size),
  )
}

const contiguous = (databases: number) => {
  const owners = evenSlots(namedNodes(databases).map(({ name }) => name)).flatMap(
    ({ from, to, shard }) => Array.from({ length: to - from + 1 }, () => shard),
  )
  return (slot: number) => owners[slot] ?? ''
}
const scattered = (databases: number) => {
  const owners = slotsBy(modulo, namedNodes(databases))
  return (slot: number) => owners[slot]?.shard ?? ''
}

describe('slotBits', () => {
  test('leaves no table empty in up to 256 / 8 databases of contiguous ranges, and 64 by remainder', () => {
    expect([1, 2, 16, 32].map((count) => tablesUsed(contiguous(count)))).toEqual([8, 8, 8, 8])
    expect([2, 16, 64].map((count) => tablesUsed(scattered(count)))).toEqual([8, 8, 8])
  })

  test('leaves half of them empty when it takes the bits by which databases are chosen', () => {
    expect(tablesUsed(scattered(2), slotBits(0))).toBe(4)
    expect(tablesUsed(contiguous(2), slotBits(11))).toBe(4)
    expect(tablesUsed(contiguous(64))).toBe(4)
    expect(tablesUsed(contiguous(64), hashModulo())).toBe(8)
  })
})
