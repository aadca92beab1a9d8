import { expect, test } from 'vitest'

import { type Death, mortal, type Rewrite } from './mortal.ts'
import {
  ask,
  cartOf,
  eventsOf,
  letTimePass,
  member,
  offer,
  order,
  type Person,
  paid,
  put,
  quiet,
  rowsEverywhere,
  startService,
  stock,
  sweep,
  unitsOf,
  untilEnded,
} from './world.ts'

type Scenario = {
  readonly name: string
  readonly token: string
  /** Units of the second product; the order wants two. */
  readonly units: number
  readonly end: 'confirmed' | 'rejected'
}

const scenarios: readonly Scenario[] = [
  { name: 'all is there', token: 'tok_good', units: 5, end: 'confirmed' },
  { name: 'a product is not there', token: 'tok_good', units: 1, end: 'rejected' },
  { name: 'the payment is refused', token: 'tok_declined', units: 5, end: 'rejected' },
]

type Life = {
  readonly death?: Death
  readonly rewrite?: Rewrite
  /** Who goes on with what the dead one left: the cron, or the buyer who asks again. */
  readonly heir: 'sweep' | 'retry'
}

async function ordersOf(buyer: Person): Promise<readonly (readonly [string, string])[]> {
  const rows = await rowsEverywhere('SELECT id, state FROM order_head WHERE buyer = ?', [buyer.id])
  return rows.map(([id, state]) => [String(id), String(state)])
}

/** What the payments service holds for an order, by how it stands. */
function paymentOf(id: string): readonly string[] {
  const mine = [...paid.values()].filter((each) => each.order === `ord_${id}`)
  return mine.map(({ state, amountMinor, currency }) => `${state} ${amountMinor} ${currency}`)
}

/** The invariants at rest that do not hold: of order and payment, order and stock, saga and its open tries. */
async function brokenFor(
  buyer: Person,
  [first, second]: readonly [string, string],
  scenario: Scenario,
): Promise<readonly string[]> {
  const orders = await ordersOf(buyer)
  const [only] = orders
  if (only === undefined || orders.length !== 1) return [`one order: ${orders.length}`]
  const [id, state] = only
  const sagas = await rowsEverywhere('SELECT state FROM saga WHERE id = ?', [id])
  const events = (await eventsOf(id)).map(({ type, seq }) => `${Number(seq)} ${String(type)}`)
  const kept = state === 'confirmed'
  const payments = paymentOf(id).filter((each) => !/^(cancelled|void)/.test(each))
  const units = [first, second].map(unitsOf)
  const isKept = units.every((each) => each.confirmed === 2 && each.tried === undefined)
  const isFree = units.every((each) => (each.confirmed ?? each.tried) === undefined)
  const rules = {
    'the order ends as it must': state === scenario.end,
    'an order is confirmed with exactly its payment': kept
      ? payments.join() === 'confirmed 4000 EUR'
      : payments.length === 0,
    'units are promised for confirmed orders alone': kept ? isKept : isFree,
    'the saga has ended': sagas.join() === (kept ? 'done' : 'cancelled'),
    'two events tell of it': events.join() === `1 order.placed,2 order.${scenario.end}`,
  }
  return Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [rule]))
}

/** Places an order, dies, is inherited; answers how many requests it took and what is broken at the end. */
async function live(
  scenario: Scenario,
  { death, rewrite, heir }: Life,
): Promise<{ readonly sent: number; readonly broken: readonly string[] }> {
  const buyer = member()
  const cart = await cartOf(buyer)
  const [first, second] = [offer(), offer()]
  stock.set(second.product, scenario.units)
  await put(cart, first, { quantity: 2 })
  await put(cart, second, { quantity: 2 })
  const requestId = crypto.randomUUID()
  const how = { key: crypto.randomUUID(), token: scenario.token }
  const place = (headers: Readonly<Record<string, string>> = {}) =>
    order(buyer, cart, { ...how, headers, from: startService() })
  const sent = await mortal(requestId, { death, rewrite }, async () => {
    await place({ 'x-request-id': requestId })
    await quiet()
  })
  for (const [id] of await ordersOf(buyer)) {
    if (heir === 'sweep') await untilEnded(id).catch(() => undefined)
    else await letTimePass(id)
  }
  const [answer, again] = [await place(), await place()]
  const path = `/v1/orders/${String(answer.body['id'])}`
  const shown = await ask('GET', path, { headers: buyer.headers })
  await quiet()
  for (const [id] of await ordersOf(buyer)) await untilEnded(id).catch(() => undefined)
  const broken = await brokenFor(buyer, [first.product, second.product], scenario)
  const isHeard = answer.response.status === 201 && answer.text === again.text
  return {
    sent,
    broken: [
      ...broken,
      ...(isHeard ? [] : ['whoever asks again hears one answer']),
      ...(shown.body['state'] === answer.body['state'] ? [] : ['the answer is what the order is']),
    ],
  }
}

const moments = ['before', 'after'] as const

/** Every death there is. */
async function deaths(scenario: Scenario): Promise<readonly Death[]> {
  const { sent } = await live(scenario, { heir: 'sweep' })
  return Array.from({ length: sent }, (_, at) => moments.map((when) => ({ at, when }))).flat()
}

const [whole, ...failing] = scenarios
const lives = [
  ...failing.map((scenario) => ({ ...scenario, heir: 'sweep' as const })),
  ...(whole === undefined ? [] : (['sweep', 'retry'] as const).map((heir) => ({ ...whole, heir }))),
]

test.each(lives)(
  'an order is placed once and wholly when $name, killed at every request, inherited by a $heir',
  async ({ heir, ...scenario }) => {
    const all = await deaths(scenario)
    const found: string[] = []
    for (const death of all) {
      const { broken } = await live(scenario, { death, heir })
      found.push(...broken.map((rule) => `${death.when} request ${death.at}: ${rule}`))
    }

    expect(all.length).toBeGreaterThan(20)
    expect(found).toEqual([])
  },
  60_000,
)

/** A safeguard taken out of what is sent: `from` becomes `to` wherever it stands, in JSON. */
type Mutant = { readonly name: string; readonly from: string; readonly to: string }

const mutants: readonly Mutant[] = [
  {
    name: 'the answer is not kept with the decision',
    from: 'UPDATE idempotency SET response = ?\\nWHERE',
    to: 'UPDATE idempotency SET response = ?\\nWHERE false AND',
  },
  {
    name: 'the order does not learn of the decision',
    from: 'WHEN version = 1 THEN ? END WHERE id = ?',
    to: 'WHEN version = 1 THEN ? END WHERE false AND id = ?',
  },
  {
    name: 'the saga is not begun with its order',
    from: 'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    to: 'SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE false',
  },
  {
    name: 'the key is not kept with its order',
    from: 'INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, response, created_at, expires_at)\\nVALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    to: 'INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, response, created_at, expires_at)\\nSELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE false',
  },
  {
    name: 'the saga moves on without being asked where it is',
    from: 'CASE WHEN state = ? AND version = ? AND lease_epoch = ? THEN ? END',
    to: 'CASE WHEN ? <> 0 AND ? = 0 AND ? = 0 THEN ? ELSE state END',
  },
]

test.each(mutants)('an order is not placed right when $name', async ({ from, to }) => {
  const [scenario] = scenarios
  if (scenario === undefined) throw new Error('there is no scenario')
  let changed = 0
  const rewrite = (body: string) => {
    if (body.includes(from)) changed += 1
    return body.replaceAll(from, to)
  }
  const found: string[] = []
  for (const death of await deaths(scenario)) {
    const { broken } = await live(scenario, { death, rewrite, heir: 'sweep' })
    found.push(...broken)
    if (broken.length > 0) break
  }

  expect(changed).toBeGreaterThan(0)
  expect(found).not.toEqual([])
})

test('a sweep without work says so', async () => {
  expect(await sweep()).toMatchObject({ stuck: [] })
})
