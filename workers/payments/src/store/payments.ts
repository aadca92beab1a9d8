import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import {
  AmbiguousWriteError,
  type Call,
  type Random,
  type Rows,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import { barrier, type BarrierBatch, createBranches, newToken } from '@stoa/transactions'

import { ProviderUnavailableError } from '../domain/faults.ts'
import type { Absorbed, Asked, Learnt, PaymentStore, TopUp, Wish } from '../domain/ports.ts'
import type { ProviderRecord, Subject } from '../domain/provider.ts'
import { faultOfRecord, faultOfWish } from './broken-rule.ts'
import { askForUndo, factStatements, openPayment } from './fact-statements.ts'
import { answerRow, beginRequest, releaseRow, type RequestRow } from './recovery.ts'
import {
  askedOf,
  askedQuery,
  openQuery,
  paymentQuery,
  paymentsOfOrderQuery,
} from './select-payments.ts'

/** How often a batch whose reply was lost is sent, each time as an attempt of its own. */
const attemptsMax = 3

export type StoreDeps = { readonly access: KeyspaceAccess; readonly random: Random }

/** A branch as the barrier knows it: its rows lie with the payment. */
function branchOf({ payment, gid, branch }: Subject) {
  if (gid === null || branch === null) throw new Error('Cannot run a branch: a top-up has none')
  return { key: payment, gid, branch }
}

/** The account of a top-up is the buyer's wallet: its rows are in the batch too. */
function keysOf({ payment, buyer, order }: Subject): readonly string[] {
  return order === null ? [payment, buyer] : [payment]
}

/** The row of a request: a payment's own, and for a top-up, whose payment is only being made, beside the buyer. */
function rowOf(
  once: RequestRow['once'],
  { payment, buyer, order }: Pick<Subject, 'payment' | 'buyer' | 'order'>,
): RequestRow {
  return { slot: order === null ? buyer : payment, once }
}

/** The statements by which a callback is remembered. */
function rememberCallback({ provider, subject }: ProviderRecord, event: string, now: number) {
  return {
    sql: 'INSERT INTO payment_callback (payment, provider, event, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    args: [subject.payment, provider, event, now],
  }
}

function insertWish(
  { payment, name, kind, amountMinor }: Wish,
  now: number,
  cause: string,
): Statement {
  const rest = {
    capture: 'authorised_minor - captured_minor - capturing_minor - voided_minor - voiding_minor',
    void: 'authorised_minor - captured_minor - capturing_minor - voided_minor - voiding_minor',
    refund: 'captured_minor - refunded_minor - refunding_minor - charged_back_minor',
  }[kind]
  return {
    sql: `INSERT INTO payment_operation (payment, name, kind, phase, stage, amount_minor, at, cause)
VALUES (?, ?, ?, 'requested', 0, coalesce(?, (SELECT max(0, ${rest}) FROM payment WHERE id = ?)), ?, ?)`,
    args: [payment, name, kind, amountMinor ?? null, payment, now, cause],
  }
}

function isRepeated(error: unknown): boolean {
  const isToken = error instanceof SqlConstraintError && error.constraint === 'barrier.token'
  return isToken || error instanceof AmbiguousWriteError
}

async function absorb(
  { access, random }: StoreDeps,
  { record, learnt }: { readonly record: ProviderRecord; readonly learnt: Learnt },
  call: Call,
): Promise<Absorbed> {
  const { committer, clock, ids } = access
  const { subject } = record
  const now = clock.now()
  const occasion = { now, cause: learnt.callback ?? learnt.cause ?? call.requestId, ids }
  const attempt = async (): Promise<Absorbed> => {
    const place: BarrierBatch | undefined =
      learnt.tries === true
        ? barrier({ ...branchOf(subject), op: 'try', token: newToken(random), at: now }, () => [])
        : undefined
    const head = place?.statements ?? []
    const facts = factStatements(record, occasion)
    const undo = askForUndo(subject, occasion)
    const tail = [
      ...undo,
      ...(learnt.callback === undefined ? [] : [rememberCallback(record, learnt.callback, now)]),
      ...(learnt.answers === undefined
        ? []
        : [answerRow(rowOf(learnt.answers.once, subject), learnt.answers.answer)]),
    ]
    const { eventsOf } = facts
    const statements = [...head, ...facts.statements, ...tail]
    const { rows = [] } = await committer.commit(
      { keys: keysOf(subject), statements, events: [], eventsOf },
      call,
    )
    const undone = rows.slice(head.length + facts.statements.length).slice(0, undo.length)
    return {
      tried: place?.outcome(rows),
      undo: undone.some((each) => each.rows.length > 0),
    }
  }
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!isRepeated(error) || attempts >= attemptsMax) throw faultOfRecord(error)
    }
  }
}

function askedIn(query: ReturnType<typeof askedQuery>, rows: Rows | undefined): Promise<Asked> {
  return Promise.resolve(rows === undefined ? [] : rowsOf(query, rows)).then((found) => {
    const [row] = found
    if (row === undefined) throw new ProviderUnavailableError('what was asked is being written')
    return askedOf(row)
  })
}

function ask(
  access: KeyspaceAccess,
  { once, wish }: { readonly once: RequestRow['once']; readonly wish: Wish },
  call: Call,
) {
  const { payment, name } = wish
  const query = askedQuery(payment, name)
  return beginRequest<Asked>(
    access,
    {
      row: { slot: payment, once },
      keys: [payment],
      point: name,
      statements: [insertWish(wish, access.clock.now(), call.requestId), statement(query)],
      read: (rows) => askedIn(query, rows[1]),
      resume: async (point, each) => {
        const stopped = askedQuery(payment, point)
        return askedIn(stopped, await access.router.read(payment, statement(stopped), each))
      },
    },
    call,
  )
}

function openTopUp(
  access: KeyspaceAccess,
  { once, topUp }: { readonly once: RequestRow['once']; readonly topUp: TopUp },
  call: Call,
) {
  const { subject, createdAt: at } = topUp
  return beginRequest<TopUp>(
    access,
    {
      row: rowOf(once, subject),
      keys: keysOf(subject),
      point: subject.payment,
      statements: openPayment(subject, { ...topUp, at }),
      read: () => Promise.resolve(topUp),
      resume: async (payment, each) => {
        const query = paymentQuery(payment)
        const rows = await access.router.read(payment, statement(query), each)
        const [found] = await rowsOf(query, rows)
        if (found === undefined) throw new ProviderUnavailableError('the top-up is being written')
        const { provider, amountMinor, currency, createdAt } = found
        return { subject: { ...subject, payment }, provider, amountMinor, currency, createdAt }
      },
    },
    call,
  )
}

/** What the schema refuses, in the domain's words. */
async function refusable<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw faultOfWish(error)
  })
}

export function paymentStore(deps: StoreDeps): PaymentStore {
  const { access, random } = deps
  const { router, clock } = access
  const branches = createBranches({ keyspace: router, clock, random })
  return {
    get: async (id, call) => {
      const query = paymentQuery(id)
      const [found] = await rowsOf(query, await router.read(id, statement(query), call))
      return found
    },
    ofOrder: async (order, call) => {
      const query = paymentsOfOrderQuery(order)
      return rowsOf(query, await router.read(order, statement(query), call))
    },
    absorb: (record, learnt, call) => absorb(deps, { record, learnt }, call),
    bind: (subject, call) =>
      branches.run(
        { ...branchOf(subject), op: 'confirm' },
        (gate, at) => [
          {
            sql: `UPDATE payment SET bound_at = ? WHERE id = ? AND bound_at IS NULL AND ${gate.sql}`,
            args: [at, subject.payment, ...gate.args],
          },
        ],
        call,
      ),
    cancel: (subject, call) =>
      branches.run(
        { ...branchOf(subject), op: 'cancel' },
        (_gate, now) => askForUndo(subject, { now, cause: call.requestId }),
        call,
      ),
    ask: (once, wish, call) => refusable(ask(access, { once, wish }, call)),
    openTopUp: (once, topUp, call) => refusable(openTopUp(access, { once, topUp }, call)),
    release: async (once, slot, call) => {
      await router.write(slot, [releaseRow({ slot, once })], call)
    },
    openOf: async (payment, call) => {
      const query = openQuery(payment)
      const rows = await rowsOf(query, await router.read(payment, statement(query), call))
      return rows.map(askedOf)
    },
  }
}
