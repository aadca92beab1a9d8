import { type KeyspaceAccess, openKeyspace } from '@stoa/adapters/keyspace'
import { rootCall, secureRandom, type Statement, systemClock } from '@stoa/kernel'
import type { Once } from '@stoa/messaging'
import { describe, expect, test } from 'vitest'

import { operate } from '../src/domain/operate.ts'
import { paymentIdOf } from '../src/domain/payment.ts'
import type { PaymentStore } from '../src/domain/ports.ts'
import type { Provider, ProviderRecord, Subject } from '../src/domain/provider.ts'
import { providersOf } from '../src/domain/providers.ts'
import { receiveCallback } from '../src/domain/receive-callback.ts'
import { runBranch } from '../src/domain/run-branch.ts'
import { topUpWallet } from '../src/domain/top-up.ts'
import { paymentStore } from '../src/store/payments.ts'
import { sandboxProvider } from '../src/store/sandbox-provider.ts'
import {
  atProvider,
  booksOf,
  callbacksOf,
  type Case,
  env,
  eventsOf,
  ids,
  newCase,
  newId,
  operationsOf,
  pspUrl,
  spoilProvider,
} from './harness.ts'

const call = rootCall('mutants')

/** A safeguard taken out: of the statements, where `from` becomes `to`, or of what asks the provider. */
type Mutant = {
  readonly name: string
  readonly from?: string
  readonly to?: string
  readonly provider?: (provider: Provider) => Provider
  readonly store?: (store: PaymentStore) => PaymentStore
}

const known = 'RETURNING id, seq'

const mutants: readonly Mutant[] = [
  {
    name: 'a fact that is known is written again',
    from: 'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    to: 'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  },
  { name: 'a fact that is known is booked again', from: 'WHERE changes() = 1', to: 'WHERE TRUE' },
  { name: 'a fact is not booked', from: 'WHERE changes() = 1', to: 'WHERE FALSE' },
  {
    name: 'a fact that is known is told again',
    from: `AND changes() = 1 ${known}`,
    to: known,
  },
  { name: 'a fact is not told', from: `AND changes() = 1 ${known}`, to: `AND FALSE ${known}` },
  {
    name: 'a record of another amount is taken',
    from: 'AND coalesce(provider_ref, ?) = ? THEN amount_minor END\nWHERE id = ?',
    to: 'AND coalesce(provider_ref, ?) = ? THEN amount_minor END\nWHERE id = ? AND FALSE',
  },
  {
    name: 'what a cancelled branch holds is not asked back',
    from: "AND op = 'cancel')",
    to: "AND op = 'cancel' AND FALSE)",
  },
  {
    name: 'what a branch holds is asked back though nobody cancelled it',
    from: "branch = ? AND op = 'cancel')",
    to: "branch = ? AND op IN ('try', 'cancel'))",
  },
  {
    name: 'a cancel leaves no trace',
    store: (store) => ({ ...store, cancel: () => Promise.resolve('applied') }),
  },
  {
    name: 'a try does not pass the barrier',
    store: (store) => ({
      ...store,
      absorb: async (record, { tries: _tries, ...learnt }, each) => {
        const absorbed = await store.absorb(record, learnt, each)
        return { ...absorbed, tried: 'applied', undo: false }
      },
    }),
  },
  {
    name: 'an answer is not kept',
    from: 'SET status = ?, response = ?',
    to: "SET status = nullif(?, 201), response = nullif(substr(?, 1, 0), '')",
  },
  {
    name: 'the lease of another is taken while it holds',
    store: (store) => ({
      ...store,
      ask: async (once, wish, each) => {
        const begun = await store.ask(once, wish, each)
        if (begun.turn !== 'busy') return begun
        const [open] = await store.openOf(wish.payment, each)
        return open === undefined ? begun : { turn: 'mine', work: open }
      },
    }),
  },
  {
    name: 'an operation is asked under a key of its own each time',
    provider: (provider) => ({
      ...provider,
      operate: (request, each) => provider.operate({ ...request, key: crypto.randomUUID() }, each),
    }),
  },
  {
    name: 'an authorisation is asked under a key of its own each time',
    provider: (provider) => ({
      ...provider,
      authorise: (request, each) =>
        provider.authorise({ ...request, key: crypto.randomUUID() }, each),
    }),
  },
  {
    name: 'what is not known is taken for refused',
    provider: (provider) => ({
      ...provider,
      authorise: async (request, each) => {
        const answer = await provider.authorise(request, each)
        return answer.outcome === 'unknown' ? { outcome: 'refused', code: answer.why } : answer
      },
    }),
  },
  {
    name: 'a cancel does not ask what the provider has',
    provider: (provider) => ({
      ...provider,
      query: async (which, each) =>
        'key' in which ? { outcome: 'absent' } : provider.query(which, each),
    }),
  },
  {
    name: 'what an operator asked for is not held while its answer is not known',
    store: (store) => ({
      ...store,
      ask: async (once, wish, each) => {
        const begun = await store.ask(once, wish, each)
        if (begun.turn !== 'mine') return begun
        const { payment, operation } = begun.work
        const ref = payment.providerRef ?? ''
        const failed = {
          kind: operation.kind,
          phase: 'failed',
          code: 'x',
          at: 1,
          ref: 'x',
        } as const
        const subject = subjectIn(payment)
        const { provider, amountMinor, currency } = payment
        const fact = { ...failed, name: operation.name, amountMinor: operation.amountMinor }
        await store.absorb(
          { provider, ref, subject, amountMinor, currency, facts: [fact] },
          {},
          each,
        )
        return begun
      },
    }),
  },
  {
    name: 'a callback is believed whoever signed it',
    provider: (provider) => ({
      ...provider,
      readCallback: (_request, body) => {
        const { id: event, payment: ref } = JSON.parse(body) as { id: string; payment: string }
        return Promise.resolve({ event, ref })
      },
    }),
  },
]

function subjectIn(payment: {
  readonly id: string
  readonly buyer: string
  readonly orderId: string | null
  readonly gid: string | null
  readonly branch: string | null
}): Subject {
  const { id, buyer, orderId: order, gid, branch } = payment
  return { payment: id, buyer, order, gid, branch }
}

const access = openKeyspace({
  keyspace: 'payments',
  database: { metaUrl: env['META_URL'] ?? '', token: env['LIBSQL_TOKEN'] ?? '' },
  queue: { publish: async () => [] },
  publicUrl: 'http://127.0.0.1:9',
  defer: (work) => void work.catch(() => undefined),
  report: () => undefined,
})

/** The keyspace with the statements of a mutant, and how often it changed one. */
function mutated({ from, to = '' }: Mutant): KeyspaceAccess & { readonly hits: () => number } {
  let hits = 0
  const change = (statements: readonly Statement[]) =>
    statements.map((statement) => {
      if (from === undefined || !statement.sql.includes(from)) return statement
      hits += 1
      return { ...statement, sql: statement.sql.replaceAll(from, to) }
    })
  const { router, committer } = access
  return {
    ...access,
    hits: () => hits,
    router: {
      ...access.router,
      read: (key, statement, each) => router.read(key, statement, each),
      readMany: (queries, each) => router.readMany(queries, each),
      shardOf: (key, each) => router.shardOf(key, each),
      write: (key, statements, each) => router.write(key, change(statements), each),
    },
    committer: {
      commit: (work, each) =>
        committer.commit({ ...work, statements: change(work.statements) }, each),
    },
  }
}

type World = {
  readonly payments: PaymentStore
  readonly provider: Provider
  readonly run: (op: 'try' | 'confirm' | 'cancel', made: Case) => Promise<string>
  readonly capture: (made: Case, key: string, amountMinor?: number) => Promise<unknown>
  readonly topUp: (member: string, key: string) => Promise<unknown>
  readonly hear: (ref: string, signature?: string) => Promise<void>
}

function onceOf(key: string): Once {
  return { principal: 'operator', method: 'post', route: '/x', key, fingerprint: key }
}

function worldOf(mutant: Mutant): World & { readonly hits: () => number } {
  const changed = mutated(mutant)
  const callbackSecret = env['SANDBOX_CALLBACK_SECRET'] ?? ''
  const sandbox = sandboxProvider({
    url: pspUrl,
    key: env['SANDBOX_KEY'] ?? '',
    callbackSecret,
    callbackUrl: 'http://127.0.0.1:9/',
    clock: systemClock,
    fetch: (request) => fetch(request),
  })
  const provider = mutant.provider?.(sandbox) ?? sandbox
  const store = paymentStore({ access: changed, random: secureRandom })
  const payments = mutant.store?.(store) ?? store
  const providers = providersOf([provider], 'sandbox')
  const deps = { payments, providers, ids, clock: systemClock, report: () => undefined }
  return {
    payments,
    provider,
    hits: changed.hits,
    run: async (op, made) => {
      const { buyer, order, gid, branch, amountMinor, currency, token, payment } = made
      const subject = { payment, buyer, order, gid, branch }
      const request = { op, subject, amountMinor, currency, token }
      return (await runBranch(deps, request, call)).outcome
    },
    capture: (made, key, amountMinor) => {
      const wish = { payment: made.payment, kind: 'capture', amountMinor } as const
      return operate(deps, { ...wish, once: onceOf(key) }, call)
    },
    topUp: (member, key) => {
      const money = { amountMinor: 500, currency: 'EUR', token: 'tok_ok' }
      return topUpWallet(deps, { once: onceOf(key), member, ...money }, call)
    },
    hear: async (ref, signature) => {
      for (const callback of await callbacksOf(ref)) {
        const headers = { 'sandbox-signature': signature ?? callback.signature }
        const request = new Request('http://payments/', { method: 'POST', headers })
        await receiveCallback(deps, { provider: 'sandbox', request, body: callback.body }, call)
      }
    },
  }
}

async function kindsOf(made: Case): Promise<string> {
  return ((await atProvider(made))?.operations ?? []).map(({ kind }) => kind).join()
}

async function refOf(made: Case): Promise<string> {
  return (await atProvider(made))?.ref ?? ''
}

async function bind(world: World): Promise<Case> {
  const made = newCase()
  expect(await world.run('try', made)).toBe('done')
  expect(await world.run('confirm', made)).toBe('done')
  return made
}

const settled = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  )

/** What must hold, each shown by a life that needs it. */
const lives: readonly ((world: World) => Promise<void>)[] = [
  async (world) => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', match: { contains: made.payment } })
    expect(await world.run('try', made)).toBe('done')
    expect(await world.run('try', made)).toBe('done')
    await world.hear(await refOf(made))
    expect(await kindsOf(made)).toBe('authorise')
    expect(await operationsOf(made.payment)).toEqual(['authorise succeeded 1000'])
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised'])
  },
  async (world) => {
    const made = newCase()
    expect(await world.run('cancel', made)).toBe('done')
    expect(await world.run('try', made)).toBe('refused')
    expect(await kindsOf(made)).toBe('authorise,void')
  },
  async (world) => {
    const made = newCase()
    await spoilProvider({ action: 'drop-reply', match: { contains: made.payment } })
    await world.provider.authorise(
      {
        key: `${made.gid}:${made.branch}:try`,
        subject: subjectIn({ ...made, id: made.payment, orderId: made.order }),
        amountMinor: 1_000,
        currency: 'EUR',
        token: 'tok_ok',
        captureAtOnce: false,
      },
      call,
    )
    expect(await world.run('cancel', made)).toBe('done')
    expect(await kindsOf(made)).toBe('authorise,void')
  },
  async (world) => {
    const made = await bind(world)
    const key = crypto.randomUUID()
    await spoilProvider({ action: 'drop-reply', match: { path: `${await refOf(made)}/captures` } })
    expect(await settled(world.capture(made, key, 400))).toBe('payment_provider_unavailable')
    expect(await settled(world.capture(made, 'other', 700))).toBe('capture_exceeds_authorisation')
    expect(await settled(world.capture(made, key, 400))).toBe('done')
    expect(await settled(world.capture(made, key, 400))).toBe('done')
    expect(await kindsOf(made)).toBe('authorise,capture')
    expect(await booksOf(made.payment)).toMatchObject({ captured: 400, external: -400 })
    await world.hear(await refOf(made))
    expect(await eventsOf(made.payment)).toEqual(['payment.authorised', 'payment.captured'])
  },
  async (world) => {
    const made = await bind(world)
    const once = onceOf('k')
    const wish = { payment: made.payment, kind: 'capture' } as const
    const asked = (name: string) => world.payments.ask(once, { ...wish, name }, call)
    expect((await asked(ids.child(made.payment))).turn).toBe('mine')
    expect((await asked(ids.child(made.payment))).turn).toBe('busy')
  },
  async (world) => {
    const made = await bind(world)
    const { payment, buyer, order, gid, branch } = made
    const fact = { name: 'capture', kind: 'capture', phase: 'succeeded', code: null } as const
    const record: ProviderRecord = {
      provider: 'sandbox',
      ref: await refOf(made),
      subject: { payment, buyer, order, gid, branch },
      amountMinor: 1_001,
      currency: 'EUR',
      facts: [{ ...fact, amountMinor: 500, ref: 'x', at: 1 }],
    }
    expect(await settled(world.payments.absorb(record, {}, call))).toBe('payment_mismatch')
  },
  async (world) => {
    const [member, key] = [newId(), crypto.randomUUID()]
    await world.topUp(member, key)
    const first = await booksOf(member)
    await world.topUp(member, key)
    expect([first, await booksOf(member)]).toMatchObject([{ available: 500 }, { available: 500 }])
  },
  async (world) => {
    const made = await bind(world)
    expect(await settled(world.hear(await refOf(made), `t=1,v1=${'0'.repeat(64)}`))).toBe(
      'bad_callback',
    )
  },
]

async function live(
  mutant: Mutant,
): Promise<{ readonly failures: readonly unknown[]; readonly hits: number }> {
  const world = worldOf(mutant)
  const failures: unknown[] = []
  for (const each of lives) await each(world).catch((error: unknown) => failures.push(error))
  await fetch(`${pspUrl}/_local/faults`, { method: 'DELETE' })
  return { failures, hits: world.hits() }
}

describe('the lives', () => {
  test('all go well when nothing is taken out', async () => {
    expect((await live({ name: 'nothing' })).failures).toEqual([])
  })

  test.each(mutants)('notice that $name', async (mutant) => {
    const { failures, hits } = await live(mutant)

    expect(mutant.from === undefined || hits > 0).toBe(true)
    expect(failures.length).toBeGreaterThan(0)
  })
})

test('a payment of a branch is always the same one, beside its buyer', () => {
  const [buyer, gid] = [newId(), newId()]
  const one = paymentIdOf({ buyer, gid, branch: 'payment' })

  expect(paymentIdOf({ buyer, gid, branch: 'payment' })).toBe(one)
  expect(paymentIdOf({ buyer, gid, branch: 'other' })).not.toBe(one)
  expect(one.slice(0, 5)).toBe(buyer.slice(0, 5))
})
