import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  ask,
  atProvider,
  booksOf,
  bound,
  branch,
  clearFaults,
  control,
  costsOf,
  eventsOf,
  memberToken,
  newCase,
  newId,
  operationsOf,
  readPayment,
  select,
  spoilDatabase,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

describe('try', () => {
  test('authorises, in one call of the provider and one batch', async () => {
    await branch('try', newCase()) // a cold isolate reads the topology first
    const made = newCase()
    const requestId = crypto.randomUUID()

    const { status, body } = await branch('try', made, requestId)

    expect([status, body]).toEqual([200, { outcome: 'done' }])
    expect(await costsOf(requestId)).toEqual({ database: 1, provider: 1 })
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised'])
    expect((await readPayment(made)).body).toMatchObject({
      state: 'authorised',
      order: typedId('ord', made.order),
      amountMinor: 1_000,
      authorisedMinor: 1_000,
      capturedMinor: 0,
    })
  })

  test('asked ten times at once is one authorisation', async () => {
    const made = newCase()

    const answers = await Promise.all(Array.from({ length: 10 }, () => branch('try', made)))

    expect(answers.map(({ body }) => body['outcome'])).toEqual(answers.map(() => 'done'))
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
    expect((await atProvider(made))?.operations).toHaveLength(1)
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised'])
  })

  test.each([
    ['tok_declined', 'card_declined'],
    ['tok_insufficient_funds', 'insufficient_funds'],
    ['tok_expired', 'card_expired'],
  ])('refuses the card %s with its code, and says so', async (token, code) => {
    const made = newCase({ token })

    expect((await branch('try', made)).body).toEqual({ outcome: 'refused', code })
    expect((await branch('try', made)).body).toEqual({ outcome: 'refused', code })
    expect(await eventsOf(made.payment)).toEqual(['payment.declined'])
    expect((await readPayment(made)).body).toMatchObject({ state: 'failed', authorisedMinor: 0 })
  })

  test.each([
    ['the reply is lost', 'tok_ok', 1],
    ['the provider fails after it has done it', 'tok_error_after', 0],
  ])('finds by its key what was authorised when %s', async (_what, token, times) => {
    const made = newCase({ token })
    await spoilProvider({ action: 'drop-reply', times })

    expect((await branch('try', made)).body).toEqual({ outcome: 'done' })
    expect((await atProvider(made))?.operations).toHaveLength(1)
  })

  test('is pending while nothing is known, and done when it is asked again', async () => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', times: 2 })

    const first = await branch('try', made)
    const second = await branch('try', made)

    expect(first.body).toEqual({ outcome: 'pending', code: 'provider_unknown' })
    expect(second.body).toEqual({ outcome: 'done' })
    expect((await atProvider(made))?.operations).toHaveLength(1)
  })

  test('is pending when the provider has failed before it did anything', async () => {
    const made = newCase({ token: 'tok_error' })

    expect((await branch('try', made)).body['outcome']).toBe('pending')
    expect(await operationsOf(made.payment)).toEqual([])
  })

  test('waits for the payer, and is done when the payer has', async () => {
    const made = newCase({ token: 'tok_3ds' })

    const first = await branch('try', made)
    const ref = (await atProvider(made))?.ref
    expect((await readPayment(made)).body['state']).toBe('requires_action')
    await control('psp/actions', { ref })
    const second = await branch('try', made)

    expect(first.body).toEqual({ outcome: 'pending', code: 'requires_action' })
    expect(second.body).toEqual({ outcome: 'done' })
    expect(await eventsOf(made.payment)).toEqual(['payment.action_required', 'payment.authorised'])
  })

  test('is refused when the payer has failed to show who it is', async () => {
    const made = newCase({ token: 'tok_3ds' })
    await branch('try', made)
    await control('psp/actions', { ref: (await atProvider(made))?.ref, approved: false })

    const { body } = await branch('try', made)

    expect(body).toEqual({ outcome: 'refused', code: 'authentication_failed' })
  })

  test('refuses the same branch with another amount, and writes nothing', async () => {
    const made = newCase()
    await branch('try', made)

    const { body } = await branch('try', { ...made, amountMinor: 999 })

    expect(body).toEqual({ outcome: 'refused', code: 'idempotency_key_reused' })
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
  })

  test.each(['drop-reply', 'duplicate'])('is one when its batch meets %s', async (action) => {
    const made = newCase()
    await spoilDatabase({ action, match: { contains: made.payment } })

    expect((await branch('try', made)).body).toEqual({ outcome: 'done' })
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised'])
  })
})

describe('confirm', () => {
  test('binds the payment in one round trip, and takes no money', async () => {
    const made = newCase()
    await branch('try', made)
    const requestId = crypto.randomUUID()

    const { body } = await branch('confirm', made, requestId)

    expect(body).toEqual({ outcome: 'done' })
    expect(await costsOf(requestId)).toEqual({ database: 1, provider: 0 })
    expect((await atProvider(made))?.operations).toHaveLength(1)
    expect((await branch('confirm', made)).body).toEqual({ outcome: 'done' })
  })

  test('without its try is refused with 409', async () => {
    const { status, body } = await branch('confirm', newCase())

    expect([status, body['code']]).toEqual([409, 'branch_out_of_order'])
  })
})

describe('cancel', () => {
  test('gives the authorisation back, once', async () => {
    const made = newCase()
    await branch('try', made)
    const requestId = crypto.randomUUID()

    expect((await branch('cancel', made, requestId)).body).toEqual({ outcome: 'done' })
    expect((await branch('cancel', made)).body).toEqual({ outcome: 'done' })

    expect((await atProvider(made))?.operations.map(({ kind }) => kind)).toEqual([
      'authorise',
      'void',
    ])
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.voided'])
    expect((await readPayment(made)).body).toMatchObject({ state: 'voided', voidedMinor: 1_000 })
    expect(await costsOf(requestId)).toEqual({ database: 4, provider: 2 })
  })

  test('before its try is remembered: the try is then refused, and what it promised given back', async () => {
    const made = newCase()

    const cancelled = await branch('cancel', made)
    const tried = await branch('try', made)

    expect(cancelled.body).toEqual({ outcome: 'done' })
    expect(tried.body).toEqual({ outcome: 'refused', code: 'hanging' })
    expect((await atProvider(made))?.operations.map(({ kind }) => kind)).toEqual([
      'authorise',
      'void',
    ])
    expect(await operationsOf(made.payment)).toEqual([
      'authorise succeeded 1000',
      'void requested 1000',
      'void succeeded 1000',
    ])
  })

  test('finds what a try did of which nothing was heard', async () => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', times: 2 })
    expect((await branch('try', made)).body['outcome']).toBe('pending')

    expect((await branch('cancel', made)).body).toEqual({ outcome: 'done' })

    expect((await atProvider(made))?.operations.map(({ kind }) => kind)).toEqual([
      'authorise',
      'void',
    ])
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.voided'])
  })

  test('is asked again while the provider does not say', async () => {
    const made = newCase()
    await branch('try', made)
    await spoilProvider({ action: 'partition' })

    const first = await branch('cancel', made)
    await clearFaults()
    const second = await branch('cancel', made)

    expect(first.body).toEqual({ outcome: 'pending', code: 'provider_unknown' })
    expect(second.body).toEqual({ outcome: 'done' })
    expect((await readPayment(made)).body['state']).toBe('voided')
  })

  test('closes a payment that waits for its payer', async () => {
    const made = newCase({ token: 'tok_3ds' })
    await branch('try', made)

    expect((await branch('cancel', made)).body).toEqual({ outcome: 'done' })

    await expect(control('psp/actions', { ref: (await atProvider(made))?.ref })).rejects.toThrow(
      'no_action_required',
    )
  })

  test('of a declined payment has nothing to give back', async () => {
    const made = newCase({ token: 'tok_declined' })
    await branch('try', made)

    expect((await branch('cancel', made)).body).toEqual({ outcome: 'done' })
    expect(await operationsOf(made.payment)).toEqual(['authorise failed 1000'])
  })

  test('after a confirm is refused with 409', async () => {
    const made = await bound()

    const { status, body } = await branch('cancel', made)

    expect([status, body['code']]).toEqual([409, 'branch_out_of_order'])
    expect((await readPayment(made)).body['state']).toBe('authorised')
  })
})

describe('GET /v1/payments/{payment}', () => {
  test('costs one round trip, and one for the list of an order', async () => {
    const made = await bound()
    const [one, list] = [crypto.randomUUID(), crypto.randomUUID()]

    await readPayment(made, one)
    const { body } = await ask(`/v1/orders/${typedId('ord', made.order)}/payments`, {
      token: memberToken(made.buyer),
      requestId: list,
    })

    expect(body['items']).toMatchObject([{ id: typedId('pay', made.payment), state: 'authorised' }])
    expect(await costsOf(one)).toEqual({ database: 1, provider: 0 })
    expect(await costsOf(list)).toEqual({ database: 1, provider: 0 })
  })

  test("shows nobody another's payment", async () => {
    const made = await bound()

    const foreign = await readPayment({ ...made, buyer: newId() })
    const list = await ask(`/v1/orders/${typedId('ord', made.order)}/payments`, {
      token: memberToken(newId()),
    })

    expect([foreign.status, foreign.body['code']]).toEqual([404, 'payment_not_found'])
    expect(list.body).toEqual({ items: [] })
  })
})

test('moves no money before it is captured', async () => {
  const made = await bound()

  expect(Object.values(await booksOf(made.payment))).toEqual([0, 0, 0, 0])
  expect(await select('SELECT 1 FROM journal WHERE account = ?', [made.payment])).toEqual([])
})
