import { clientOf } from '@stoa/contracts'
import { payments } from '@stoa/contracts/payments'
import { boundFetchers } from '@stoa/http'
import { type Fetcher, typedId } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'
import { deliveryOf } from '@stoa/testing/deliver'
import { env as bindings } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { ask, call, dump, env, newId, select, startWorld, type World } from './harness.ts'
import { published } from './queue.ts'
import { seedCancellation, seedMoney, seedOrder, seedSaga } from './seed.ts'

const [secondMs, minuteMs, hourMs, dayMs] = [1_000, 60_000, 3_600_000, 86_400_000]
const bound = boundFetchers(bindings)
const money = clientOf(payments, bound('payments'))
const real = ['orders/redrive_payment', 'payments_to_orders/resend_events']

let lives = 0

/** The payments service itself behind a reconciler whose day is to come; `tamper` may stand between. */
function openWorld(
  comparison: 'orders' | 'payments_to_orders',
  tamper: (service: Fetcher) => Fetcher = (service) => service,
): Promise<World> {
  lives += 1
  const comparisons = [comparison]
  const services = (name: string) => (name === 'payments' ? tamper(bound(name)) : undefined)
  return startWorld(Date.now() + (60 + 3 * lives) * dayMs, { real, comparisons, services })
}

async function stateOf(comparison: string, key: string): Promise<unknown> {
  const sql = 'SELECT state, note FROM discrepancy WHERE comparison = ? AND key = ?'
  const [row] = await select('reconciler', sql, comparison, key)
  return row?.[0] === 'review' ? row : row?.[0]
}

/** A run over everything leaves all that is written as it is. */
async function expectNothingNew(world: World, comparison: string, beganAt: number): Promise<void> {
  const before = await dump(beganAt)
  const options = { body: { comparison }, key: `${comparison}-${beganAt}` }
  const { status } = await ask(world, ['POST', '/v1/reconciliation-runs'], options)
  expect(status).toBe(202)
  expect(await dump(beganAt)).toBe(before)
}

/** An order whose money is promised and in part taken, and whose cancellation says that it has ended. */
async function cancelledOrder(at: number, { isTried }: { readonly isTried: boolean }) {
  const order = await seedOrder({ at })
  await seedSaga('orders', { id: order, state: 'done', at })
  const saga = await seedCancellation({ order, at })
  const typed = { order: typedId('ord', order), buyer: typedId('usr', order) }
  const terms = { amountMinor: 500, currency: 'EUR', method: { token: 'tok_ok' } }
  const placing = { gid: order, branch: 'payment', ...typed, ...terms }
  await money.runPaymentBranch({ body: { ...placing, op: 'try' } }, call)
  await money.runPaymentBranch({ body: { ...placing, op: 'confirm' } }, call)
  const [[payment] = []] = await select(
    'payments',
    'SELECT id FROM payment WHERE order_id = ?',
    order,
  )
  const headers = {
    authorization: `Bearer ${env['OPERATOR_TOKEN'] ?? ''}`,
    'idempotency-key': crypto.randomUUID(),
  }
  const params = { payment: typedId('pay', String(payment)) }
  await money.capturePayment({ headers, params, body: { amountMinor: 200 } }, call)
  const back = { gid: saga, branch: 'payment', order: typed.order }
  if (isTried) await money.runReturnBranch({ body: { ...back, op: 'try' } }, call)
  return order
}

async function sumsOf(order: string): Promise<unknown> {
  const sql = 'SELECT captured_minor, voided_minor, refunded_minor FROM payment WHERE order_id = ?'
  return select('payments', sql, order)
}

test('gives back once what a cancelled order still holds, though each reply is lost', async () => {
  const lost = new Set<string>()
  const world = await openWorld('orders', (service) => async (request) => {
    const named = await request.clone().text()
    const response = await service(request)
    if (lost.has(named)) return response
    lost.add(named)
    throw new TypeError('Network connection lost')
  })
  const beganAt = world.clock.now()
  const order = await cancelledOrder(beganAt - 15 * hourMs, { isTried: true })

  await world.settle()
  expect(await stateOf('orders', order)).toBe('open')
  world.clock.advance(2 * minuteMs)
  await world.settle()
  expect(await stateOf('orders', order)).toBe('repairing')
  world.clock.advance(10 * secondMs)
  await world.settle()
  expect(await sumsOf(order)).toEqual([[200, 300, 200]])
  // Whoever was to ask again looks first.
  expect(await stateOf('orders', order)).toBe('resolved')
  expect([...lost].filter((named) => named.includes(order))).toHaveLength(1)

  await expectNothingNew(world, 'orders', beganAt)
  const asked = `SELECT count(*) FROM payment_operation AS o JOIN payment AS p ON p.id = o.payment
WHERE p.order_id = ? AND o.kind IN ('void', 'refund') AND o.phase = 'succeeded'`
  expect((await select('payments', asked, order)).flat()).toContain(2)
})

test('leaves to a person what no saga has asked the payments service for', async () => {
  const world = await openWorld('orders')
  const order = await cancelledOrder(world.clock.now() - 15 * hourMs, { isTried: false })

  await world.settle()
  world.clock.advance(2 * minuteMs)
  await world.settle()

  expect(await stateOf('orders', order)).toEqual(['review', 'branch_out_of_order'])
  expect(await sumsOf(order)).toEqual([[200, 0, 0]])
})

test('tells an order once more of the money that it never heard of, which counts once', async () => {
  const world = await openWorld('payments_to_orders')
  const beganAt = world.clock.now()
  const at = beganAt - 15 * hourMs
  const [order, payment] = [await seedOrder({ at, total: 0 }), newId()]
  const event = await seedMoney({ payment, order, at })
  const known = { payment: newId(), type: 'voided', amount: 300, heard: 300 } as const
  await seedMoney({ ...known, order, at })

  await world.settle()
  expect(await stateOf('payments_to_orders', event)).toBe('open')
  world.clock.advance(2 * minuteMs)
  await world.settle()
  expect(await stateOf('payments_to_orders', event)).toBe('repaired')
  const sent = (await published('orders')).filter(({ id }) => id === event)
  expect(sent).toHaveLength(1)
  for (let times = 0; times < 2; times += 1) {
    // As the queue would, which knows no gateway here.
    const events = sent as unknown as readonly StoaEvent[]
    const request = await deliveryOf('orders', events, env['PUBLIC_URL'] ?? '')
    expect((await bound('orders')(request)).status).toBe(200)
  }

  const rows = 'SELECT kind, amount_minor, event FROM order_money WHERE order_id = ? ORDER BY kind'
  expect(await select('orders', rows, order)).toMatchObject([
    ['captured', 500, event],
    ['voided', 300, expect.any(String)],
  ])
  world.clock.advance(2 * hourMs)
  await world.settle()
  expect(await stateOf('payments_to_orders', event)).toBe('resolved')
  await expectNothingNew(world, 'payments_to_orders', beganAt)
})
