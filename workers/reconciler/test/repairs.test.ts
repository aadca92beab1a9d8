import type { Call, QueueMessage, QueuePort } from '@stoa/kernel'
import { systemClock, typedId } from '@stoa/kernel'
import { expect, test } from 'vitest'

import type { Mending } from '../src/domain/repairs.ts'
import { serviceRepairs } from '../src/store/repairs.ts'
import { providerStatements } from '../src/store/statements.ts'
import { call, env, keyspace, newId } from './harness.ts'

function mending(of: string, more: Partial<Mending> = {}): Mending {
  const order = { class: 'event_gap', action: 'resend_events', amount: 0, detail: '{}' } as const
  return { idempotencyKey: 'D:7', key: newId(), ...order, of, said: {}, ...more }
}

type Sent = {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body: unknown
}

/** Repairs over a payments service and a queue that answer as said. */
function handsWith(answers: {
  readonly payments?: (path: string) => Response
  readonly publish?: (messages: readonly QueueMessage[]) => ReturnType<QueuePort['publish']>
}) {
  const sent: Sent[] = []
  const queue: QueuePort = {
    publish: async (messages: readonly QueueMessage[], _call: Call) =>
      answers.publish?.(messages) ?? messages.map(() => ({ messageId: 'm', deduplicated: false })),
  }
  const fetcher = () => async (request: Request) => {
    const path = new URL(request.url).pathname
    const { method, headers } = request
    sent.push({ method, path, headers, body: await request.json() })
    return answers.payments?.(path) ?? Response.json({}, { status: 500 })
  }
  const deps = {
    queue,
    publicUrl: env['PUBLIC_URL'] ?? '',
    readerOf: (name: string) => keyspace(name).router,
    clock: systemClock,
    operatorToken: 'the-operators-token',
  }
  return { sent, repairs: serviceRepairs({ fetcher }, deps) }
}

function problem(code: string): Response {
  const body = { type: `/problems/${code}`, title: code, status: 409, code, detail: code }
  return Response.json(body, {
    status: 409,
    headers: { 'content-type': 'application/problem+json' },
  })
}

function operation(payment: string): Response {
  const at = new Date(0).toISOString()
  const made = { kind: 'refund', amountMinor: 5, currency: 'EUR', createdAt: at }
  return Response.json(
    { id: typedId('pop', newId()), payment: typedId('pay', payment), ...made },
    { status: 201 },
  )
}

test('gives back what a payment holds, each time under the same keys', async () => {
  const payment = newId()
  const { sent, repairs } = handsWith({
    payments: (path) => (path.endsWith('/voids') ? problem('nothing_to_void') : operation(payment)),
  })
  const order = mending('orders', { said: { refund: payment } })

  await repairs['orders/refund_duplicate']?.(order, call)
  await repairs['orders/refund_duplicate']?.(order, call)

  const keys = sent.map(({ path, headers }) => [path, headers.get('idempotency-key')])
  expect(keys.slice(0, 2)).toEqual([
    [`/v1/payments/${typedId('pay', payment)}/voids`, `D:7:void:${payment}`],
    [`/v1/payments/${typedId('pay', payment)}/refunds`, `D:7:refund:${payment}`],
  ])
  expect(keys.slice(2)).toEqual(keys.slice(0, 2))
  expect(sent[0]?.headers.get('authorization')).toBe('Bearer the-operators-token')
})

test('does not say that money was given back when the service did not', async () => {
  const { repairs } = handsWith({ payments: () => problem('payment_not_found') })
  const order = mending('orders', { said: { refund: newId() } })

  await expect(repairs['orders/refund_duplicate']?.(order, call)).rejects.toMatchObject({
    code: 'payment_not_found',
  })
})

test('asks again for the money of a cancelled order by the branch of the saga that has ended', async () => {
  const saga = newId()
  const { sent, repairs } = handsWith({ payments: () => Response.json({ outcome: 'done' }) })
  const order = mending('orders', { said: { saga } })

  await repairs['orders/redrive_payment']?.(order, call)

  expect(sent).toMatchObject([
    {
      path: '/internal/payments/returns',
      body: { gid: saga, branch: 'payment', op: 'confirm', order: typedId('ord', order.key) },
    },
  ])
})

test.each([
  ['tries again while the provider does not say', 'pending', 'money_under_way', true],
  ['leaves to a person what the provider refuses', 'refused', 'repair_unavailable', false],
] as const)('%s', async (_what, outcome, code, retryable) => {
  const { repairs } = handsWith({ payments: () => Response.json({ outcome, code: 'odd' }) })
  const order = mending('orders', { action: 'redrive_payment', said: { saga: newId() } })

  await expect(repairs['orders/redrive_payment']?.(order, call)).rejects.toMatchObject({
    code,
    retryable,
  })
})

test('lets the orders service go on with an order that nobody has cancelled', async () => {
  const answer = { taken: 1, finished: 1, stuck: [] }
  const { sent, repairs } = handsWith({ payments: () => Response.json(answer) })

  await repairs['orders/redrive_payment']?.(mending('orders'), call)

  expect(sent.map(({ path }) => path)).toEqual(['/internal/orders/sweeps'])
})

test('cannot send again what no outbox has', async () => {
  const { repairs } = handsWith({})

  await expect(
    repairs['orders_to_stats/resend_events']?.(mending('orders_to_stats'), call),
  ).rejects.toMatchObject({ code: 'event_gone', retryable: false })
  const key = `${newId()}:${newId()}`
  await expect(repairs['twins/copy_twin']?.(mending('twins', { key }), call)).rejects.toMatchObject(
    { code: 'event_gone' },
  )
})

test('asks the payments service for the statement of a day, and drops the signs of what was given back', async () => {
  const asked: string[] = []
  const at = new Date(86_400_000).toISOString()
  const item = {
    operation: 'op_1',
    payment: 'psp_1',
    kind: 'refund',
    amountMinor: -5,
    currency: 'EUR',
    at,
  }
  const fetcher = () => async (request: Request) => {
    asked.push(new URL(request.url).pathname)
    return Response.json({ items: [item] })
  }

  const ofSandbox = providerStatements({ PAYMENTS_PROVIDER: 'sandbox' }, { fetcher })
  const ofNobody = providerStatements({ PAYMENTS_PROVIDER: undefined }, { fetcher })

  expect(await ofSandbox.ofDay('1970-01-02', call)).toEqual([
    {
      operation: 'op_1',
      payment: 'psp_1',
      kind: 'refund',
      amount: 5,
      currency: 'EUR',
      at: 86_400_000,
    },
  ])
  expect(await ofNobody.ofDay('1970-01-02', call)).toEqual([])
  expect(asked).toEqual(['/internal/payments/statements/sandbox/1970-01-02'])
})
