import { openKeyspace } from '@stoa/adapters/keyspace'
import { rootCall, secureRandom, systemClock, typedId } from '@stoa/kernel'
import { afterEach, describe, expect, test } from 'vitest'

import type { OperationRequest, Provider } from '../src/domain/provider.ts'
import { providersOf } from '../src/domain/providers.ts'
import { runReturnBranch } from '../src/domain/return-branch.ts'
import { paymentStore } from '../src/store/payments.ts'
import { returnStore } from '../src/store/returns.ts'
import { sandboxProvider } from '../src/store/sandbox-provider.ts'
import { doAtDesk, readAtDesk, refOf, voidAtDesk } from './desk.ts'
import {
  ask,
  booksOf,
  bound,
  branch,
  captured,
  type Case,
  clearFaults,
  control,
  costsOf,
  env,
  expectSoundLedgers,
  ids,
  newCase,
  operate,
  operationsOf,
  pspUrl,
  readPayment,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

const call = rootCall('returns')

const access = openKeyspace({
  keyspace: 'payments',
  database: { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' },
  queue: { publish: async () => [] },
  publicUrl: 'http://127.0.0.1:9',
  defer: (work) => void work.catch(() => undefined),
  report: () => undefined,
})
const own = {
  payments: paymentStore({ access, random: secureRandom }),
  returns: returnStore({ access, random: secureRandom }),
}

/** The sandbox, which says no to operations of one kind. */
function closedTo(kind: OperationRequest['kind']): Provider {
  const provider = sandboxProvider({
    url: pspUrl,
    key: env['SANDBOX_KEY'] ?? '',
    callbackSecret: 'none',
    callbackUrl: 'http://127.0.0.1:9/',
    clock: systemClock,
    fetch: (request) => fetch(request),
  })
  return {
    ...provider,
    operate: async (request, each) =>
      request.kind === kind
        ? { outcome: 'refused', code: 'refund_window_closed' }
        : provider.operate(request, each),
  }
}

type Return = { readonly order: string; readonly gid: string }

/** The branch of a saga that cancels the order of `made`. */
function returnOf({ order, buyer }: Case): Return {
  return { order, gid: ids.child(buyer) }
}

async function run(
  op: 'try' | 'confirm' | 'cancel',
  { order, gid }: Return,
  requestId: string = crypto.randomUUID(),
) {
  const body = { gid, branch: 'payment', op, order: typedId('ord', order) }
  return ask('/internal/payments/returns', { body, requestId })
}

async function returned(made: Case): Promise<Return> {
  const cancelling = returnOf(made)
  expect((await run('try', cancelling)).body).toEqual({ outcome: 'done' })
  expect((await run('confirm', cancelling)).body).toEqual({ outcome: 'done' })
  return cancelling
}

/** What moved at the provider since the authorisation. */
async function movedOf(made: Case): Promise<readonly string[]> {
  const { operations } = await readAtDesk(await refOf(made))
  return operations.slice(1).map(({ kind, amountMinor }) => `${kind} ${amountMinor}`)
}

function capture(made: Case, amountMinor: number, requestId: string = crypto.randomUUID()) {
  return operate('captures', made.payment, { body: { amountMinor }, requestId })
}

describe('the money of an order that is cancelled', () => {
  test('is voided when it was only promised', async () => {
    const made = await bound()

    await returned(made)

    expect(await movedOf(made)).toEqual(['void 1000'])
    expect((await readPayment(made)).body).toMatchObject({ state: 'voided', voidedMinor: 1_000 })
  })

  test('is refunded when it was taken', async () => {
    const made = await captured()

    await returned(made)

    expect(await movedOf(made)).toEqual(['capture 1000', 'refund 1000'])
    expect(await booksOf(made.payment)).toMatchObject({ captured: 0, external: 0 })
  })

  test('is refunded as far as it was taken and not given back, and else voided', async () => {
    const made = await bound()
    await capture(made, 300)
    await capture(made, 200)
    await operate('refunds', made.payment, { body: { amountMinor: 100 } })

    await returned(made)

    const moved = (await movedOf(made)).toSorted()
    expect(moved).toEqual(['capture 200', 'capture 300', 'refund 100', 'refund 400', 'void 500'])
    await expectSoundLedgers()
  })

  test('does not go back a second time where the bank has taken it already', async () => {
    const made = await captured()
    await control('psp/chargebacks', { ref: await refOf(made), amountMinor: 400 })
    await operate('refunds', made.payment, { body: { amountMinor: 100 } })

    await returned(made)

    expect(await booksOf(made.payment)).toMatchObject({ captured: 400, chargeback: -400 })
  })

  test('is not taken any more from the try on, and may be again after the cancel', async () => {
    const made = await bound()
    const cancelling = returnOf(made)
    await run('try', cancelling)

    const held = await capture(made, 100)
    await run('cancel', cancelling)
    const free = await capture(made, 100)

    expect([held.status, held.body['code']]).toEqual([409, 'payment_being_returned'])
    expect(free.status).toBe(201)
    await returned(made)
    expect((await capture(made, 100)).body['code']).toBe('payment_being_returned')
  })

  test('goes back whole when a capture was under way', async () => {
    const made = await bound()
    const ref = await refOf(made)
    await spoilProvider({ action: 'drop-reply', match: { path: `${ref}/captures` } })
    expect((await capture(made, 400)).status).toBe(503)

    await returned(made)

    expect((await movedOf(made)).toSorted()).toEqual(['capture 400', 'refund 400', 'void 600'])
    await expectSoundLedgers()
  })

  test('goes back once, however often and at once it is asked', async () => {
    const made = await bound()
    await capture(made, 400)
    const cancelling = returnOf(made)
    await run('try', cancelling)

    const all = await Promise.all(Array.from({ length: 10 }, () => run('confirm', cancelling)))

    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
    expect((await run('confirm', cancelling)).body).toEqual({ outcome: 'done' })
    expect((await movedOf(made)).toSorted()).toEqual(['capture 400', 'refund 400', 'void 600'])
  })

  test('is pending while the provider does not answer, and comes when it does', async () => {
    const made = await captured()
    const cancelling = returnOf(made)
    await run('try', cancelling)
    await spoilProvider({ action: 'partition' })

    const first = await run('confirm', cancelling)
    await clearFaults()

    expect(first.body).toEqual({ outcome: 'pending', code: 'provider_unknown' })
    expect((await run('confirm', cancelling)).body).toEqual({ outcome: 'done' })
    expect(await movedOf(made)).toEqual(['capture 1000', 'refund 1000'])
  })

  test('is asked for once when the provider refuses, and done when a person has given it back', async () => {
    const made = await captured()
    const cancelling = { ...returnOf(made), branch: 'payment' }
    const deps = { ...own, providers: providersOf([closedTo('refund')], 'sandbox') }
    const confirm = () => runReturnBranch(deps, { op: 'confirm', ...cancelling }, call)
    await run('try', cancelling)

    const refused = [await confirm(), await confirm()]
    await operate('refunds', made.payment)
    const done = await confirm()

    for (const verdict of refused)
      expect(verdict).toEqual({ outcome: 'refused', code: 'refund_window_closed' })
    expect(done).toEqual({ outcome: 'done' })
    const asked = (await operationsOf(made.payment)).filter((each) => each.includes('refund'))
    expect(asked).toEqual([
      'refund requested 1000',
      'refund failed 1000',
      'refund requested 1000',
      'refund succeeded 1000',
    ])
  })

  test.each([
    ['was voided', async (ref: string) => voidAtDesk(ref), ['void 1000']],
    [
      'was taken',
      async (ref: string) => doAtDesk('captures', ref, 1_000),
      ['capture 1000', 'refund 1000'],
    ],
  ] as const)(
    'goes back though it %s at the desk, and nobody heard of it',
    async (_what, act, moved) => {
      const made = await bound()
      await act(await refOf(made))

      await returned(made)

      expect(await movedOf(made)).toEqual(moved)
    },
  )

  test('is given back of all payments that are bound to the order', async () => {
    const one = await bound()
    const other = await bound({ buyer: one.buyer, order: one.order })

    await returned(one)

    expect(await movedOf(one)).toEqual(['void 1000'])
    expect(await movedOf(other)).toEqual(['void 1000'])
  })

  test('is left alone in other orders of the buyer', async () => {
    const one = await bound()
    const other = await bound({ buyer: one.buyer })

    await returned(one)

    expect(await movedOf(other)).toEqual([])
    expect((await capture(other, 1_000)).status).toBe(201)
  })

  test('is done at once where there is none', async () => {
    const made = newCase()

    await returned(made)

    expect(await operationsOf(made.payment)).toEqual([])
  })

  test('is not given back without a try, nor kept after it', async () => {
    const made = await bound()

    const early = await run('confirm', returnOf(made))
    const cancelling = await returned(made)
    const late = await run('cancel', cancelling)

    for (const { status, body } of [early, late])
      expect([status, body['code']]).toEqual([409, 'branch_out_of_order'])
  })

  test('costs one round trip to keep, and six with two of the provider’s to void and refund', async () => {
    const made = await bound()
    await capture(made, 400)
    await branch('try', newCase())
    const cancelling = returnOf(made)
    const [keeping, giving] = [crypto.randomUUID(), crypto.randomUUID()]

    await run('try', cancelling, keeping)
    await run('confirm', cancelling, giving)

    expect(await costsOf(keeping)).toEqual({ database: 1, provider: 0 })
    expect(await costsOf(giving)).toEqual({ database: 6, provider: 2 })
  })
})
