import { manualClock, typedId } from '@stoa/kernel'
import type { RepairOrder } from '@stoa/reconciliation'
import { expect, test } from 'vitest'

import { createReconcilerService } from '../src/app.ts'
import { judgeStatement } from '../src/domain/money.ts'
import { repair, type Repairs } from '../src/domain/repairs.ts'
import { moneyRepairs } from '../src/store/money-repairs.ts'
import { ask, call, env, ids, newId, write } from './harness.ts'
import { insert, seedOrder, seedPayment, seedReleased, seedSaga, seedStock } from './seed.ts'

type Sent = { readonly path: string; readonly body: unknown }

const payment = typedId('pay', newId())

/** Repairs over a payments service that does all that it is asked, unless it answers otherwise. */
function handsWith(answer: () => Response = () => Response.json({ payment, booked: 1 })) {
  const sent: Sent[] = []
  const fetcher = () => async (request: Request) => {
    sent.push({ path: new URL(request.url).pathname, body: await request.json() })
    return answer()
  }
  return { sent, repairs: moneyRepairs({ fetcher }, { PAYMENTS_PROVIDER: 'sandbox' }) }
}

function orderOf(action: RepairOrder['action'], said: Readonly<Record<string, unknown>>) {
  const detail = JSON.stringify({ of: 'statement', ...said })
  const about = { class: 'missing_internal', key: '00000:op_1', amount: 500 } as const
  return { idempotencyKey: 'D:7', action, detail, ...about }
}

/** What the judge itself says of an operation that only the provider tells of. */
function foundOf(fields: Readonly<Record<string, string | number | null>>) {
  const entry = { key: '00000:op_1', at: Date.UTC(2026, 0, 2, 12), fields }
  const horizon = Number.MAX_SAFE_INTEGER
  const look = { now: entry.at, horizon, watermarks: [horizon, horizon] }
  const [found] = judgeStatement({ key: entry.key, entries: [[], [entry]] }, look)
  if (found === undefined) throw new Error('nothing is wrong')
  const { class: name, key, action, amount, detail } = found
  return { idempotencyKey: 'D:7', class: name, key, action, amount, detail: JSON.stringify(detail) }
}

const told = { payment: 'psp_1', kind: 'capture', amount: 500, currency: 'EUR' } as const
const operation = { provider: 'sandbox', payment: 'psp_1', operation: 'op_1', amountMinor: 500 }

test('has the payments service ask the provider for what only its statement tells of', async () => {
  const { sent, repairs } = handsWith()

  await repair(repairs, foundOf(told), call)

  const body = { ...operation, kind: 'capture', currency: 'EUR', cause: 'D:7' }
  expect(sent).toEqual([{ path: '/internal/payments/replays', body }])
})

test('gives back what is nobody’s when two persons have ordered it', async () => {
  const { sent, repairs } = handsWith()

  await repair(repairs, { ...foundOf(told), action: 'refund_unknown' }, call)

  const body = { ...operation, currency: 'EUR', cause: 'D:7' }
  expect(sent).toEqual([{ path: '/internal/payments/unclaimed-refunds', body }])
})

test.each(['republish_order', 'adjust'] as const)(
  'has the entries booked that operations lack, by %s',
  async (action) => {
    const { sent, repairs } = handsWith()
    const key = newId()
    const detail = '{"of":"ledger","journal":null}'
    const about = { class: 'journal_mismatch', idempotencyKey: 'D:7', amount: 5 } as const

    await repair(repairs, { ...about, action, key, detail }, call)

    expect(sent).toEqual([
      { path: '/internal/payments/rebookings', body: { payment: typedId('pay', key) } },
    ])
  },
)

test.each([
  ['money of which the provider names no payment', foundOf({ ...told, payment: null })],
  ['what went out', { ...orderOf('refund_unknown', { ...told, id: 'op_1', kind: 'refund' }) }],
  ['what it cannot read', orderOf('replay_paid', { payment: 'psp_1' })],
])('leaves %s to a person, and asks for nothing', async (_what, order) => {
  const { sent, repairs } = handsWith()

  await expect(repair(repairs, order, call)).rejects.toMatchObject({ code: 'repair_unavailable' })
  expect(sent).toEqual([])
})

test('leaves everything to a person where there is no provider', async () => {
  const fetcher = () => async () => Response.json({})
  const repairs: Repairs = moneyRepairs({ fetcher }, { PAYMENTS_PROVIDER: undefined })

  await expect(repair(repairs, foundOf(told), call)).rejects.toMatchObject({
    code: 'repair_unavailable',
  })
})

test.each(['payment_unclaimed', 'payment_operation_gone', 'ledger_disagrees'])(
  'says that a person must look when the service says %s',
  async (code) => {
    const body = { type: `/problems/${code}`, title: code, status: 409, code, detail: code }
    const headers = { 'content-type': 'application/problem+json' }
    const { repairs } = handsWith(() => Response.json(body, { status: 409, headers }))

    await expect(repair(repairs, foundOf(told), call)).rejects.toMatchObject({
      code,
      retryable: false,
    })
  },
)

/** What a trial finds wrong under a key, three hours after it was written. */
async function wrongWith(comparison: string, under: string): Promise<unknown> {
  const service = createReconcilerService(
    env,
    { defer: () => undefined, fetcher: () => () => Promise.reject(new Error('nobody is asked')) },
    { clock: manualClock(Date.now()) },
  )
  const path = '/v1/reconciliation-trials'
  const { body } = await ask({ service }, ['POST', path], { body: { comparison, under } })
  return { compared: body['compared'], items: body['items'] }
}

test('finds nothing wrong with an order that was cancelled and its money given back', async () => {
  const at = Date.now() - 3 * 3_600_000
  const order = await seedOrder({ at })
  const saga = ids.child(order)
  await seedSaga('orders', { id: order, state: 'done', at })
  await seedSaga('orders', { id: saga, state: 'done', at })
  const decided = { asked_by: 'buyer', asked_at: at, decided_at: at, cause: 'test' }
  const row = insert('order_cancellation', {
    order_id: order,
    saga,
    state: 'cancelled',
    ...decided,
  })
  await write('orders', order, row)
  const paid = await seedPayment({ order, at, voided: 500 })
  const product = await seedStock({ at, reserved: 3, open: [{ order: newId(), quantity: 3 }] })
  await seedReleased(product, { order, at })

  for (const [comparison, under] of [
    ['orders', order],
    ['payment_tries', order],
    ['ledger', paid],
    ['balances', paid],
    ['stock', product],
    ['stock_tries', product],
    ['orders_deadlines', saga],
  ] as const)
    expect([comparison, await wrongWith(comparison, under)]).toMatchObject([
      comparison,
      { items: [] },
    ])
  expect(await wrongWith('orders', order)).toMatchObject({ compared: 1 })
})
