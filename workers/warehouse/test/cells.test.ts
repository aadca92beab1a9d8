import { prefixOf, slotOfId } from '@stoa/kernel'
import { setApart } from '@stoa/testing/apart'
import * as fc from 'fast-check'
import { describe, expect, inject, test } from 'vitest'

import { cellsOf, entryOf } from '../src/domain/cell.ts'
import {
  askOnce,
  brokenRules,
  created,
  deliver,
  getStock,
  giveBack,
  goods,
  keep,
  levelOf,
  newId,
  openTries,
  ownEvents,
  reserve,
  selectEach,
  settle,
  spoil,
  spread,
} from './harness.ts'

/** The units that are free in each database. */
async function freeOf(product: string): Promise<Readonly<Record<string, number>>> {
  const sql = `SELECT coalesce(sum(on_hand - reserved), 0) FROM stock
WHERE product IN (SELECT value FROM json_each(?))`
  const found = await selectEach(sql, [JSON.stringify(cellsOf(product))])
  return Object.fromEntries([...found].map(([shard, [row]]) => [shard, Number(row?.[0])]))
}

/** Units of a product on their way between two cells. */
async function onTheWay(product: string): Promise<number> {
  const sql = `SELECT coalesce(sum(quantity), 0) FROM transfer WHERE cell IN (SELECT value FROM json_each(?))`
  const found = await selectEach(sql, [JSON.stringify(cellsOf(product))])
  return 0 - [...found.values()].reduce((sum, [row]) => sum + Number(row?.[0]), 0)
}

/** A product with half of its lanes, and so about half of its stock, in the other database. */
async function newHot(stock: number, cells: number): Promise<string> {
  const product = newId()
  const [home, other] = slotOfId(product) < 8_192 ? [0, 1] : [1, 0]
  const prefix = prefixOf(product)
  const sides = { shard: `warehouse-${home}`, target: `warehouse-${other}` }
  const range = { keyspace: 'warehouse', from: `${prefix}G`, to: `${prefix}R` }
  await setApart(inject('stoaEnv'), range, sides)
  await deliver(created(product, stock))
  if (cells > 1) await spread(product, cells)
  await settle(product)
  return product
}

function orders(count: number): readonly string[] {
  return Array.from({ length: count }, newId)
}

function one(product: string) {
  return { product, quantity: 1 }
}

/** An order that asks first in the other database, where half of the lanes lie. */
function farOrder(product: string): string {
  for (;;) {
    const order = newId()
    if (entryOf(product, order) < `${prefixOf(product)}R`) return order
  }
}

describe('PUT /v1/stock/{product}/cells', () => {
  test('spreads what is free evenly, moves back to one, and keeps the sum and the ledger', async () => {
    const product = newId()
    await deliver(created(product, 100))
    await reserve(newId(), { product, quantity: 15 })

    const there = await spread(product, 17)
    await settle(product, 3)
    const cells = await selectEach(
      'SELECT on_hand - reserved FROM stock WHERE product IN (SELECT value FROM json_each(?))',
      [JSON.stringify(cellsOf(product))],
    )
    const spreadLevel = await levelOf(product)
    const rules = await brokenRules(product)
    await spread(product, 1)
    await settle(product, 2)

    expect([there.status, there.body['moving']]).toEqual([202, 80])
    expect([...cells.values()].flat(2)).toEqual(Array.from({ length: 17 }, () => 5))
    expect([spreadLevel, rules]).toEqual([{ onHand: 100, reserved: 15 }, []])
    expect((await getStock(product)).body).toMatchObject({
      onHand: 100,
      reserved: 15,
      available: 85,
    })
    expect(await brokenRules(product)).toEqual([])
  })

  test('changes nothing when it is asked again', async () => {
    const product = newId()
    await deliver(created(product, 50))
    await spread(product, 5)
    await settle(product)

    expect((await spread(product, 5)).body).toMatchObject({ moving: 0 })
  })

  test('refuses a stranger, a product without stock, and numbers of cells that are none', async () => {
    const product = newId()
    await deliver(created(product, 5))

    expect((await spread(newId(), 4)).body).toMatchObject({ code: 'stock_not_found' })
    expect((await spread(product, 4, 'importer')).status).toBe(401)
    for (const cells of [0, 18, 1.5]) expect((await spread(product, cells)).status).toBe(400)
  })

  test('loses and doubles no unit when a reply of the database is lost after the commit', async () => {
    const product = newId()
    await deliver(created(product, 40))

    await spoil({ action: 'drop-reply', match: { contains: 'INSERT INTO transfer' } })
    await spread(product, 4)
    await settle(product, 2)
    await spread(product, 4)
    await settle(product, 2)

    expect(await levelOf(product)).toEqual({ onHand: 40, reserved: 0 })
    expect(await onTheWay(product)).toBe(0)
    expect(await brokenRules(product)).toEqual([])
  })
})

describe('a hot product whose cells lie in two databases', () => {
  test('is sold to exactly zero, each order once, from both', async () => {
    const product = await newHot(40, 17)
    const before = await freeOf(product)
    const all = orders(60)

    const answers = await Promise.all([...all, ...all].map((order) => reserve(order, one(product))))

    expect(Object.values(before).every((units) => units > 0)).toBe(true)
    expect(answers.filter((answer) => answer === 'done')).toHaveLength(80)
    expect(answers.filter((answer) => answer === 'out_of_stock')).toHaveLength(40)
    expect((await getStock(product)).body).toMatchObject({ onHand: 40, reserved: 40, available: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('is found by the first order after its cells have moved', async () => {
    // Every lane in turn, so that some ask beside the home and some in the other database.
    for (let count = 0; count < 6; count += 1) {
      const product = await newHot(1, 1)

      expect((await askOnce('try', newId(), one(product))).body).toEqual({ outcome: 'done' })
    }
  })

  test('sells from home what no lane has, to orders that ask in the other database', async () => {
    const product = await newHot(12, 1)
    const all = orders(20)

    const answers = await Promise.all(all.map((order) => reserve(order, one(product))))

    expect(answers.filter((answer) => answer === 'done')).toHaveLength(12)
    expect(await brokenRules(product)).toEqual([])
  })

  test('keeps what is confirmed, in whatever database it lies', async () => {
    const product = await newHot(20, 17)
    const all = orders(20)
    await Promise.all(all.map((order) => reserve(order, one(product))))

    await Promise.all([...all, ...all].map((order) => keep(order, one(product))))

    expect(await openTries(product)).toBe(0)
    expect(await levelOf(product)).toEqual({ onHand: 20, reserved: 20 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('gets back what an order had, wherever that was, and sells it again', async () => {
    const product = await newHot(20, 17)
    const first = orders(20)
    await Promise.all(first.map((order) => reserve(order, one(product))))

    await Promise.all([...first, ...first].map((order) => giveBack(order, one(product))))

    expect(await levelOf(product)).toEqual({ onHand: 20, reserved: 0 })
    await Promise.all(orders(20).map((order) => reserve(order, one(product))))
    expect(await levelOf(product)).toEqual({ onHand: 20, reserved: 20 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('reserves nothing for an order that was given back while its wish was on the way', async () => {
    const product = await newHot(6, 1)
    for (let count = 0; count < 4; count += 1) {
      const order = farOrder(product)
      const requestId = crypto.randomUUID()
      await spoil({ action: 'drop-request', times: 9, skip: 1, match: { requestId } })

      const cut = await askOnce('try', order, { ...one(product), requestId })
      const back = await giveBack(order, one(product))
      const late = await reserve(order, one(product))

      expect([cut.status, back, late]).toEqual([503, 'done', 'hanging'])
    }
    expect(await levelOf(product)).toEqual({ onHand: 6, reserved: 0 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('reserves once when the reply of the second database is lost, and stock comes to the first', async () => {
    const product = await newHot(6, 1)
    const order = farOrder(product)
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', times: 9, skip: 1, match: { requestId } })

    const cut = await askOnce('try', order, { ...one(product), requestId })
    await spread(product, 17)
    await settle(product)
    const again = await reserve(order, one(product))

    expect([cut.status, again]).toEqual([503, 'done'])
    expect(await levelOf(product)).toEqual({ onHand: 6, reserved: 1 })
    expect(await brokenRules(product)).toEqual([])
    await giveBack(order, one(product))
    expect(await levelOf(product)).toEqual({ onHand: 6, reserved: 0 })
  })
})

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('order' as const), order: fc.nat({ max: 11 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('back' as const), order: fc.nat({ max: 11 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('spread' as const),
      cells: fc.constantFrom(1, 2, 5, 17),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('goods' as const),
      units: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('cut' as const), order: fc.nat({ max: 11 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('tell' as const), which: fc.nat({ max: 30 }) }),
  },
)

test('keeps its rules and every unit, however orders, spreading and what it tells itself interleave', async () => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 4, maxLength: 14 }),
    async (steps) => {
      const product = await newHot(6, 1)
      const all = orders(12)
      const backs = new Set<string>()
      const answers = new Map<string, string>()
      let arrived = 6
      const wish = async (order: string) => {
        const answer = await reserve(order, one(product))
        const before = answers.get(order) ?? answer
        expect(backs.has(order) ? ['hanging', 'out_of_stock'] : [before]).toContain(answer)
        answers.set(order, answer)
      }
      for (const each of steps) {
        const order = ('order' in each ? all[each.order] : undefined) ?? ''
        if (each.kind === 'order') {
          await wish(order)
        } else if (each.kind === 'back') {
          await giveBack(order, one(product))
          backs.add(order)
        } else if (each.kind === 'cut') {
          const requestId = crypto.randomUUID()
          await spoil({ action: 'drop-request', times: 9, skip: 1, match: { requestId } })
          await askOnce('try', order, { ...one(product), requestId })
        } else if (each.kind === 'spread') {
          await spread(product, each.cells)
        } else if (each.kind === 'goods') {
          await deliver(goods(newId(), [{ product, received: each.units }]))
          arrived += each.units
        } else {
          const events = await ownEvents(product)
          const event = events[each.which % Math.max(1, events.length)]
          if (event !== undefined) await deliver(event)
        }
        const level = await levelOf(product)
        expect((level?.onHand ?? 0) + (await onTheWay(product))).toBe(arrived)
        expect(await brokenRules(product)).toEqual([])
      }
      await settle(product, 2)
      for (const order of all) {
        await wish(order)
        if (answers.get(order) === 'done') await keep(order, one(product))
        else await giveBack(order, one(product))
      }

      expect(await onTheWay(product)).toBe(0)
      expect((await levelOf(product))?.onHand).toBe(arrived)
      expect(await brokenRules(product)).toEqual([])
      expect(await openTries(product)).toBe(0)
    },
  )
  await fc.assert(property, { numRuns: 8 })
})
