import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  atProvider,
  booksOf,
  bound,
  branch,
  captured,
  clearFaults,
  control,
  costsOf,
  eventsOf,
  expectSoundLedgers,
  memberToken,
  newCase,
  newId,
  operate,
  operationsOf,
  readPayment,
  select,
  spoilDatabase,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

describe('a capture', () => {
  test('of a part, and of what is left, books what was taken', async () => {
    const made = await bound()

    const part = await operate('captures', made.payment, { body: { amountMinor: 300 } })
    expect((await readPayment(made)).body['state']).toBe('partially_captured')
    const rest = await operate('captures', made.payment)

    expect([part.status, part.body['amountMinor']]).toEqual([201, 300])
    expect([rest.status, rest.body['amountMinor']]).toEqual([201, 700])
    expect((await readPayment(made)).body).toMatchObject({
      state: 'captured',
      capturedMinor: 1_000,
    })
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000, external: -1_000 })
    expect(await eventsOf(made.payment)).toEqual([
      'payment.authorised',
      'payment.captured',
      'payment.captured',
    ])
    await expectSoundLedgers()
  })

  test('costs two batches and one call of the provider, and a repeat two round trips', async () => {
    const made = await bound()
    const [first, again, key] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()]

    await operate('captures', made.payment, { key, requestId: first })
    await operate('captures', made.payment, { key, requestId: again })

    expect(await costsOf(first)).toEqual({ database: 2, provider: 1 })
    expect(await costsOf(again)).toEqual({ database: 2, provider: 0 })
  })

  test('above what is authorised is refused, and nothing written', async () => {
    const made = await bound()

    const over = await operate('captures', made.payment, { body: { amountMinor: 1_001 } })

    expect([over.status, over.body['code']]).toEqual([409, 'capture_exceeds_authorisation'])
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
    expect(await select('SELECT 1 FROM idempotency WHERE slot = ?', [made.payment])).toEqual([])
  })

  test('of twenty at once takes what is there, and no more', async () => {
    const made = await bound()

    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        operate('captures', made.payment, { body: { amountMinor: 100 } }),
      ),
    )

    const done = answers.filter(({ status }) => status === 201)
    expect(done).toHaveLength(10)
    expect(
      new Set(answers.filter((each) => !done.includes(each)).map(({ body }) => body['code'])),
    ).toEqual(new Set(['capture_exceeds_authorisation']))
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
  })

  test('of a payment that is not bound to its order is refused', async () => {
    const made = newCase()
    await branch('try', made)

    const { status, body } = await operate('captures', made.payment)

    expect([status, body['code']]).toEqual([409, 'payment_not_bound'])
  })

  test('of a payment that is not there is refused with 404', async () => {
    const { status, body } = await operate('captures', newId())

    expect([status, body['code']]).toEqual([404, 'payment_not_found'])
  })

  test('that the provider refuses is refused for ever, with its word', async () => {
    const made = await bound({ token: 'tok_capture_refused' })
    const key = crypto.randomUUID()

    const first = await operate('captures', made.payment, { key })
    const again = await operate('captures', made.payment, { key })

    for (const { status, body } of [first, again]) {
      expect([status, body['code']]).toEqual([409, 'payment_operation_refused'])
      expect(body['detail']).toContain('capture_refused')
    }
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.operation_failed'])
    expect((await readPayment(made)).body['state']).toBe('authorised')
  })

  test('is for operators alone', async () => {
    const made = await bound()

    const member = await operate('captures', made.payment, { token: memberToken(made.buyer) })

    expect([member.status, member.body['code']]).toEqual([403, 'not_allowed'])
  })

  test.each([0, -1, 1.5, '5', 1e13])('of %j is refused with 400', async (amountMinor) => {
    const { status } = await operate('captures', newId(), { body: { amountMinor } })

    expect(status).toBe(400)
  })
})

describe('an Idempotency-Key', () => {
  test('of a hundred requests at once is one execution; the others wait or hear the same bytes', async () => {
    const made = await bound()
    const key = crypto.randomUUID()

    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        operate('captures', made.payment, { key, body: { amountMinor: 400 } }),
      ),
    )
    const after = await operate('captures', made.payment, { key, body: { amountMinor: 400 } })

    const done = answers.filter(({ status }) => status === 201)
    const busy = answers.filter(({ status }) => status === 409)
    expect(done.length).toBeGreaterThan(0)
    expect(done.length + busy.length).toBe(100)
    expect(new Set(busy.map(({ body }) => body['code']))).toEqual(
      busy.length === 0 ? new Set() : new Set(['request_in_progress']),
    )
    expect(busy.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true)
    expect(new Set([...done, after].map(({ text }) => text)).size).toBe(1)
    expect(done.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(
      1,
    )
    expect(after.headers.get('idempotency-replayed')).toBe('true')
    const kinds = (await atProvider(made))?.operations.map(({ kind }) => kind)
    expect(kinds).toEqual(['authorise', 'capture'])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 400 })
  })

  test('with another body is refused with 422', async () => {
    const made = await bound()
    const key = crypto.randomUUID()
    await operate('captures', made.payment, { key, body: { amountMinor: 1 } })

    const { status, body } = await operate('captures', made.payment, {
      key,
      body: { amountMinor: 2 },
    })

    expect([status, body['code']]).toEqual([422, 'idempotency_key_reused'])
  })

  test('goes on where the provider left its first request without an answer', async () => {
    const made = await bound()
    const key = crypto.randomUUID()
    await spoilProvider({ action: 'drop-reply' })

    const first = await operate('captures', made.payment, { key })
    expect(await operationsOf(made.payment)).toContain('capture requested 1000')
    const second = await operate('captures', made.payment, { key })

    expect([first.status, first.body['code']]).toEqual([503, 'payment_provider_unavailable'])
    expect(second.status).toBe(201)
    const kinds = (await atProvider(made))?.operations.map(({ kind }) => kind)
    expect(kinds).toEqual(['authorise', 'capture'])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
  })

  test('holds what was asked while its answer is not known', async () => {
    const made = await bound()
    await spoilProvider({ action: 'partition' })
    await operate('captures', made.payment, { body: { amountMinor: 600 } })
    await clearFaults()

    const { body } = await operate('captures', made.payment, { body: { amountMinor: 500 } })

    expect(body['code']).toBe('capture_exceeds_authorisation')
  })

  test.each(['drop-reply', 'duplicate'])('survives %s of each of its batches', async (action) => {
    const made = await bound()
    const match = { contains: 'INSERT INTO payment_operation' }
    await spoilDatabase({ action, match })
    await spoilDatabase({ action, match, skip: 1 })

    const { status } = await operate('captures', made.payment)

    expect(status).toBe(201)
    expect(await operationsOf(made.payment)).toEqual([
      'authorise succeeded 1000',
      'capture requested 1000',
      'capture succeeded 1000',
    ])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
  })
})

describe('a refund', () => {
  test('of a part, and of what is left, gives back what was taken', async () => {
    const made = await captured()

    await operate('refunds', made.payment, { body: { amountMinor: 250 } })
    expect((await readPayment(made)).body['state']).toBe('partially_refunded')
    const rest = await operate('refunds', made.payment)

    expect(rest.body['amountMinor']).toBe(750)
    expect((await readPayment(made)).body).toMatchObject({
      state: 'refunded',
      refundedMinor: 1_000,
    })
    expect(await booksOf(made.payment)).toMatchObject({ captured: 0, external: 0 })
    await expectSoundLedgers()
  })

  test('above what was taken is refused, and nothing written', async () => {
    const made = await bound()
    await operate('captures', made.payment, { body: { amountMinor: 600 } })
    const before = await operationsOf(made.payment)

    const over = await operate('refunds', made.payment, { body: { amountMinor: 601 } })

    expect([over.status, over.body['code']]).toEqual([409, 'refund_exceeds_capture'])
    expect(await operationsOf(made.payment)).toEqual(before)
  })

  test('of what the bank has taken back is refused', async () => {
    const made = await captured()
    const ref = (await atProvider(made))?.ref
    await control('psp/chargebacks', { ref, amountMinor: 900 })
    // The refund hears of it first from the provider, which refuses.
    const { body } = await operate('refunds', made.payment, { body: { amountMinor: 200 } })

    expect(body['code']).toBe('payment_operation_refused')
  })
})

describe('a void', () => {
  test('gives back what is left, after which nothing can be taken', async () => {
    const made = await bound()
    await operate('captures', made.payment, { body: { amountMinor: 400 } })

    const { status, body } = await operate('voids', made.payment)
    const late = await operate('captures', made.payment, { body: { amountMinor: 1 } })
    const again = await operate('voids', made.payment)

    expect([status, body['amountMinor'], body['kind']]).toEqual([201, 600, 'void'])
    expect(late.body['code']).toBe('capture_exceeds_authorisation')
    expect([again.status, again.body['code']]).toEqual([409, 'nothing_to_void'])
    expect((await readPayment(made)).body).toMatchObject({
      id: typedId('pay', made.payment),
      state: 'captured',
      voidedMinor: 600,
    })
  })
})
