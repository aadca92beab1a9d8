import type { EventData, EventType } from '@stoa/contracts'
import type { Ids, Rows, Statement } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'
import { bookEntry, type Move, type OpenBook, openBooks } from '@stoa/transactions'

import { undoNames } from '../domain/payment.ts'
import type { Fact, OperationKind, ProviderRecord, Subject } from '../domain/provider.ts'

/** How long the fast path has to publish an event before a sweep takes it up; as everywhere. */
const fastPathMs = 1_000

/** What a payment has: what was taken of it, what came back, and the world outside. */
const paymentBooks: readonly OpenBook[] = [
  { book: 'captured', limited: true },
  { book: 'chargeback', limited: false },
  { book: 'clearing', limited: false },
  { book: 'external', limited: false },
]

/** Holds in the statement after one that wrote a row, and in each after that, as long as each writes one. */
const written: Statement = { sql: 'changes() = 1', args: [] }

type Occasion = { readonly now: number; readonly cause: string; readonly ids: Ids }

/** Opens a payment that is not known yet, with its books. */
export function openPayment(
  subject: Subject,
  agreed: {
    readonly provider: string
    readonly amountMinor: number
    readonly currency: string
    readonly at: number
  },
): readonly Statement[] {
  const { payment, buyer, order, gid, branch } = subject
  const { provider, amountMinor, currency, at } = agreed
  return [
    {
      sql: `INSERT INTO payment (id, buyer, order_id, gid, branch, provider, amount_minor, currency, bound_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      args: [
        payment,
        buyer,
        order,
        gid,
        branch,
        provider,
        amountMinor,
        currency,
        order === null ? at : null,
        at,
      ],
    },
    openBooks(payment, currency, paymentBooks),
    ...(order === null ? [openBooks(buyer, currency)] : []),
  ]
}

/** Aborts the batch unless the record is of this payment, in all that was agreed; and keeps the provider's name of it. */
function agree({ subject, provider, ref, amountMinor, currency }: ProviderRecord): Statement {
  return {
    sql: `UPDATE payment SET provider_ref = ?, amount_minor = CASE WHEN amount_minor = ? AND currency = ? AND buyer = ?
  AND provider = ? AND order_id IS ? AND gid IS ? AND branch IS ? AND coalesce(provider_ref, ?) = ? THEN amount_minor END
WHERE id = ?`,
    args: [
      ref,
      amountMinor,
      currency,
      subject.buyer,
      provider,
      subject.order,
      subject.gid,
      subject.branch,
      ref,
      ref,
      subject.payment,
    ],
  }
}

function insertFact(payment: string, fact: Fact, cause: string): Statement {
  return {
    sql: `INSERT INTO payment_operation (payment, name, kind, phase, stage, amount_minor, provider_ref, code, at, cause)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    args: [
      payment,
      fact.name,
      fact.kind,
      fact.phase,
      fact.phase === 'action_required' ? 1 : 2,
      fact.amountMinor,
      fact.ref,
      fact.code,
      fact.at,
      cause,
    ],
  }
}

/** What a kind of operation moves within the account of its payment; an authorisation and a void move nothing. */
const moves: Partial<Record<OperationKind, Pick<Move, 'debit' | 'credit'>>> = {
  capture: { debit: 'external', credit: 'captured' },
  refund: { debit: 'captured', credit: 'external' },
  chargeback: { debit: 'chargeback', credit: 'external' },
}

/** Holds while an account has no entry of a cause. */
export function unlessBooked(account: string, source: string): Statement {
  return {
    sql: 'NOT EXISTS (SELECT 1 FROM journal WHERE account = ? AND source = ?)',
    args: [account, source],
  }
}

/** The entries of a fact; a top-up goes on into the wallet, whose account is the buyer's. */
export function entriesOf(
  { subject, currency }: Pick<ProviderRecord, 'subject' | 'currency'>,
  fact: Pick<Fact, 'name' | 'kind' | 'phase' | 'amountMinor'>,
  {
    now,
    gateOf,
  }: {
    readonly now: number
    readonly gateOf: (account: string, source: string) => Statement
  },
): readonly Statement[] {
  const move = moves[fact.kind]
  if (move === undefined || fact.phase !== 'succeeded' || fact.amountMinor === 0) return []
  const money = { currency, amount: fact.amountMinor }
  const source = `${subject.payment}:${fact.name}`
  const entry = { source, kind: fact.kind, at: now }
  const own = { ...entry, account: subject.payment }
  if (subject.order !== null || fact.kind !== 'capture')
    return [bookEntry({ ...own, moves: [{ ...move, money }] }, gateOf(own.account, source))]
  const incoming = [{ debit: 'external', credit: 'clearing', money }]
  const credited = [{ debit: 'clearing', credit: 'available', money }]
  return [
    bookEntry({ ...own, moves: incoming }, gateOf(own.account, source)),
    bookEntry(
      { ...entry, kind: 'top_up', account: subject.buyer, moves: credited },
      gateOf(subject.buyer, source),
    ),
  ]
}

type PaymentEventType = Extract<EventType, `payment.${string}`>

const succeeded: Readonly<Record<OperationKind, PaymentEventType>> = {
  authorise: 'payment.authorised',
  capture: 'payment.captured',
  void: 'payment.voided',
  refund: 'payment.refunded',
  chargeback: 'payment.charged_back',
}

function eventTypeOf({ kind, phase }: Fact): PaymentEventType {
  if (phase === 'succeeded') return succeeded[kind]
  if (phase === 'action_required') return 'payment.action_required'
  return kind === 'authorise' ? 'payment.declined' : 'payment.operation_failed'
}

/** The event of a fact, if that is new; its order number is the one that the payment has by then. */
function prospectOf(record: ProviderRecord, fact: Fact, { now, cause, ids }: Occasion): StoaEvent {
  const { payment, buyer, order } = record.subject
  const { name: operation, amountMinor, code } = fact
  const common = { payment, buyer, order, operation, amountMinor, currency: record.currency }
  const type = eventTypeOf(fact)
  const isRefusal = type === 'payment.declined' || type === 'payment.operation_failed'
  const data: EventData<PaymentEventType> = isRefusal
    ? { ...common, code: code ?? 'unknown' }
    : common
  return newEvent(ids, type, { key: payment, seq: 1, at: now, cause, data })
}

function insertProspect(event: StoaEvent, now: number): Statement {
  return {
    sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, headers, causation, created_at, next_at)
SELECT ?, 'payment', ?, id, version, ?, ?, ?, ?, ? FROM payment WHERE id = ? AND changes() = 1 RETURNING id, seq`,
    args: [
      event.id,
      event.type,
      JSON.stringify(event.data),
      event.v === undefined ? null : JSON.stringify({ v: event.v }),
      event.cause,
      event.at,
      now + fastPathMs,
      event.key,
    ],
  }
}

/** What a cancelled branch holds is asked for, if it is not already; answers a row for each thing asked. */
export function askForUndo(
  { payment, gid, branch }: Subject,
  { now, cause }: Pick<Occasion, 'now' | 'cause'>,
): readonly Statement[] {
  if (gid === null || branch === null) return []
  const wanted = [
    ['void', 'authorised_minor - captured_minor - capturing_minor - voided_minor - voiding_minor'],
    ['refund', 'captured_minor - refunded_minor - refunding_minor - charged_back_minor'],
  ] as const
  return wanted.map(([kind, rest]) => ({
    sql: `INSERT INTO payment_operation (payment, name, kind, phase, stage, amount_minor, at, cause)
SELECT id, ?, ?, 'requested', 0, ${rest}, ?, ? FROM payment AS p WHERE id = ? AND ${rest} > 0
AND EXISTS (SELECT 1 FROM barrier WHERE slot = p.id AND gid = ? AND branch = ? AND op = 'cancel')
AND NOT EXISTS (SELECT 1 FROM payment_operation WHERE payment = p.id AND name = ?) RETURNING name`,
    args: [undoNames[kind], kind, now, cause, payment, gid, branch, undoNames[kind]],
  }))
}

export type FactBatch = {
  readonly statements: readonly Statement[]
  /** The events that were written, from the rows of the statements. */
  readonly eventsOf: (rows: readonly Rows[]) => readonly StoaEvent[]
}

/** Writes what of a record is new. Sent twice, the second changes nothing. */
export function factStatements(record: ProviderRecord, occasion: Occasion): FactBatch {
  const { subject, facts } = record
  const { now, cause } = occasion
  const prospects = facts.map((fact) => prospectOf(record, fact, occasion))
  const byId = new Map(prospects.map((event) => [event.id, event]))
  return {
    statements: [
      ...openPayment(subject, { ...record, at: facts[0]?.at ?? now }),
      agree(record),
      ...facts.flatMap((fact, index) => {
        const event = prospects[index]
        return [
          insertFact(subject.payment, fact, cause),
          ...entriesOf(record, fact, { now, gateOf: () => written }),
          ...(event === undefined ? [] : [insertProspect(event, now)]),
        ]
      }),
    ],
    eventsOf: (rows) =>
      rows.flatMap(({ rows: each }) =>
        each.flatMap(([id, seq]): readonly StoaEvent[] => {
          const event = byId.get(String(id))
          return event === undefined ? [] : [{ ...event, seq: Number(seq) }]
        }),
      ),
  }
}
