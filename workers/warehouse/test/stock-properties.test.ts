import type { StoaEvent } from '@stoa/messaging'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  brokenRules,
  created,
  deliver,
  giveBack,
  goods,
  ids,
  levelOf,
  newId,
  reserve,
  stateOf,
} from './harness.ts'
import { type Asked, Model } from './model.ts'

type World = {
  readonly products: readonly string[]
  readonly orders: readonly string[]
  readonly receipts: readonly string[]
}

/** A new world for each run; two of its products share their place, as those of one seller do. */
function newWorld(): World {
  const products = [newId(), newId()]
  const receipts = [newId(), newId()]
  return {
    products: [...products, ids.child(products[0] ?? '')],
    orders: [newId(), newId(), newId(), newId()],
    receipts,
  }
}

function pick(list: readonly string[], index: number): string {
  return list[index % list.length] ?? ''
}

const index = fc.nat({ max: 3 })
const lines = fc.array(fc.record({ product: index, quantity: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 1,
  maxLength: 3,
})

type Lines = readonly { readonly product: number; readonly quantity: number }[]

function linesIn({ products }: World, wished: Lines) {
  return wished.map(({ product, quantity }) => ({ product: pick(products, product), quantity }))
}

/** Recipes of events: which world they are told of is decided run by run. */
const recipe = fc.oneof(
  fc.record({ product: index, stock: fc.nat({ max: 8 }) }).map(
    ({ product, stock }) =>
      (world: World) =>
        created(pick(world.products, product), stock),
  ),
  fc.record({ receipt: index, lines }).map((of) => (world: World) => {
    const arrived = linesIn(world, of.lines)
    const receipt = pick(world.receipts, of.receipt)
    return goods(
      receipt,
      arrived.map(({ product, quantity }) => ({ product, received: quantity })),
    )
  }),
)

const asked = fc.record({
  op: fc.constantFrom('try' as const, 'try' as const, 'cancel' as const),
  product: index,
  order: index,
  quantity: fc.integer({ min: 1, max: 4 }),
})

function askedIn(
  { products, orders }: World,
  one: typeof asked extends fc.Arbitrary<infer T> ? T : never,
) {
  return { ...one, product: pick(products, one.product), order: pick(orders, one.order) }
}

/** Asks as the runner of a saga does. */
function ask({ op, order, ...line }: Asked): Promise<string> {
  return op === 'try' ? reserve(order, line) : giveBack(order, line)
}

/** Deliveries of some events, in any order, some twice, some together, some never; and what orders ask in between. */
const history = fc.record({
  recipes: fc.array(recipe, { minLength: 3, maxLength: 10 }),
  deliveries: fc.array(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }), {
    minLength: 2,
    maxLength: 7,
  }),
  asks: fc.array(fc.array(asked, { maxLength: 3 }), { minLength: 7, maxLength: 7 }),
})

function told(
  { recipes, deliveries }: typeof history extends fc.Arbitrary<infer T> ? T : never,
  world: World,
): readonly (readonly StoaEvent[])[] {
  const events = recipes.map((make): StoaEvent => make(world))
  return deliveries.map((which) => which.flatMap((n) => events[n % events.length] ?? []))
}

async function expectRules(world: World): Promise<void> {
  const broken = await Promise.all(world.products.map(brokenRules))
  expect(broken.flat()).toEqual([])
}

async function snapshot(world: World): Promise<unknown> {
  return Promise.all(
    world.products.map(async (product) => ({
      level: await levelOf(product),
      wishes: await Promise.all(world.orders.map((order) => stateOf(product, order))),
    })),
  )
}

function expected(world: World, model: Model): unknown {
  return world.products.map((product) => ({
    level: model.level(product),
    wishes: world.orders.map((order) => {
      const state = model.wish(product, order)?.state
      return state === 'never' ? undefined : state
    }),
  }))
}

test('does what the model does, whatever comes twice, late, together or in another order', async () => {
  const property = fc.asyncProperty(history, async (recipes) => {
    const world = newWorld()
    const model = new Model()
    for (const [turn, events] of told(recipes, world).entries()) {
      await deliver(...events)
      for (const event of events) model.apply(event)
      for (const one of recipes.asks[turn] ?? []) {
        const given = askedIn(world, one)
        expect(await ask(given)).toBe(model.ask(given))
      }
      await expectRules(world)
    }
    expect(await snapshot(world)).toEqual(expected(world, model))
  })
  await fc.assert(property, { numRuns: 20 })
})

test('keeps its rules when deliveries run at the same time, and changes nothing when all come again', async () => {
  const property = fc.asyncProperty(history, async (recipes) => {
    const world = newWorld()
    const deliveries = told(recipes, world)
    const asks = recipes.asks.flat().map((one) => askedIn(world, one))
    await Promise.all([
      ...[...deliveries, ...deliveries].map((events) => deliver(...events)),
      ...[...asks, ...asks].map(ask),
    ])
    await expectRules(world)
    const before = await snapshot(world)
    for (const events of deliveries.toReversed()) await deliver(...events)
    for (const one of asks.toReversed()) await ask(one)
    expect(await snapshot(world)).toEqual(before)
  })
  await fc.assert(property, { numRuns: 12 })
})
