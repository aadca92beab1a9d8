import { type KeyspaceAccess, openKeyspace } from '@stoa/adapters/keyspace'
import { rootCall, secureRandom, type Statement, systemClock } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { type MendDeps, rebookPayment, refundUnclaimed, replayPayment } from '../src/domain/mend.ts'
import { strangerOf } from '../src/domain/payment.ts'
import type { ReturnStore } from '../src/domain/ports.ts'
import type { Provider, ProviderRecord } from '../src/domain/provider.ts'
import { providersOf } from '../src/domain/providers.ts'
import { runReturnBranch } from '../src/domain/return-branch.ts'
import { bookStore } from '../src/store/books.ts'
import { paymentStore } from '../src/store/payments.ts'
import { returnStore } from '../src/store/returns.ts'
import { sandboxProvider } from '../src/store/sandbox-provider.ts'
import { doAtDesk, readAtDesk, refOf, takenByOthers, unbook, voidAtDesk } from './desk.ts'
import { booksOf, bound, captured, type Case, env, ids, operate, pspUrl } from './harness.ts'

const call = rootCall('return-mutants')

/** A safeguard taken out: of the statements, where `from` becomes `to`, of the store, or of what the provider says. */
type Mutant = {
  readonly name: string
  readonly from?: string
  readonly to?: string
  readonly provider?: (provider: Provider) => Provider
  readonly returns?: (store: ReturnStore) => ReturnStore
}

/** A provider whose word on a payment is changed. */
function saying(change: (record: ProviderRecord) => ProviderRecord) {
  return (provider: Provider): Provider => ({
    ...provider,
    query: async (which, each) => {
      const found = await provider.query(which, each)
      return found.outcome === 'known' ? { ...found, record: change(found.record) } : found
    },
  })
}

const mutants: readonly Mutant[] = [
  {
    name: 'nothing is kept from being taken',
    returns: (store) => ({ ...store, hold: () => Promise.resolve('applied') }),
  },
  {
    name: 'what is kept from being taken is never let go',
    returns: (store) => ({ ...store, let: () => Promise.resolve('applied') }),
  },
  {
    name: 'what is taken is not asked back',
    from: '- p.charged_back_minor > 0',
    to: '- p.charged_back_minor > 9e15',
  },
  {
    name: 'what is asked back already is asked for again',
    from: '- p.refunding_minor -',
    to: '-',
  },
  {
    name: 'what the bank has taken is given back too',
    from: ' - p.charged_back_minor',
    to: '',
  },
  {
    name: 'what was refused is asked for again',
    from: "AND o.phase = 'failed' AND o.name GLOB ? ||",
    to: "AND o.phase = 'none' AND o.name GLOB ? ||",
  },
  {
    name: 'nobody asks what the provider has when it refuses',
    provider: (provider) => ({
      ...provider,
      query: () => Promise.resolve({ outcome: 'unknown', why: 'nobody asks' }),
    }),
  },
  {
    name: 'what is others’ is taken for ours',
    provider: saying(({ isUnclaimed: _it, ...record }) => record),
  },
  {
    name: 'what is ours is given back as nobody’s',
    provider: saying((record) => ({ ...record, isUnclaimed: true })),
  },
  {
    name: 'what is nobody’s is asked back each time',
    from: 'WHERE NOT EXISTS (\n  SELECT 1 FROM payment_operation WHERE payment = ? AND name = ?)',
    to: "WHERE ? <> '' AND ? <> ''",
  },
  {
    name: 'what is booked is booked again',
    from: 'NOT EXISTS (SELECT 1 FROM journal WHERE account = ? AND source = ?)',
    to: "? <> '' AND ? <> ''",
  },
  {
    name: 'what is not booked is not booked',
    from: 'NOT EXISTS (SELECT 1 FROM journal WHERE account = ? AND source = ?)',
    to: "? = '' AND ? = ''",
  },
]

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
  const { router } = access
  return {
    ...access,
    hits: () => hits,
    router: {
      ...router,
      read: (key, statement, each) => router.read(key, statement, each),
      write: (key, statements, each) => router.write(key, change(statements), each),
      writeAll: (keys, statements, each) => router.writeAll(keys, change(statements), each),
    },
  }
}

function worldOf(mutant: Mutant): MendDeps & { readonly hits: () => number } {
  const changed = mutated(mutant)
  const sandbox = sandboxProvider({
    url: pspUrl,
    key: env['SANDBOX_KEY'] ?? '',
    callbackSecret: 'none',
    callbackUrl: 'http://127.0.0.1:9/',
    clock: systemClock,
    fetch: (request) => fetch(request),
  })
  const returns = returnStore({ access: changed, random: secureRandom })
  return {
    payments: paymentStore({ access, random: secureRandom }),
    returns: mutant.returns?.(returns) ?? returns,
    books: bookStore(changed),
    providers: providersOf([mutant.provider?.(sandbox) ?? sandbox], 'sandbox'),
    report: () => undefined,
    hits: changed.hits,
  }
}

const settled = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  )

function branchOf(deps: MendDeps, { order, buyer }: Case) {
  const branch = { order, gid: ids.child(buyer), branch: 'payment' }
  return async (op: 'try' | 'confirm' | 'cancel') =>
    (await runReturnBranch(deps, { op, ...branch }, call)).outcome
}

async function kindsOf(made: Case): Promise<string> {
  const { operations } = await readAtDesk(await refOf(made))
  return operations.map(({ kind }) => kind).join()
}

const part = (amountMinor: number) => ({ body: { amountMinor } })

/** What must hold, each shown by a life that needs it. */
const lives: readonly ((deps: MendDeps) => Promise<void>)[] = [
  async (deps) => {
    const made = await bound()
    const run = branchOf(deps, made)
    await run('try')
    expect((await operate('captures', made.payment, part(100))).status).toBe(409)
    await run('cancel')
    expect((await operate('captures', made.payment, part(100))).status).toBe(201)
  },
  async (deps) => {
    const made = await captured()
    const run = branchOf(deps, made)
    await run('try')
    const all = await Promise.all(Array.from({ length: 4 }, () => settled(run('confirm'))))
    expect(new Set(all)).toEqual(new Set(['done']))
    expect(await run('confirm')).toBe('done')
    expect(await kindsOf(made)).toBe('authorise,capture,refund')
    expect(await booksOf(made.payment)).toMatchObject({ captured: 0 })
  },
  async (deps) => {
    const made = await captured()
    const ref = await refOf(made)
    const response = await fetch(`${pspUrl}/_local/psp/chargebacks`, {
      method: 'POST',
      body: JSON.stringify({ ref, amountMinor: 400 }),
    })
    expect(response.ok).toBe(true)
    await operate('refunds', made.payment, part(100))
    const run = branchOf(deps, made)
    await run('try')
    expect(await settled(run('confirm'))).toBe('done')
    expect(await booksOf(made.payment)).toMatchObject({ captured: 400 })
  },
  async (deps) => {
    const made = await bound()
    const run = branchOf(deps, made)
    await run('try')
    await voidAtDesk(await refOf(made))
    expect(await run('confirm')).toBe('done')
  },
  async (deps) => {
    const made = await captured()
    const closed: Provider = {
      ...deps.providers.current(),
      operate: () => Promise.resolve({ outcome: 'refused', code: 'closed' }),
    }
    const run = branchOf({ ...deps, providers: providersOf([closed], 'sandbox') }, made)
    await run('try')
    expect([await run('confirm'), await run('confirm')]).toEqual(['refused', 'refused'])
    const asked = (await deps.payments.openOf(made.payment, call)).length
    expect(asked).toBe(0)
    expect(await deps.returns.endOf(made.payment, 'return-refund-2', call)).toBeUndefined()
  },
  async (deps) => {
    const made = await captured()
    const ref = await refOf(made)
    const operation = (await readAtDesk(ref)).operations[1]?.ref ?? ''
    const moved = { provider: 'sandbox', ref, operation, cause: 'm', currency: 'EUR' }
    const asked = { ...moved, kind: 'capture', amountMinor: 1_000 } as const
    expect(await settled(refundUnclaimed(deps, asked, call))).toBe('payment_claimed')
    expect(await kindsOf(made)).toBe('authorise,capture')
  },
  async (deps) => {
    const { ref, operations } = await takenByOthers(300)
    const moved = { provider: 'sandbox', ref, operation: operations[1]?.ref ?? '', cause: 'm' }
    const asked = { ...moved, kind: 'capture', amountMinor: 300, currency: 'EUR' } as const
    expect(await settled(replayPayment(deps, asked, call))).toBe('payment_unclaimed')
    expect(await settled(refundUnclaimed(deps, asked, call))).toBe('done')
    expect(await settled(refundUnclaimed(deps, asked, call))).toBe('done')
    expect(await booksOf(strangerOf('sandbox', ref).payment)).toMatchObject({ captured: 0 })
  },
  async (deps) => {
    const made = await bound()
    const { ref, operations } = await doAtDesk('captures', await refOf(made), 400)
    const moved = { provider: 'sandbox', ref, operation: operations.at(-1)?.ref ?? '', cause: 'm' }
    const asked = { ...moved, kind: 'capture', amountMinor: 400, currency: 'EUR' } as const
    expect(await settled(replayPayment(deps, asked, call))).toBe('done')
    expect(await booksOf(made.payment)).toMatchObject({ captured: 400 })
  },
  async (deps) => {
    const made = await captured()
    await unbook(made.payment)
    const found = await deps.books.booked(made.payment, call)
    expect((await rebookPayment(deps, made.payment, call)).booked).toBe(1)
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
    // Another has read before the first had written.
    if (found !== undefined) await deps.books.book(found, found.moved, call)
    expect(await booksOf(made.payment)).toMatchObject({ captured: 1_000 })
  },
]

async function live(mutant: Mutant) {
  const world = worldOf(mutant)
  const failures: unknown[] = []
  for (const each of lives) await each(world).catch((error: unknown) => failures.push(error))
  return { failures, hits: world.hits() }
}

describe('the lives of money that is given back or mended', () => {
  test('all go well when nothing is taken out', async () => {
    expect((await live({ name: 'nothing' })).failures).toEqual([])
  })

  test.each(mutants)('notice that $name', async (mutant) => {
    const { failures, hits } = await live(mutant)

    expect(mutant.from === undefined || hits > 0).toBe(true)
    expect(failures.length).toBeGreaterThan(0)
  })
})
