import { clientOf } from '@stoa/contracts'
import { warehouse } from '@stoa/contracts/warehouse'
import { rootCall, type Statement, typedId } from '@stoa/kernel'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { afterAll, describe, expect, inject, test } from 'vitest'

import { rebuildStatement } from '../src/store/rebuild.ts'
import {
  brokenRules,
  created,
  deliver,
  giveBack,
  levelOf,
  newId,
  reserve,
  spoil,
  stateOf,
} from './harness.ts'

const env = inject('stoaEnv')
const call = rootCall('test')
const router = routerOf('warehouse', env)
const client = clientOf(warehouse, (request) => exports.default.fetch(request))

async function rebuild(product: string, mayFree = false): Promise<boolean> {
  const body = { cell: typedId('prd', product), mayFree }
  return (await client.rebuildReserved({ body }, call)).isChanged
}

async function spoilStock(product: string, reserved: number): Promise<void> {
  const sql = 'UPDATE stock SET reserved = ? WHERE product = ?'
  await router.write(product, [{ sql, args: [reserved, product] }], call)
}

/** A product with `onHand` units, of which orders have reserved 3 and 2, and one gave back 4. */
async function reservedFive(onHand = 10) {
  const product = newId()
  await deliver(created(product, onHand))
  const [first, second, third] = [newId(), newId(), newId()]
  await reserve(first, { product, quantity: 3 })
  await reserve(second, { product, quantity: 2 })
  await reserve(third, { product, quantity: 4 })
  await giveBack(third, { product, quantity: 4 })
  return { product, first }
}

describe('the rebuilding of what is reserved', () => {
  test('sets it to what the reservations come to, once, and breaks no rule of the cell', async () => {
    const { product } = await reservedFive()
    await spoilStock(product, 1)

    expect([await rebuild(product), await rebuild(product)]).toEqual([true, false])
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 5 })
    expect(await brokenRules(product)).toEqual([])
  })

  test('frees no units, unless two persons have looked', async () => {
    const { product } = await reservedFive()
    await spoilStock(product, 8)

    expect(await rebuild(product)).toBe(false)
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 8 })
    expect(await rebuild(product, true)).toBe(true)
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 5 })
  })

  test('reserves no more than there is', async () => {
    const { product } = await reservedFive()
    const sql = 'UPDATE stock SET on_hand = 4, reserved = 1 WHERE product = ?'
    await router.write(product, [{ sql, args: [product] }], call)

    expect(await rebuild(product)).toBe(false)
    expect(await levelOf(product)).toEqual({ onHand: 4, reserved: 1 })
  })

  test('undoes nothing that happens at the same time', async () => {
    const { product, first } = await reservedFive(100)
    await spoilStock(product, 4)
    const orders = Array.from({ length: 8 }, newId)

    const [answers] = await Promise.all([
      Promise.all(orders.map((order) => reserve(order, { product, quantity: 1 }))),
      giveBack(first, { product, quantity: 3 }),
      ...Array.from({ length: 4 }, () => rebuild(product, true)),
    ])

    expect(answers).toEqual(orders.map(() => 'done'))
    expect(await stateOf(product, first)).toBe('released')
    await rebuild(product, true)
    expect(await levelOf(product)).toEqual({ onHand: 100, reserved: 10 })
  })

  test('says that it is unknown when the reply is lost, and changes nothing when it is asked again', async () => {
    const { product } = await reservedFive()
    await spoilStock(product, 2)
    await spoil({ action: 'drop-reply', match: { contains: 'UPDATE stock SET' } })

    await expect(rebuild(product)).rejects.toMatchObject({ code: 'ambiguous_write' })

    expect(await rebuild(product)).toBe(false)
    expect(await levelOf(product)).toEqual({ onHand: 10, reserved: 5 })
  })

  test('changes nothing of a cell that is not there', async () => {
    expect(await rebuild(newId(), true)).toBe(false)
  })
})

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

describe('a mutant of it that', () => {
  const mutants: readonly (readonly [name: string, from: string, to: string])[] = [
    ['frees units by itself', 'AND (reserved <', 'AND (true OR reserved <'],
    ['counts what was released', " AND r.state = 'reserved'", ''],
    ['counts what other products have', 'r.product = stock.product', 'true'],
    ['takes more than there is', 'AND on_hand >=', 'AND 9e9 >='],
  ]

  async function live(swap: (statement: Statement) => Statement) {
    const outcomes: unknown[] = []
    for (const [onHand, reserved] of [
      [10, 1],
      [10, 8],
      [4, 1],
    ] as const) {
      const { product } = await reservedFive()
      const sql = 'UPDATE stock SET on_hand = ?, reserved = ? WHERE product = ?'
      await router.write(product, [{ sql, args: [onHand, reserved, product] }], call)
      const work = router.write(product, [swap(rebuildStatement(product, false))], call)
      await work.catch(() => outcomes.push('refused'))
      outcomes.push(await levelOf(product))
    }
    return outcomes
  }

  test.for(mutants)('%s is noticed', async ([name, from, to]) => {
    const right = await live((statement) => statement)
    let lived = 0

    const mutant = await live(({ sql, args }) => {
      if (sql.includes(from)) lived += 1
      return { sql: sql.replaceAll(from, to), args }
    })

    expect(right).toEqual([
      { onHand: 10, reserved: 5 },
      { onHand: 10, reserved: 8 },
      { onHand: 4, reserved: 1 },
    ])
    expect(lived).toBe(3)
    expect(mutant).not.toEqual(right)
    caught.push(name)
  })
})
