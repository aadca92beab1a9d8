import { rootCall, type SqlValue } from '@stoa/kernel'
import { ledgerDdl } from '@stoa/transactions'
import fc from 'fast-check'
import { describe, expect, inject, test } from 'vitest'

import {
  atProvider,
  booksOf,
  bound,
  callBack,
  callbacksOf,
  captured,
  control,
  eventsOf,
  expectSoundLedgers,
  newId,
  operate,
  operationsOf,
  paymentShards,
  readPayment,
} from './harness.ts'

test('the migration of the ledger is what packages/transactions says', () => {
  expect(inject('ledgerSql')).toBe(ledgerDdl)
})

/** What a raw statement in the payment's own database comes to. */
async function attack(payment: string, sql: string, args: readonly SqlValue[]): Promise<string> {
  const call = rootCall('attack')
  for (const shard of await paymentShards()) {
    const seek = { sql: 'SELECT id FROM payment WHERE id = ?', args: [payment] }
    const [found] = await shard.batch([seek], 'read', call)
    if (found?.rows.length !== 1) continue
    try {
      await shard.batch([{ sql, args }], 'write', call)
      return 'done'
    } catch (error) {
      return String((error as { constraint?: string }).constraint ?? error)
    }
  }
  throw new Error('Cannot attack: no database has the payment')
}

const insertOperation = `INSERT INTO payment_operation
(payment, name, kind, phase, stage, amount_minor, at, cause) VALUES (?, ?, ?, ?, ?, ?, 1, 'attack')`

describe('the schema stops', () => {
  const operation = (kind: string, phase: string, amount: number) => {
    const stage = phase === 'requested' ? 0 : 2
    return [newId(), kind, phase, stage, amount]
  }

  test.each([
    [
      'a sum by hand',
      'UPDATE payment SET captured_minor = 1 WHERE id = ?',
      'sum_without_operation',
    ],
    ['less taken', 'UPDATE payment SET refunded_minor = 5 WHERE id = ?', 'sum_without_operation'],
    ['another amount', 'UPDATE payment SET amount_minor = 9 WHERE id = ?', 'append_only'],
    ['another currency', "UPDATE payment SET currency = 'USD' WHERE id = ?", 'append_only'],
    ['another reference', "UPDATE payment SET provider_ref = 'x' WHERE id = ?", 'append_only'],
    ['an unbinding', 'UPDATE payment SET bound_at = NULL WHERE id = ?', 'append_only'],
    ['an older version', 'UPDATE payment SET version = 0 WHERE id = ?', 'append_only'],
    ['a payment that goes', 'DELETE FROM payment WHERE id = ?', 'append_only'],
    [
      'an operation that changes',
      'UPDATE payment_operation SET amount_minor = 1 WHERE payment = ?',
      'append_only',
    ],
    ['an operation that goes', 'DELETE FROM payment_operation WHERE payment = ?', 'append_only'],
  ])('%s', async (_what, sql, constraint) => {
    const { payment } = await captured()

    expect(await attack(payment, sql, [payment])).toBe(constraint)
  })

  test.each([
    [
      'a capture above the authorisation',
      operation('capture', 'succeeded', 1),
      'capture_exceeds_authorisation',
    ],
    [
      'a second authorisation',
      operation('authorise', 'succeeded', 1),
      'authorisation_exceeds_payment',
    ],
    [
      'a refund above the capture',
      operation('refund', 'succeeded', 1_001),
      'refund_exceeds_capture',
    ],
    [
      'a wish to capture above it',
      operation('capture', 'requested', 1),
      'capture_exceeds_authorisation',
    ],
    [
      'a wish to refund above it',
      operation('refund', 'requested', 1_001),
      'refund_exceeds_capture',
    ],
    ['a wish to void nothing', operation('void', 'requested', 0), 'nothing_to_void'],
  ])('%s', async (_what, args, constraint) => {
    const { payment } = await captured()

    expect(await attack(payment, insertOperation, [payment, ...args])).toBe(constraint)
  })
})

type Step = {
  readonly what: 'captures' | 'refunds' | 'voids' | 'chargeback' | 'callbacks'
  readonly amount: number
}

const steps = fc.array(
  fc.record({
    what: fc.constantFrom<Step['what']>(
      'captures',
      'captures',
      'refunds',
      'refunds',
      'voids',
      'chargeback',
      'callbacks',
    ),
    amount: fc.integer({ min: 1, max: 600 }),
  }),
  { minLength: 4, maxLength: 8 },
)

/** What may be taken and given back, said once more. */
class Model {
  taken = 0
  given = 0
  voided = 0
  lost = 0
  /** What the bank took back and was not told of yet. */
  unheard = 0

  allows({ what, amount }: Step): boolean {
    if (what === 'captures') return this.taken + this.voided + amount <= 1_000
    if (what === 'voids') return this.taken + this.voided < 1_000
    return this.given + this.lost + this.unheard + amount <= this.taken
  }

  apply({ what, amount }: Step): void {
    if (what === 'captures') this.taken += amount
    else if (what === 'voids') this.voided = 1_000 - this.taken
    else this.given += amount
    // Whatever the provider does, it says all that it has.
    this.hear()
  }

  hear(): void {
    this.lost += this.unheard
    this.unheard = 0
  }
}

async function hearLast(ref: string): Promise<readonly number[]> {
  const last = (await callbacksOf(ref)).slice(-1)
  return Promise.all(last.map(async (callback) => (await callBack(callback)).status))
}

/** Does a step to a payment; answers what came of it, and what the model says. */
async function play(
  step: Step,
  model: Model,
  { payment, ref }: { readonly payment: string; readonly ref: string },
): Promise<{ readonly came: unknown; readonly wanted: unknown }> {
  const { what, amount } = step
  if (what === 'chargeback') {
    if (amount > model.taken) return { came: what, wanted: what }
    await control('psp/chargebacks', { ref, amountMinor: amount })
    model.unheard += amount
    return { came: what, wanted: what }
  }
  if (what === 'callbacks') {
    const came = await hearLast(ref)
    model.hear()
    return { came, wanted: came.map(() => 200) }
  }
  const body = what === 'voids' ? {} : { amountMinor: amount }
  const { status } = await operate(what, payment, { body })
  const isAllowed = model.allows(step)
  if (isAllowed) model.apply(step)
  return { came: [what, amount, status], wanted: [what, amount, isAllowed ? 201 : 409] }
}

test('a payment is the sum of its operations, and never above its limits, whatever is asked of it', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const made = await bound()
      const ref = (await atProvider(made))?.ref ?? ''
      const model = new Model()
      for (const step of list) {
        const { came, wanted } = await play(step, model, { payment: made.payment, ref })
        expect(came).toEqual(wanted)
      }
      const { body } = await readPayment(made)
      expect(body).toMatchObject({
        capturedMinor: model.taken,
        voidedMinor: model.voided,
        refundedMinor: model.given,
        chargedBackMinor: model.lost,
      })
      expect(await booksOf(made.payment)).toEqual({
        captured: model.taken - model.given,
        chargeback: 0 - model.lost,
        external: model.given + model.lost - model.taken,
        clearing: 0,
      })
      const told = (await eventsOf(made.payment)).length
      const written = (await operationsOf(made.payment)).filter(
        (each) => !each.includes('requested'),
      )
      expect(told).toBe(written.length)
    }),
    { numRuns: 15 },
  )
  await expectSoundLedgers()
})
