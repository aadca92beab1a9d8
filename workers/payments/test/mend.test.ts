import { afterEach, describe, expect, test } from 'vitest'

import { strangerOf } from '../src/domain/payment.ts'
import {
  doAtDesk,
  readAtDesk,
  rebook,
  refOf,
  refundUnclaimed,
  replay,
  takenByOthers,
  unbook,
  write,
} from './desk.ts'
import {
  ask,
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
  expectSoundLedgers,
  memberToken,
  newCase,
  newId,
  operate,
  operationsOf,
  select,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

describe('POST /internal/payments/replays', () => {
  test('takes what the provider has and nobody heard of, once, in one query and one batch', async () => {
    const made = await bound()
    const ref = await refOf(made)
    const { operations } = await doAtDesk('captures', ref, 400)
    const operation = operations.at(-1)?.ref ?? ''
    const requestId = crypto.randomUUID()

    const first = await replay({ ref, operation, amountMinor: 400 }, requestId)
    const again = await replay({ ref, operation, amountMinor: 400 })

    expect([first.status, first.body]).toEqual([200, { payment: `pay_${made.payment}` }])
    expect(again.text).toBe(first.text)
    expect(await costsOf(requestId)).toEqual({ database: 1, provider: 1 })
    expect(await operationsOf(made.payment)).toEqual([
      'authorise succeeded 1000',
      'capture succeeded 400',
    ])
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.captured'])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 400, external: -400 })
    const causes = await select(
      "SELECT DISTINCT cause FROM payment_operation WHERE payment = ? AND kind = 'capture'",
      [made.payment],
    )
    expect(causes).toEqual([['D:7']])
  })

  test('makes a payment known whose rows are not there at all', async () => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', times: 2 })
    await branch('try', made)
    const ref = await refOf(made)
    const { operations } = await doAtDesk('captures', ref, 1_000)

    await replay({ ref, operation: operations.at(-1)?.ref ?? '', amountMinor: 1_000 })

    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
  })

  test('gives back what a cancelled branch turns out to hold', async () => {
    const late = newCase()
    await branch('cancel', late)
    await spoilProvider({ action: 'drop-reply', times: 2 })
    await branch('try', late)
    const ref = await refOf(late)
    const { operations } = await doAtDesk('captures', ref, 300)

    await replay({ ref, operation: operations.at(-1)?.ref ?? '', amountMinor: 300 })

    expect((await readAtDesk(ref)).operations.map(({ kind }) => kind)).toContain('refund')
    expect(await booksOf(late.payment)).toMatchObject({ captured: 0 })
  })

  test.each([
    ['another amount', { amountMinor: 401 }, 'payment_operation_gone'],
    ['another currency', { currency: 'USD' }, 'payment_operation_gone'],
    ['another kind', { kind: 'refund' }, 'payment_operation_gone'],
    ['a payment that is not there', { ref: 'sbx_0' }, 'payment_operation_gone'],
  ])('refuses %s, and writes nothing', async (_what, change, code) => {
    const made = await bound()
    const ref = await refOf(made)
    const { operations } = await doAtDesk('captures', ref, 400)
    const said = { ref, operation: operations.at(-1)?.ref ?? '', amountMinor: 400, ...change }

    const answer = await replay(said)

    expect([answer.status, answer.body['code']]).toEqual([409, code])
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
  })

  test('refuses a payment of somebody else, and writes nothing', async () => {
    const { ref, operations } = await takenByOthers(500)

    const answer = await replay({ ref, operation: operations[1]?.ref ?? '', amountMinor: 500 })

    expect([answer.status, answer.body['code']]).toEqual([409, 'payment_unclaimed'])
    expect(await operationsOf(strangerOf('sandbox', ref).payment)).toEqual([])
  })

  test('says that it does not know while the provider does not answer', async () => {
    const made = await bound()
    await spoilProvider({ action: 'drop-reply', times: 1 })

    const answer = await replay({ ref: await refOfQuietly(made), operation: 'x', amountMinor: 1 })

    expect([answer.status, answer.body['code']]).toEqual([503, 'payment_provider_unavailable'])
  })
})

/** Read from here, since the provider is spoilt. */
async function refOfQuietly({ payment }: { readonly payment: string }): Promise<string> {
  const [row] = await select('SELECT provider_ref FROM payment WHERE id = ?', [payment])
  return String(row?.[0])
}

describe('POST /internal/payments/unclaimed-refunds', () => {
  test('gives back one operation, and has both what came and what went in the books', async () => {
    const { ref, operations } = await takenByOthers(300, 200)
    const [, first] = operations
    const { payment } = strangerOf('sandbox', ref)
    const said = { ref, operation: first?.ref ?? '', amountMinor: 300 }

    const one = await refundUnclaimed(said)
    const two = await refundUnclaimed(said)

    expect([one.status, one.body]).toEqual([200, { payment: `pay_${payment}` }])
    expect(two.text).toBe(one.text)
    const there = (await readAtDesk(ref)).operations.map(
      ({ kind, amountMinor }) => `${kind} ${amountMinor}`,
    )
    expect(there).toEqual(['authorise 500', 'capture 300', 'capture 200', 'refund 300'])
    expect(await booksOf(payment)).toMatchObject({ captured: 200, external: -200 })
    expect((await operationsOf(payment)).toSorted()).toEqual([
      'authorise succeeded 500',
      'capture succeeded 200',
      'capture succeeded 300',
      'refund requested 300',
      'refund succeeded 300',
    ])
    const cause = 'SELECT DISTINCT cause FROM payment_operation WHERE payment = ? AND stage = 0'
    expect(await select(cause, [payment])).toEqual([['D:7']])
    await expectSoundLedgers()
  })

  test('gives back each operation once, though ten ask at once for each', async () => {
    const { ref, operations } = await takenByOthers(300, 200)
    const asked = operations
      .slice(1)
      .flatMap(({ ref: operation, amountMinor }) =>
        Array.from({ length: 10 }, () => refundUnclaimed({ ref, operation, amountMinor })),
      )

    const statuses = (await Promise.all(asked)).map(({ status }) => status)

    expect(new Set(statuses)).toEqual(new Set([200]))
    const back = (await readAtDesk(ref)).operations.filter(({ kind }) => kind === 'refund')
    expect(back.map(({ amountMinor }) => amountMinor).toSorted()).toEqual([200, 300])
    expect(await booksOf(strangerOf('sandbox', ref).payment)).toMatchObject({ captured: 0 })
  })

  test('refuses money that a payment of ours claims', async () => {
    const made = await captured()
    const ref = await refOf(made)
    const operation = (await readAtDesk(ref)).operations.at(-1)?.ref ?? ''

    const answer = await refundUnclaimed({ ref, operation, amountMinor: 1_000 })

    expect([answer.status, answer.body['code']]).toEqual([409, 'payment_claimed'])
    expect(await operationsOf(made.payment)).not.toContain('refund requested 1000')
  })

  test.each([
    ['more than was taken', { amountMinor: 501 }],
    ['less than was taken', { amountMinor: 499 }],
    ['another currency', { currency: 'USD' }],
  ])('refuses %s', async (_what, change) => {
    const { ref, operations } = await takenByOthers(500)
    const said = { ref, operation: operations[1]?.ref ?? '', amountMinor: 500, ...change }

    expect((await refundUnclaimed(said)).body['code']).toBe('payment_operation_gone')
    expect((await readAtDesk(ref)).operations).toHaveLength(2)
  })

  test('refuses what somebody else has given back meanwhile', async () => {
    const { ref, operations } = await takenByOthers(500)
    await doAtDesk('refunds', ref, 500)
    const said = { ref, operation: operations[1]?.ref ?? '', amountMinor: 500 }

    expect((await refundUnclaimed(said)).body['code']).toBe('refund_exceeds_capture')
    expect((await readAtDesk(ref)).operations).toHaveLength(3)
  })

  test('hears what happens to the payment afterwards, and to no other of somebody else', async () => {
    const { ref, operations } = await takenByOthers(300, 200)
    await refundUnclaimed({ ref, operation: operations[1]?.ref ?? '', amountMinor: 300 })
    const other = await takenByOthers(100)
    await control('psp/chargebacks', { ref, amountMinor: 200 })

    for (const each of [ref, other.ref]) await hear(each)

    expect(await eventsOf(strangerOf('sandbox', ref).payment)).toContain('payment.charged_back')
    expect(await operationsOf(strangerOf('sandbox', other.ref).payment)).toEqual([])
  })
})

/** A callback about a payment, signed by the provider, though it calls nobody about what others made. */
async function hear(ref: string): Promise<void> {
  const body = JSON.stringify({ id: `evt_${ref}`, payment: ref })
  const t = Math.floor(Date.now() / 1_000)
  const secret = new TextEncoder().encode(env['SANDBOX_CALLBACK_SECRET'] ?? '')
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', secret, hmac, false, ['sign'])
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(`${t}.${body}`))
  const hex = Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, '0'))
  expect((await callBack({ body, signature: `t=${t},v1=${hex.join('')}` })).status).toBe(200)
  expect(await callbacksOf(ref)).toEqual([])
}

async function entriesOf(payment: string): Promise<readonly string[]> {
  const rows = await select('SELECT kind, lines FROM journal WHERE account = ? ORDER BY seq', [
    payment,
  ])
  return rows.map((row) => row.join(' '))
}

describe('POST /internal/payments/rebookings', () => {
  test('appends the entries that operations lack, once, as they would have been', async () => {
    const made = await captured()
    await operate('refunds', made.payment, { body: { amountMinor: 400 } })
    const before = [await entriesOf(made.payment), await booksOf(made.payment)]
    await unbook(made.payment)
    expect(await entriesOf(made.payment)).toEqual([])
    const requestId = crypto.randomUUID()

    const first = await rebook(made.payment, requestId)
    const again = await rebook(made.payment)

    expect([first.status, first.body]).toEqual([200, { payment: `pay_${made.payment}`, booked: 2 }])
    expect(again.body).toMatchObject({ booked: 0 })
    expect(await costsOf(requestId)).toEqual({ database: 2, provider: 0 })
    expect([await entriesOf(made.payment), await booksOf(made.payment)]).toEqual(before)
    await expectSoundLedgers()
  })

  test('appends what the wallet of a top-up lacks too', async () => {
    const member = newId()
    const made = await ask('/v1/wallet/EUR/top-ups', {
      key: crypto.randomUUID(),
      token: memberToken(member),
      body: { amountMinor: 500, method: { token: 'tok_ok' } },
    })
    const payment = String(made.body['payment']).slice(4)
    const before = await booksOf(member)
    await unbook(payment, member)
    expect(await booksOf(member)).toMatchObject({ available: 0 })

    const answers = [await rebook(payment), await rebook(payment)].map(({ body }) => body['booked'])

    expect(answers).toEqual([1, 0])
    expect(await booksOf(member)).toEqual(before)
    await expectSoundLedgers()
  })

  test('changes nothing when ten ask at once', async () => {
    const made = await captured()
    await unbook(made.payment)

    const all = await Promise.all(Array.from({ length: 10 }, () => rebook(made.payment)))

    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000, external: -1_000 })
  })

  test('refuses a ledger that has what no operation says, and appends nothing', async () => {
    const made = await captured()
    const lines = '[["captured","EUR",5],["external","EUR",-5]]'
    const sql = `INSERT INTO journal (account, seq, source, kind, lines, at) VALUES (?, 2, ?, 'capture', ?, 1)`
    await write(made.payment, { sql, args: [made.payment, `${made.payment}:x`, lines] })
    const before = await entriesOf(made.payment)

    const answer = await rebook(made.payment)

    expect([answer.status, answer.body['code']]).toEqual([409, 'ledger_disagrees'])
    expect(await entriesOf(made.payment)).toEqual(before)
  })

  test('knows no payment that never was', async () => {
    expect((await rebook(newId())).body['code']).toBe('payment_not_found')
  })
})
