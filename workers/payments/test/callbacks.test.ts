import { afterEach, describe, expect, test } from 'vitest'

import {
  ask,
  atProvider,
  booksOf,
  bound,
  branch,
  callBack,
  callbacksOf,
  captured,
  clearFaults,
  control,
  costsOf,
  env,
  eventsOf,
  newCase,
  operate,
  operationsOf,
  type PspPayment,
  pspUrl,
  readPayment,
  select,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

const encoder = new TextEncoder()

async function sign(body: string, secret: string, t: number): Promise<string> {
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(`${t}.${body}`))
  const hex = Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, '0'))
  return `t=${t},v1=${hex.join('')}`
}

const secret = env['SANDBOX_CALLBACK_SECRET'] ?? ''
const seconds = () => Math.floor(Date.now() / 1_000)

async function providerRefund(
  made: { readonly payment: string },
  ref: string,
  amountMinor: number,
) {
  const response = await fetch(`${pspUrl}/v1/payments/${ref}/refunds`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${env['SANDBOX_KEY'] ?? ''}`,
      'idempotency-key': crypto.randomUUID(),
    },
    body: JSON.stringify({ amountMinor, name: `desk-${made.payment}` }),
  })
  return (await response.json()) as PspPayment
}

async function refOf(made: Parameters<typeof atProvider>[0]): Promise<string> {
  return (await atProvider(made))?.ref ?? ''
}

describe('POST /v1/payment-callbacks/sandbox', () => {
  test('takes what happened at the provider, once, in one query and one batch', async () => {
    const made = await captured()
    const ref = await refOf(made)
    await providerRefund(made, ref, 300)
    const [callback] = (await callbacksOf(ref)).slice(-1)
    if (callback === undefined) throw new Error('no callback')
    const requestId = crypto.randomUUID()

    const first = await callBack(callback, requestId)
    const second = await callBack(callback)

    expect([first.status, second.status]).toEqual([200, 200])
    expect(await costsOf(requestId)).toEqual({ database: 1, provider: 1 })
    expect((await readPayment(made)).body).toMatchObject({ refundedMinor: 300 })
    expect(await eventsOf(made.payment)).toEqual([
      'payment.authorised',
      'payment.captured',
      'payment.refunded',
    ])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 700, external: -700 })
    const rows = await select('SELECT event FROM payment_callback WHERE payment = ?', [
      made.payment,
    ])
    expect(rows).toEqual([[callback.id]])
  })

  test('comes to the same whatever order callbacks are in, and however often they come', async () => {
    const ends: string[][] = []
    for (const order of [(list: unknown[]) => list, (list: unknown[]) => list.toReversed()]) {
      const made = newCase({ token: 'tok_3ds' })
      await branch('try', made)
      const ref = await refOf(made)
      await control('psp/actions', { ref })
      const callbacks = await callbacksOf(ref)
      for (const callback of [...order([...callbacks]), ...callbacks])
        expect((await callBack(callback as (typeof callbacks)[number])).status).toBe(200)
      ends.push([...(await operationsOf(made.payment)), ...(await eventsOf(made.payment))])
    }

    expect(ends[0]).toEqual(ends[1])
    expect(ends[0]).toEqual([
      'authorise action_required 1000',
      'authorise succeeded 1000',
      'payment.action_required',
      'payment.authorised',
    ])
  })

  test('learns of an authorisation before its try does, which is then done', async () => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', times: 2 })
    await branch('try', made)
    const callbacks = await callbacksOf(await refOf(made))

    for (const callback of callbacks) await callBack(callback)

    expect((await readPayment(made)).body['state']).toBe('authorised')
    expect((await branch('try', made)).body).toEqual({ outcome: 'done' })
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised'])
  })

  test('gives back an authorisation that comes after its cancel', async () => {
    const made = newCase()
    expect((await branch('cancel', made)).body).toEqual({ outcome: 'done' })
    // The try's own request is late, and its worker is gone: only the provider tells.
    const key = `${made.gid}:${made.branch}:try`
    const { buyer, order, gid, payment } = made
    const response = await fetch(`${pspUrl}/v1/payments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${env['SANDBOX_KEY'] ?? ''}`, 'idempotency-key': key },
      body: JSON.stringify({
        amountMinor: 1_000,
        currency: 'EUR',
        token: 'tok_ok',
        metadata: { payment, buyer, order, gid, branch: made.branch },
        callbackUrl: 'http://127.0.0.1:9/',
      }),
    })
    await response.body?.cancel()
    const ref = await refOf(made)
    const [callback] = await callbacksOf(ref)
    if (callback === undefined) throw new Error('no callback')

    await callBack(callback)

    const kinds = (await atProvider(made))?.operations.map(({ kind }) => kind)
    expect(kinds).toEqual(['authorise', 'void'])
    expect(await operationsOf(made.payment)).toEqual([
      'authorise succeeded 1000',
      'void requested 1000',
      'void succeeded 1000',
    ])
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.voided'])
  })

  test('books what the bank takes back, also more than is left', async () => {
    const made = await captured()
    await operate('refunds', made.payment, { body: { amountMinor: 400 } })
    const ref = await refOf(made)
    await control('psp/chargebacks', { ref, amountMinor: 1_000 })

    for (const callback of await callbacksOf(ref)) await callBack(callback)

    expect((await readPayment(made)).body).toMatchObject({
      state: 'charged_back',
      chargedBackMinor: 1_000,
      refundedMinor: 400,
    })
    expect(await booksOf(made.payment)).toMatchObject({
      captured: 600,
      chargeback: -1_000,
      external: 400,
    })
    expect((await operate('refunds', made.payment)).body['code']).toBe('refund_exceeds_capture')
  })

  test('is asked to come again when the provider does not say', async () => {
    const made = await bound()
    const [callback] = await callbacksOf(await refOf(made))
    if (callback === undefined) throw new Error('no callback')
    await spoilProvider({ action: 'partition' })

    const { status, body } = await callBack(callback)

    expect([status, body['code']]).toEqual([503, 'payment_provider_unavailable'])
  })

  test('of a payment that does not match what was agreed is refused, and writes nothing', async () => {
    const made = await bound()
    const response = await fetch(`${pspUrl}/v1/payments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${env['SANDBOX_KEY'] ?? ''}`,
        'idempotency-key': crypto.randomUUID(),
      },
      body: JSON.stringify({
        amountMinor: 5,
        currency: 'USD',
        token: 'tok_ok',
        callbackUrl: 'http://127.0.0.1:9/',
        metadata: {
          payment: made.payment,
          buyer: made.buyer,
          order: made.order,
          gid: made.gid,
          branch: made.branch,
        },
      }),
    })
    const { ref } = (await response.json()) as PspPayment
    const [callback] = await callbacksOf(ref)
    if (callback === undefined) throw new Error('no callback')

    const { status, body } = await callBack(callback)

    expect([status, body['code']]).toEqual([409, 'payment_mismatch'])
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
  })

  test('of a payment that nobody here made is taken and left', async () => {
    const body = JSON.stringify({ id: 'evt_1', payment: 'sbx_unknown' })

    const { status } = await callBack({ body, signature: await sign(body, secret, seconds()) })

    expect(status).toBe(200)
  })
})

describe('a callback is refused', () => {
  const body = JSON.stringify({ id: 'evt_1', payment: 'sbx_x' })

  test.each([
    ['without a signature', async () => ''],
    ['with a signature that is none', async () => 't=1,v1=00'],
    ['signed by another secret', () => sign(body, 'other', seconds())],
    ['signed for another body', () => sign(`${body} `, secret, seconds())],
    ['signed six minutes ago', () => sign(body, secret, seconds() - 360)],
    ['signed for a time to come', () => sign(body, secret, seconds() + 360)],
    [
      'whose time was changed',
      async () => (await sign(body, secret, seconds() - 1_000)).replace(/t=\d+/, `t=${seconds()}`),
    ],
  ])('%s', async (_what, make) => {
    const answer = await callBack({ body, signature: await make() })

    expect([answer.status, answer.body['code']]).toEqual([401, 'bad_callback'])
  })

  test('that is signed and cannot be read', async () => {
    for (const odd of ['{"id":7}', 'nothing']) {
      const answer = await callBack({ body: odd, signature: await sign(odd, secret, seconds()) })
      expect([400, 401]).toContain(answer.status)
    }
  })

  test('that is too long, before it is read', async () => {
    const answer = await callBack({ body: 'x'.repeat(300_000), signature: 'x' })

    expect([answer.status, answer.body['code']]).toEqual([413, 'body_too_large'])
  })
})

test("a statement of the day has the provider's movements of money", async () => {
  const made = await captured()
  const ref = await refOf(made)
  await providerRefund(made, ref, 300)
  const today = new Date().toISOString().slice(0, 10)

  const { body } = await ask(`/internal/payments/statements/sandbox/${today}`)
  const wrong = await ask('/internal/payments/statements/sandbox/2026-13-01')

  const items = (body['items'] as { payment: string }[]).filter(({ payment }) => payment === ref)
  expect(items).toMatchObject([
    { kind: 'capture', amountMinor: 1_000, currency: 'EUR' },
    { kind: 'refund', amountMinor: -300, currency: 'EUR' },
  ])
  expect(wrong.status).toBe(400)
})
