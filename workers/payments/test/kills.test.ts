import { typedId } from '@stoa/kernel'
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
} from './desk.ts'
import {
  ask,
  type Asking,
  atProvider,
  booksOf,
  bound,
  branch,
  callBack,
  callbacksOf,
  captured,
  type Case,
  clearFaults,
  env,
  eventsOf,
  expectSoundLedgers,
  ids,
  memberToken,
  newCase,
  newId,
  operate,
  operationsOf,
  pspUrl,
  select,
  spoilDatabase,
  spoilProvider,
} from './harness.ts'

afterEach(clearFaults)

type Server = 'database' | 'provider'
const urls = { database: new URL(env['META_URL'] ?? '').origin, provider: pspUrl }
const spoil = { database: spoilDatabase, provider: spoilProvider }

/** What the request asked, in order, by the servers' own meters: the points at which its worker can die. */
async function stepsOf(requestId: string): Promise<readonly Server[]> {
  const spans = await Promise.all(
    (['database', 'provider'] as const).map(async (server) => {
      const response = await fetch(`${urls[server]}/_local/meter?request=${requestId}`)
      const found = (await response.json()) as { spans: readonly { startMs: number }[] }
      return found.spans.map(({ startMs }) => ({ server, startMs }))
    }),
  )
  return spans
    .flat()
    .toSorted((one, other) => one.startMs - other.startMs)
    .map(({ server }) => server)
}

/** Lets the worker of `requestId` die at its `step`: nothing it asks after that arrives anywhere. */
async function kill(
  requestId: string,
  steps: readonly Server[],
  { step, when }: { readonly step: number; readonly when: 'before' | 'after' },
): Promise<void> {
  for (const server of ['database', 'provider'] as const) {
    const asked = steps.slice(0, step).filter((each) => each === server).length
    const isHere = steps[step] === server
    if (isHere && when === 'after')
      await spoil[server]({ action: 'drop-reply', match: { requestId }, skip: asked })
    // A rule that is spent lets the next one see the request, so that each counts for itself.
    await spoil[server]({ action: 'partition', match: { requestId }, skip: asked })
  }
}

/** Sixteen seconds later, when the lease of a worker that died has ended. */
async function later<T>(work: () => Promise<T>): Promise<T> {
  const real = Date.now
  Date.now = () => real() + 16_000
  try {
    return await work()
  } finally {
    Date.now = real
  }
}

type Scene = {
  readonly run: (requestId: string) => Promise<{ readonly status: number; readonly text: string }>
  /** Everything that is the same however it came about. */
  readonly end: () => Promise<unknown>
}

async function endOf(made: Case): Promise<unknown> {
  return {
    operations: (await operationsOf(made.payment)).toSorted(),
    events: await eventsOf(made.payment),
    books: await booksOf(made.payment),
    provider: (await atProvider(made))?.operations.map(({ kind }) => kind),
  }
}

function request(what: 'captures' | 'refunds', made: Case): Scene {
  const key = crypto.randomUUID()
  const asking: Asking = { key, body: { amountMinor: 400 } }
  return {
    run: (requestId) => operate(what, made.payment, { ...asking, requestId }),
    end: () => endOf(made),
  }
}

const scenes: Readonly<Record<string, () => Promise<Scene>>> = {
  'an authorisation': async () => {
    const made = newCase()
    return { run: (requestId) => branch('try', made, requestId), end: () => endOf(made) }
  },
  'a confirmation': async () => {
    const made = newCase()
    await branch('try', made)
    const end = async () => ({
      ...((await endOf(made)) as object),
      bound: await select('SELECT bound_at IS NOT NULL FROM payment WHERE id = ?', [made.payment]),
    })
    return { run: (requestId) => branch('confirm', made, requestId), end }
  },
  'a cancellation': async () => {
    const made = newCase()
    await branch('try', made)
    return { run: (requestId) => branch('cancel', made, requestId), end: () => endOf(made) }
  },
  'a try after its cancellation': async () => {
    const made = newCase()
    await branch('cancel', made)
    return { run: (requestId) => branch('try', made, requestId), end: () => endOf(made) }
  },
  'a capture': async () => request('captures', await bound()),
  'a refund': async () => request('refunds', await captured()),
  'a callback': async () => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', times: 2 })
    await branch('try', made)
    const [callback] = await callbacksOf((await atProvider(made))?.ref ?? '')
    if (callback === undefined) throw new Error('no callback')
    return { run: (requestId) => callBack(callback, requestId), end: () => endOf(made) }
  },
  'a return of what is partly taken': async () => {
    const made = await bound()
    await operate('captures', made.payment, { body: { amountMinor: 400 } })
    const gid = ids.child(made.buyer)
    const give = (op: string, requestId: string) =>
      ask('/internal/payments/returns', {
        requestId,
        body: { gid, branch: 'payment', op, order: typedId('ord', made.order) },
      })
    await give('try', crypto.randomUUID())
    return { run: (requestId) => give('confirm', requestId), end: () => endOf(made) }
  },
  'a replay': async () => {
    const made = await bound()
    const ref = await refOf(made)
    const { operations } = await doAtDesk('captures', ref, 400)
    const said = { ref, operation: operations.at(-1)?.ref ?? '', amountMinor: 400 }
    return { run: (requestId) => replay(said, requestId), end: () => endOf(made) }
  },
  'a refund of what is nobody’s': async () => {
    const { ref, operations } = await takenByOthers(300, 200)
    const said = { ref, operation: operations[1]?.ref ?? '', amountMinor: 300 }
    const { payment } = strangerOf('sandbox', ref)
    const end = async () => ({
      operations: (await operationsOf(payment)).toSorted(),
      events: await eventsOf(payment),
      books: await booksOf(payment),
      provider: (await readAtDesk(ref)).operations.map(({ kind }) => kind),
    })
    return { run: (requestId) => refundUnclaimed(said, requestId), end }
  },
  'a rebooking': async () => {
    const made = await captured()
    await unbook(made.payment)
    return { run: (requestId) => rebook(made.payment, requestId), end: () => endOf(made) }
  },
  'a top-up': async () => {
    const [member, key] = [newId(), crypto.randomUUID()]
    return {
      run: (requestId) =>
        ask('/v1/wallet/EUR/top-ups', {
          key,
          requestId,
          token: memberToken(member),
          body: { amountMinor: 500, method: { token: 'tok_ok' } },
        }),
      end: () => booksOf(member),
    }
  },
}

/** The kills of a scene must be few enough to be all of them. */
const stepsMax = 12

describe.each(Object.entries(scenes))('%s', (_name, make) => {
  test('ends the same wherever its worker dies, when it is asked again', async () => {
    await branch('try', newCase()) // a cold isolate reads the topology first
    const whole = await make()
    const requestId = crypto.randomUUID()
    const answer = await whole.run(requestId)
    const steps = await stepsOf(requestId)
    const expected = await whole.end()
    expect(answer.status).toBeLessThan(300)
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.length).toBeLessThan(stepsMax)

    for (const [step] of steps.entries()) {
      for (const when of ['before', 'after'] as const) {
        const scene = await make()
        const dying = crypto.randomUUID()
        await kill(dying, steps, { step, when })
        await scene.run(dying)
        await clearFaults()

        let again = await later(() => scene.run(crypto.randomUUID()))
        for (let turn = 0; turn < 3 && again.text.includes('pending'); turn += 1)
          again = await scene.run(crypto.randomUUID())

        const label = `died ${when} step ${step + 1} of ${steps.join(', ')}`
        expect([label, again.status]).toEqual([label, answer.status])
        expect([label, await scene.end()]).toEqual([label, expected])
      }
    }
    await expectSoundLedgers()
  })
})
