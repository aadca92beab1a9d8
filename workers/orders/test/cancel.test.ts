import { typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import {
  ask,
  cancel,
  cancellerOf,
  eventsOf,
  hooks,
  letDeadlinePass,
  letTimePass,
  member,
  offer,
  operator,
  paid,
  type Placed,
  placed,
  quiet,
  reserved,
  rowsEverywhere,
  roundTripsOf,
  startService,
  sweep,
  unitsOf,
  untilEnded,
  writeEverywhere,
} from './world.ts'

afterEach(() => {
  delete hooks.fetch
})

async function confirmed(): Promise<{ readonly made: Placed; readonly product: string }> {
  const book = offer()
  const made = await placed([book])
  await quiet()
  return { made, product: book.product }
}

async function shown({ id, buyer }: Placed): Promise<Record<string, unknown>> {
  return (await ask('GET', `/v1/orders/${id}`, { headers: buyer.headers })).body
}

function paymentStates({ id }: Pick<Placed, 'id'>): readonly string[] {
  return [...paid.values()].filter((each) => each.order === id).map(({ state }) => state)
}

async function typesOf({ raw }: Placed): Promise<readonly unknown[]> {
  return (await eventsOf(raw)).map(({ type, seq }) => `${Number(seq)} ${String(type)}`)
}

/** Nothing of a neighbour is heard from now on. */
function silence(which: 'warehouse' | 'payments'): void {
  hooks.fetch = async (name, answer) => {
    if (name === which) throw new TypeError('Network connection lost.')
    return answer()
  }
}

describe('a confirmed order', () => {
  test('is cancelled for its buyer: money and units go back, and one event tells of it', async () => {
    const { made, product } = await confirmed()

    const { response, body } = await cancel(made)
    await quiet()

    expect(response.status).toBe(202)
    expect(body).toMatchObject({ state: 'cancelled', cancellation: { by: 'buyer' }, missing: [] })
    expect(await shown(made)).toEqual(body)
    expect([unitsOf(product), paymentStates(made)]).toEqual([{ released: 1 }, ['returned']])
    const [, , told, ...more] = await eventsOf(made.raw)
    expect(more).toEqual([])
    expect(told).toMatchObject({
      type: 'order.cancelled',
      seq: 3,
      data: { order: made.raw, buyer: made.buyer.id, by: 'buyer', totalMinor: 1_000 },
    })
    const { body: list } = await ask('GET', '/v1/orders', { headers: made.buyer.headers })
    expect(list['items']).toMatchObject([{ id: made.id, state: 'cancelled' }])
  })

  test('is cancelled for an operator, who is no buyer', async () => {
    const { made } = await confirmed()

    const { response, body } = await cancel(made, { headers: operator })

    expect(response.status).toBe(202)
    expect(body).toMatchObject({ state: 'cancelled', cancellation: { by: 'operator' } })
  })

  test('is cancelled in four round trips, and answered again in two', async () => {
    const { made } = await confirmed()
    const key = crypto.randomUUID()
    const [first, again] = [crypto.randomUUID(), crypto.randomUUID()]

    await cancel(made, { key, headers: { 'x-request-id': first } })
    const taken = await roundTripsOf(first)
    await quiet()
    await cancel(made, { key, headers: { 'x-request-id': again } })

    // The participants are doubles without a database: each of them would take one, all at once.
    expect(taken).toBeLessThanOrEqual(4)
    expect(await roundTripsOf(again)).toBe(2)
  })

  test('that costs nothing asks nobody for money', async () => {
    const book = offer({ priceMinor: 0 })
    const made = await placed([book])
    await quiet()

    expect((await cancel(made)).body).toMatchObject({ state: 'cancelled' })
    await quiet()
    expect(unitsOf(book.product)).toEqual({ released: 1 })
  })

  test('answers the same again under its key, and under another that it is cancelled', async () => {
    const { made } = await confirmed()
    const key = crypto.randomUUID()

    const first = await cancel(made, { key })
    await quiet()
    const again = await cancel(made, { key })
    const other = await cancel(made)

    expect(again.text).toBe(first.text)
    expect(again.response.headers.get('idempotency-replayed')).toBe('true')
    expect([other.response.status, other.body['code']]).toEqual([409, 'order_not_cancellable'])
    expect(await typesOf(made)).toHaveLength(3)
  })

  test('is cancelled once, however many ask at once, with one key or several', async () => {
    const { made, product } = await confirmed()
    const key = crypto.randomUUID()
    const keys = [...Array.from({ length: 10 }, () => key), 'a', 'b', 'c', 'd']

    const all = await Promise.all(
      keys.map((each) => cancel(made, { key: each, from: startService() })),
    )
    await quiet()

    const done = all.filter(({ response }) => response.status === 202)
    expect(done.length).toBeGreaterThan(0)
    expect(new Set(done.map(({ text }) => text)).size).toBe(1)
    const codes = new Set(all.map(({ body }) => body['code'] ?? body['state']))
    for (const code of codes)
      expect(['cancelled', 'cancellation_under_way', 'order_not_cancellable']).toContain(code)
    expect(unitsOf(product)).toEqual({ released: 1 })
    expect(await typesOf(made)).toHaveLength(3)
  })

  test('keeps a key for one request', async () => {
    const [one, other] = [await confirmed(), await confirmed()]
    const buyer = one.made.buyer
    const key = crypto.randomUUID()
    await cancel(one.made, { key })

    const path = `/v1/orders/${one.made.id}/cancel`
    const headers = { ...buyer.headers, 'idempotency-key': key }
    const changed = await ask('POST', path, { headers, body: { note: 'x' } })

    expect([changed.response.status, changed.body['code']]).toEqual([422, 'idempotency_key_reused'])
    expect(await shown(other.made)).toMatchObject({ state: 'confirmed' })
  })
})

describe('an order is not cancelled', () => {
  test('for strangers, guests, or through the door of another', async () => {
    const { made } = await confirmed()
    const stranger = { ...made, buyer: member() }
    const path = `/v1/orders/${made.id}/operator-cancel`
    const asBuyer = { ...made.buyer.headers, 'idempotency-key': 'k' }

    expect((await cancel(stranger)).body['code']).toBe('order_not_found')
    expect((await cancel({ ...made, buyer: { ...made.buyer, headers: {} } })).response.status).toBe(
      401,
    )
    expect((await ask('POST', path, { headers: asBuyer, body: {} })).response.status).toBe(403)
    const keyless = `/v1/orders/${made.id}/cancel`
    const refused = await ask('POST', keyless, { headers: made.buyer.headers, body: {} })
    expect(refused.response.status).toBe(400)
    const never = typedId('ord', member().id)
    expect((await cancel({ ...made, id: never })).body['code']).toBe('order_not_found')
    expect(
      await rowsEverywhere('SELECT 1 FROM order_cancellation WHERE order_id = ?', [made.raw]),
    ).toEqual([])
  })

  test('while it waits for its payment, nor when it is rejected', async () => {
    const waiting = await placed([offer()], { token: 'tok_action' })
    const rejected = await placed([offer()], { token: 'tok_declined' })

    const [early, never] = [await cancel(waiting), await cancel(rejected)]

    expect([early.response.status, early.body['code']]).toEqual([409, 'order_under_way'])
    expect([never.response.status, never.body['code']]).toEqual([409, 'order_not_cancellable'])
  })

  test('while what it has been promised is not confirmed everywhere', async () => {
    const { made } = await confirmed()
    const sql = 'UPDATE saga SET state = ?, finished_at = ? WHERE id = ?'
    await writeEverywhere(sql, ['confirming', null, made.raw])

    const early = await cancel(made)
    await untilEnded(made.raw)
    const late = await cancel(made)

    expect([early.response.status, early.body['code']]).toEqual([409, 'order_under_way'])
    expect(late.body).toMatchObject({ state: 'cancelled' })
  })
})

describe('a cancellation', () => {
  test.each(['warehouse', 'payments'] as const)(
    'is pending while the %s does not answer, and its first answer stays for every repeat',
    async (silent) => {
      const { made, product } = await confirmed()
      const key = crypto.randomUUID()
      silence(silent)

      const first = await cancel(made, { key })
      const other = await cancel(made)
      delete hooks.fetch
      await untilEnded(await cancellerOf(made.raw))
      const again = await cancel(made, { key })

      expect(first.body).toMatchObject({ state: 'confirmed', cancellation: { state: 'pending' } })
      expect(other.body['code']).toBe('cancellation_under_way')
      expect(again.text).toBe(first.text)
      expect(await shown(made)).toMatchObject({ state: 'cancelled' })
      expect([unitsOf(product), paymentStates(made)]).toEqual([{ released: 1 }, ['returned']])
    },
  )

  test('is decided though the money does not go back yet, and names the order while it is stuck', async () => {
    const { made } = await confirmed()
    let asked = 0
    hooks.fetch = async (name, answer) => {
      if (name === 'payments') asked += 1
      // The first is the try.
      return name === 'payments' && asked > 1
        ? Response.json({ outcome: 'refused', code: 'refund_window_closed' })
        : answer()
    }

    const { body } = await cancel(made)
    await quiet()
    const stuck: unknown[] = []
    for (let round = 0; round < 3; round += 1) {
      await letTimePass(await cancellerOf(made.raw))
      stuck.push((await sweep())['stuck'])
    }
    const entries = await timelineOf(made)
    delete hooks.fetch
    await untilEnded(await cancellerOf(made.raw))

    expect(body).toMatchObject({ state: 'cancelled' })
    expect(stuck.at(-1)).toContain(made.id)
    expect(entries).toContainEqual(
      expect.objectContaining({
        step: 'refund',
        action: 'confirm',
        outcome: 'failed',
        code: 'refund_window_closed',
      }),
    )
    expect(paymentStates(made)).toEqual(['returned'])
  })

  test('that a participant refuses leaves all as it was, says why, and can be asked for again', async () => {
    const { made, product } = await confirmed()
    const [own] = [...reserved.values()].filter((each) => each.order === made.id)
    if (own === undefined) throw new Error('nothing is reserved')
    own.state = 'released'

    const refused = await cancel(made)
    await quiet()
    const between = await shown(made)
    own.state = 'confirmed'
    const again = await cancel(made)
    await quiet()

    const why = { state: 'refused', code: 'hanging' }
    expect(refused.body).toMatchObject({ state: 'confirmed', cancellation: why })
    expect(between).toMatchObject({ state: 'confirmed', cancellation: why })
    expect(again.body).toMatchObject({ state: 'cancelled' })
    expect([unitsOf(product), paymentStates(made)]).toEqual([{ released: 1 }, ['returned']])
    expect(await typesOf(made)).toEqual([
      '1 order.placed',
      '2 order.confirmed',
      '3 order.cancelled',
    ])
  })

  test('is given up at its deadline, and the order stays', async () => {
    const { made, product } = await confirmed()
    silence('warehouse')
    await cancel(made)
    const saga = await cancellerOf(made.raw)
    await letDeadlinePass(saga)
    await untilEnded(saga)
    delete hooks.fetch

    expect(await shown(made)).toMatchObject({
      state: 'confirmed',
      cancellation: { state: 'refused', code: 'unreachable' },
    })
    expect([unitsOf(product), paymentStates(made)]).toEqual([{ confirmed: 1 }, ['confirmed']])
    expect(await typesOf(made)).toHaveLength(2)
  })
})

async function timelineOf({ id, buyer }: Placed) {
  const { body } = await ask('GET', `/v1/orders/${id}/timeline`, { headers: buyer.headers })
  return body['entries'] as readonly Record<string, unknown>[]
}

test('the timeline says what was asked for a cancellation, of what, in order of time', async () => {
  const { made, product } = await confirmed()
  await cancel(made)
  await quiet()

  const entries = (await timelineOf(made)).slice(7)

  const lines = entries.map(({ step, action }) => `${String(step)} ${String(action)}`)
  expect(lines.slice(0, 1)).toEqual(['order cancel_asked'])
  expect(lines.slice(1, 3).toSorted()).toEqual(['refund try', 'restock try'])
  expect(lines.slice(3, 4)).toEqual(['order cancelled'])
  expect(lines.slice(4).toSorted()).toEqual(['refund confirm', 'restock confirm'])
  const restock = entries.find(({ step }) => step === 'restock')
  expect(restock).toMatchObject({ product: typedId('prd', product), outcome: 'done', attempts: 1 })
})
