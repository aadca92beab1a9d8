import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  type Answer,
  ask,
  booksOf,
  bound,
  callBack,
  callbacksOf,
  clearFaults,
  clearingTotal,
  control,
  costsOf,
  eventsOf,
  expectSoundLedgers,
  memberToken,
  newId,
  operate,
  readPayment,
  select,
  spoilDatabase,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

function walletOf(member: string) {
  return ask('/v1/wallet', { token: memberToken(member) })
}

function topUp(
  member: string,
  amountMinor: number,
  asking: { readonly key?: string; readonly token?: string; readonly requestId?: string } = {},
) {
  const { key = crypto.randomUUID(), token = 'tok_ok', requestId } = asking
  return ask('/v1/wallet/EUR/top-ups', {
    key,
    token: memberToken(member),
    body: { amountMinor, method: { token } },
    ...(requestId === undefined ? {} : { requestId }),
  })
}

async function rich(amountMinor = 1_000): Promise<string> {
  const member = newId()
  expect((await topUp(member, amountMinor)).status).toBe(201)
  return member
}

async function opened(): Promise<string> {
  const member = newId()
  const answer = await ask('/v1/wallet/EUR', { method: 'PUT', token: memberToken(member) })
  expect(answer.status).toBe(204)
  return member
}

function transfer(
  from: string,
  to: string,
  amountMinor: number,
  key: string = crypto.randomUUID(),
) {
  return ask('/v1/transfers', {
    key,
    token: memberToken(from),
    body: { to: typedId('usr', to), amountMinor, currency: 'EUR' },
  })
}

function readTransfer(from: string, id: unknown) {
  return ask(`/v1/transfers/${String(id)}`, { token: memberToken(from) })
}

async function availableOf(member: string): Promise<unknown> {
  return (await booksOf(member))['available']
}

describe('a wallet', () => {
  test('is opened once in a currency, empty', async () => {
    const member = await opened()
    await ask('/v1/wallet/EUR', { method: 'PUT', token: memberToken(member) })

    expect((await walletOf(member)).body).toEqual({
      member: typedId('usr', member),
      balances: [{ currency: 'EUR', availableMinor: 0, frozenMinor: 0 }],
    })
  })

  test('is topped up in three round trips, once for a key', async () => {
    const member = newId()
    const [key, requestId] = [crypto.randomUUID(), crypto.randomUUID()]

    const first = await topUp(member, 500, { key, requestId })
    const again = await topUp(member, 500, { key })

    expect(again.text).toBe(first.text)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await costsOf(requestId)).toEqual({ database: 2, provider: 1 })
    expect((await walletOf(member)).body['balances']).toEqual([
      { currency: 'EUR', availableMinor: 500, frozenMinor: 0 },
    ])
    const payment = String(first.body['payment']).slice(4)
    expect((await readPayment({ buyer: member, payment } as never)).body).toMatchObject({
      state: 'captured',
      order: null,
    })
    expect(await eventsOf(payment)).toEqual(['payment.authorised', 'payment.captured'])
    await expectSoundLedgers()
  })

  test('is credited when the payer has shown who it is, whoever tells', async () => {
    const member = newId()
    const { body } = await topUp(member, 500, { token: 'tok_3ds' })
    const payment = String(body['payment']).slice(4)
    const [[ref] = []] = await select('SELECT provider_ref FROM payment WHERE id = ?', [payment])
    expect(await availableOf(member)).toBe(0)
    await control('psp/actions', { ref })

    const callbacks = await callbacksOf(String(ref))
    for (const callback of [...callbacks, ...callbacks]) await callBack(callback)

    expect(await availableOf(member)).toBe(500)
  })

  test('is not credited by a card that is declined, now or again', async () => {
    const member = newId()
    const key = crypto.randomUUID()

    for (let turn = 0; turn < 2; turn += 1) {
      const { status, body } = await topUp(member, 500, { key, token: 'tok_declined' })
      expect([status, body['code']]).toEqual([409, 'payment_operation_refused'])
    }
    expect(await availableOf(member)).toBe(0)
  })

  test('is credited once when replies are lost and the request comes again', async () => {
    const member = newId()
    const key = crypto.randomUUID()
    await spoilProvider({ action: 'drop-reply', times: 2 })

    const first = await topUp(member, 500, { key })
    await spoilDatabase({ action: 'drop-reply', match: { contains: member } })
    const second = await topUp(member, 500, { key })

    expect([first.status, second.status]).toEqual([503, 201])
    expect(await availableOf(member)).toBe(500)
    await expectSoundLedgers()
  })

  test('gives nothing back as a refund', async () => {
    const member = newId()
    const { body } = await topUp(member, 500)

    const refused = await operate('refunds', String(body['payment']).slice(4))

    expect([refused.status, refused.body['code']]).toEqual([409, 'payment_not_refundable'])
  })
})

describe('a transfer', () => {
  test('moves money to another member, and leaves nothing on the way', async () => {
    const [from, to] = [await rich(), await opened()]

    const { status, body } = await transfer(from, to, 300)

    expect(status).toBe(201)
    await expect.poll(() => availableOf(to), { timeout: 5_000 }).toBe(300)
    expect((await readTransfer(from, body['id'])).body).toMatchObject({
      id: body['id'],
      to: typedId('usr', to),
      amountMinor: 300,
      state: 'sent',
    })
    expect(await booksOf(from)).toMatchObject({ available: 700, frozen: 0 })
    await expect.poll(() => clearingTotal('EUR'), { timeout: 5_000 }).toBe(0)
    await expectSoundLedgers()
  })

  test('is one for a key, and answered with the same bytes', async () => {
    const [from, to] = [await rich(), await opened()]
    const key = crypto.randomUUID()

    const answers = await Promise.all(Array.from({ length: 5 }, () => transfer(from, to, 300, key)))

    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    await expect.poll(() => availableOf(to), { timeout: 5_000 }).toBe(300)
    expect(await availableOf(from)).toBe(700)
  })

  test.each([
    ['more than there is', 1_001, opened, 'insufficient_funds'],
    ['anything to a member without a wallet', 1, async () => newId(), 'unknown_account'],
  ])('of %s is refused, and nothing moves', async (_what, amount, taker, code) => {
    const [from, to] = [await rich(), await taker()]

    const { body } = await transfer(from, to, amount)

    const read = await readTransfer(from, body['id'])
    expect(read.body).toMatchObject({ state: 'refused', code })
    await expect.poll(async () => (await booksOf(from))['frozen'], { timeout: 5_000 }).toBe(0)
    expect(await availableOf(from)).toBe(1_000)
  })

  test('to oneself is refused with 400', async () => {
    const from = await rich()

    const { status, body } = await transfer(from, from, 1)

    expect([status, body['code']]).toEqual([400, 'transfer_to_self'])
  })

  test('is shown to its sender alone', async () => {
    const [from, to] = [await rich(), await opened()]
    const { body } = await transfer(from, to, 1)

    const foreign = await readTransfer(to, body['id'])

    expect([foreign.status, foreign.body['code']]).toEqual([404, 'transfer_not_found'])
  })

  test('never makes or loses money, among six members at once', async () => {
    const members = await Promise.all(Array.from({ length: 6 }, () => rich(100)))
    const pairs = members.flatMap((from, at) => [
      [from, members[(at + 1) % 6] ?? from] as const,
      [from, members[(at + 3) % 6] ?? from] as const,
    ])

    await Promise.all(pairs.map(([from, to]) => transfer(from, to, 70)))

    const held = async () => {
      const books = await Promise.all(members.map(booksOf))
      expect(books.every((each) => Number(each['available']) >= 0)).toBe(true)
      return books.reduce((sum, each) => sum + Number(each['available']), 0)
    }
    await expect.poll(held, { timeout: 10_000 }).toBe(600)
    await expectSoundLedgers()
  })
})

describe('the sweep', () => {
  function sweep(): Promise<Answer> {
    return ask('/internal/payments/sweeps', { body: {} })
  }

  test('settles what a request that died has asked for', async () => {
    const made = await bound()
    await spoilProvider({ action: 'drop-reply' })
    await operate('captures', made.payment)
    await clearFaults()
    const made2 = await bound()
    await spoilProvider({ action: 'drop-request' })
    await operate('captures', made2.payment)
    await clearFaults()
    const real = Date.now
    // Half a minute later, for the sweep alone.
    Date.now = () => real() + 40_000
    try {
      await sweep()
    } finally {
      Date.now = real
    }

    for (const each of [made, made2])
      expect((await readPayment(each)).body).toMatchObject({ state: 'captured' })
    expect(
      await select('SELECT id FROM payment WHERE open_since IS NOT NULL AND id IN (?, ?)', [
        made.payment,
        made2.payment,
      ]),
    ).toEqual([])
  })

  test('goes on with transfers whose runner died', async () => {
    const [from, to] = [await rich(), await opened()]
    await spoilDatabase({
      action: 'error',
      status: 500,
      match: { contains: 'UPDATE saga' },
      times: 2,
    })
    const { body } = await transfer(from, to, 300)
    expect((await readTransfer(from, body['id'])).body['state']).toBe('pending')
    await clearFaults()
    const real = Date.now
    Date.now = () => real() + 61_000
    try {
      await sweep()
    } finally {
      Date.now = real
    }

    expect(['sent', 'refused']).toContain((await readTransfer(from, body['id'])).body['state'])
    const sum = Number(await availableOf(from)) + Number(await availableOf(to))
    expect(sum).toBe(1_000)
    await expectSoundLedgers()
  })

  test('seals what was booked, so that no entry changes unnoticed', async () => {
    const member = await rich()
    for (let round = 0; round < 20; round += 1) {
      if ((await sweep()).body['sealed'] === 0) break
    }

    const [[seq] = []] = await select('SELECT seq FROM seal WHERE account = ?', [member])
    expect(seq).toBe(1)
  })
})
