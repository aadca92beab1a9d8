import { rootCall } from '@stoa/kernel'
import { describe, expect, inject, test } from 'vitest'

import { paymentIdOf, strangerOf, subjectOf } from '../src/domain/payment.ts'
import type { Answer, Found, ProviderRecord, Subject } from '../src/domain/provider.ts'
import { stripeProvider } from '../src/store/stripe-provider.ts'
import { ask, branch, eventsOf, ids, newCase, newId, operationsOf, readPayment } from './harness.ts'

const url = inject('stripeUrl')
const webhookSecret = 'whsec_test_stoa'
const stripe = stripeProvider({ key: 'sk_test_stoa', webhookSecret, url })
const call = rootCall('test')

function newSubject(): Subject {
  const buyer = newId()
  const [order, gid, name] = [ids.child(buyer), ids.child(buyer), 'payment']
  const payment = paymentIdOf({ buyer, gid, branch: name })
  return { payment, buyer, order, gid, branch: name }
}

function recordIn(answer: Answer | Found): ProviderRecord {
  if (answer.outcome !== 'known') throw new Error(JSON.stringify(answer))
  return answer.record
}

function authorise(
  subject: Subject,
  given: { readonly token?: string; readonly atOnce?: boolean } = {},
) {
  const { token = 'pm_card_visa', atOnce = false } = given
  const key = `${subject.gid ?? ''}:${subject.branch ?? ''}:try`
  const money = { amountMinor: 1_000, currency: 'EUR' }
  return stripe.authorise({ key, subject, ...money, token, captureAtOnce: atOnce }, call)
}

async function operate(ref: string, kind: 'capture' | 'void' | 'refund', amountMinor = 0) {
  const name = ids.child(newId())
  return stripe.operate({ key: `key-${name}`, name, kind, ref, amountMinor }, call)
}

function factsOf(answer: Answer | Found): readonly string[] {
  return recordIn(answer).facts.map(
    ({ kind, phase, amountMinor }) => `${kind} ${phase} ${amountMinor}`,
  )
}

async function spoil(words: string): Promise<void> {
  await fetch(`${url}/spoil?words=${words}`)
}

async function post(path: string, form: Record<string, string>): Promise<void> {
  const headers = { authorization: 'Bearer sk_test_stoa' }
  const body = new URLSearchParams(form)
  const response = await fetch(`${url}/v1/${path}`, { method: 'POST', headers, body })
  await response.body?.cancel()
}

async function signed(body: string, t = Math.floor(Date.now() / 1_000), secret = webhookSecret) {
  const encoder = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, [
    'sign',
  ])
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(`${t}.${body}`))
  const hex = Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `t=${t},v1=${hex}`
}

function callBack(body: string, signature: string) {
  return ask('/v1/payment-callbacks/stripe', { body, headers: { 'stripe-signature': signature } })
}

describe('the Stripe adapter', () => {
  test('authorises, and gives back whose payment it is', async () => {
    const subject = newSubject()

    const answer = await authorise(subject)

    const { facts, ...record } = recordIn(answer)
    expect(record).toMatchObject({
      provider: 'stripe',
      amountMinor: 1_000,
      currency: 'EUR',
      subject,
    })
    expect(facts).toMatchObject([{ name: 'authorise', phase: 'succeeded', amountMinor: 1_000 }])
  })

  test('tells a declined card with the word of the bank', async () => {
    const answer = await authorise(newSubject(), { token: 'pm_card_visa_chargeDeclined' })

    expect(recordIn(answer).facts).toMatchObject([
      { kind: 'authorise', phase: 'failed', code: 'generic_decline' },
    ])
  })

  test('asked again under its key says how the payment stands now', async () => {
    const subject = newSubject()
    const first = await authorise(subject, { token: 'pm_card_authenticationRequired' })
    expect(factsOf(first)).toEqual(['authorise action_required 1000'])
    await post(`test_actions/${recordIn(first).ref}`, {})

    const again = await authorise(subject, { token: 'pm_card_authenticationRequired' })

    expect(factsOf(again)).toEqual(['authorise succeeded 1000'])
  })

  test('does not know what a lost reply or an error did, and finds it by its key', async () => {
    const subject = newSubject()
    await spoil('lost')
    const lost = await authorise(subject)
    const key = `${subject.gid ?? ''}:payment:try`
    const found = await stripe.query({ key }, call)
    await spoil('500')
    const failed = await authorise(newSubject())

    expect([lost.outcome, failed.outcome]).toEqual(['unknown', 'unknown'])
    expect(factsOf(found)).toEqual(['authorise succeeded 1000'])
    expect((await stripe.query({ key: 'nobody' }, call)).outcome).toBe('absent')
  })

  test('refuses a key that was used for another payment', async () => {
    const subject = newSubject()
    await authorise(subject)

    const other = await authorise({ ...subject, order: ids.child(subject.buyer) })

    expect(other).toEqual({ outcome: 'refused', code: 'idempotency_key_reused' })
  })

  test('captures in parts, each with its own name, and refunds in parts', async () => {
    const { ref } = recordIn(await authorise(newSubject()))

    const part = await operate(ref, 'capture', 300)
    const rest = await operate(ref, 'capture', 700)
    await operate(ref, 'refund', 250)
    const refunded = await operate(ref, 'refund', 50)
    const over = await operate(ref, 'refund', 701)

    expect(factsOf(part)).toEqual(['authorise succeeded 1000', 'capture succeeded 300'])
    expect(factsOf(rest)).toEqual([...factsOf(part), 'capture succeeded 700'])
    expect(factsOf(refunded).slice(3)).toEqual(['refund succeeded 250', 'refund succeeded 50'])
    expect(new Set(recordIn(refunded).facts.map(({ name }) => name)).size).toBe(5)
    expect(over).toEqual({ outcome: 'refused', code: 'charge_already_refunded' })
  })

  test('voids what was not taken, and refuses to void what was', async () => {
    const { ref } = recordIn(await authorise(newSubject()))
    const taken = recordIn(await authorise(newSubject(), { atOnce: true })).ref

    expect(factsOf(await operate(ref, 'void'))).toEqual([
      'authorise succeeded 1000',
      'void succeeded 1000',
    ])
    expect(await operate(taken, 'void')).toEqual({
      outcome: 'refused',
      code: 'payment_intent_unexpected_state',
    })
  })

  test('takes at once for a top-up', async () => {
    expect(factsOf(await authorise(newSubject(), { atOnce: true }))).toEqual([
      'authorise succeeded 1000',
      'capture succeeded 1000',
    ])
  })

  test('tells of a dispute as a chargeback', async () => {
    const { ref } = recordIn(await authorise(newSubject(), { atOnce: true }))
    await post('test_disputes', { payment_intent: ref, amount: '400' })

    expect(factsOf(await stripe.query({ ref }, call)).at(-1)).toBe('chargeback succeeded 400')
  })

  test('names each line of a statement as the payment itself has it', async () => {
    const { ref } = recordIn(await authorise(newSubject()))
    await operate(ref, 'capture', 300)
    await operate(ref, 'capture', 300)
    await operate(ref, 'capture', 250)
    await operate(ref, 'refund', 123)
    await post('test_disputes', { payment_intent: ref, amount: '77' })
    const { ref: atOnce } = recordIn(await authorise(newSubject(), { atOnce: true }))

    const lines = await stripe.statement(new Date().toISOString().slice(0, 10), call)

    for (const [payment, amounts] of [
      [ref, [300, 300, 250, -123, -77]],
      [atOnce, [1_000]],
    ] as const) {
      const own = lines.filter((line) => line.ref === payment)
      const moved = recordIn(await stripe.query({ ref: payment }, call)).facts.filter(
        ({ kind }) => kind === 'capture' || kind === 'refund' || kind === 'chargeback',
      )
      expect(own.map(({ amountMinor }) => amountMinor)).toEqual(amounts)
      expect(own.map(({ kind, operation }) => `${kind} ${operation}`).toSorted()).toEqual(
        moved.map((fact) => `${fact.kind} ${fact.ref}`).toSorted(),
      )
    }
    expect(lines.every(({ currency }) => currency === 'EUR')).toBe(true)
  })

  test('has one key that is wrong say nothing about a payment', async () => {
    const locked = stripeProvider({ key: 'sk_wrong', webhookSecret, url })

    expect((await locked.query({ ref: 'pi_1' }, call)).outcome).toBe('unknown')
  })
})

describe('POST /v1/payment-callbacks/stripe', () => {
  const eventOf = (ref: string) =>
    JSON.stringify({
      id: `evt_${ref}`,
      object: 'event',
      type: 'payment_intent.amount_capturable_updated',
      data: { object: { id: ref, object: 'payment_intent' } },
    })

  test('takes what Stripe has of the payment, whatever the event says, and once', async () => {
    const made = newCase()
    const { payment, buyer, order, gid, branch: name } = made
    const { ref } = recordIn(await authorise({ payment, buyer, order, gid, branch: name }))
    const body = eventOf(ref)

    const first = await callBack(body, await signed(body))
    const again = await callBack(body, await signed(body))

    expect([first.status, again.status]).toEqual([200, 200])
    expect(await eventsOf(payment)).toEqual(['payment.authorised'])
    expect((await readPayment(made)).body['state']).toBe('authorised')
    expect(await operationsOf(payment)).toEqual(['authorise succeeded 1000'])
    expect((await branch('confirm', made)).body).toEqual({ outcome: 'done' })
  })

  test('takes and leaves an event that is about no payment', async () => {
    const body = JSON.stringify({
      id: 'evt_1',
      object: 'event',
      type: 'customer.created',
      data: { object: { id: 'cus_1', object: 'customer' } },
    })

    expect((await callBack(body, await signed(body))).status).toBe(200)
  })

  test.each([
    ['forged', (body: string) => signed(body, undefined, 'whsec_other')],
    ['altered', (body: string) => signed(`${body} `)],
    ['stale', (body: string) => signed(body, Math.floor(Date.now() / 1_000) - 400)],
    ['unsigned', async () => ''],
  ])('refuses one that is %s', async (_what, sign) => {
    const body = eventOf('pi_x')

    const answer = await callBack(body, await sign(body))

    expect([answer.status, answer.body['code']]).toEqual([401, 'bad_callback'])
  })
})

describe('a payment that somebody else took at Stripe', () => {
  async function takenByOthers(): Promise<string> {
    const headers = { authorization: 'Bearer sk_test_stoa' }
    const form = { amount: '700', currency: 'eur', payment_method: 'pm_card_visa' }
    const body = new URLSearchParams(form)
    const response = await fetch(`${url}/v1/payment_intents`, { method: 'POST', headers, body })
    return ((await response.json()) as { readonly id: string }).id
  }

  test('is let pass when Stripe calls back', async () => {
    const ref = await takenByOthers()
    const object = { id: ref, object: 'payment_intent' }
    const event = { id: `evt_${ref}`, object: 'event', type: 'payment_intent.succeeded' }
    const body = JSON.stringify({ ...event, data: { object } })

    const { status } = await callBack(body, await signed(body))

    expect(status).toBe(200)
    expect(await operationsOf(strangerOf('stripe', ref).payment)).toEqual([])
  })

  test('is given back once, under whatever name the statement has for it', async () => {
    const ref = await takenByOthers()
    const said = { provider: 'stripe', payment: ref, operation: 'txn_1', currency: 'EUR' }
    const body = { ...said, amountMinor: 700, cause: 'D:7' }

    const first = await ask('/internal/payments/unclaimed-refunds', { body })
    const again = await ask('/internal/payments/unclaimed-refunds', { body })

    expect([first.status, again.status]).toEqual([200, 200])
    expect(factsOf(await stripe.query({ ref }, call))).toEqual([
      'authorise succeeded 700',
      'capture succeeded 700',
      'refund succeeded 700',
    ])
  })
})

test('a subject survives the way through a payment', () => {
  const subject = newSubject()
  const { payment: id, buyer, order: orderId, gid, branch: name } = subject

  expect(subjectOf({ id, buyer, orderId, gid, branch: name } as never)).toEqual(subject)
})
