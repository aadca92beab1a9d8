import type { Entry } from '../entry.ts'
import type { Finding, Judge } from '../finding.ts'
import { differingFields, distance, type FieldRules, toAmount, wholeOf } from '../tolerance.ts'

export type PaymentRules = {
  /** What must agree between us and the provider; amounts have no tolerance unless it says so. */
  readonly fields?: FieldRules
  /** When the provider closes its day: milliseconds after midnight UTC. */
  readonly dayClosesAtMs?: number
  /** How near the close a payment may fall on the other side of it. */
  readonly cutOffMs?: number
}

const dayMs = 86_400_000
const ourFields: FieldRules = { amount: {}, currency: 'exact', fee: {} }

/** Our words for what the provider must say. */
const expected: Readonly<Record<string, string>> = {
  placed: 'pending',
  paid: 'captured',
  refunded: 'refunded',
  cancelled: 'voided',
}

const paidStates: ReadonlySet<unknown> = new Set(['paid', 'refunded'])
const captured: ReadonlySet<unknown> = new Set(['captured', 'refunded'])

/** Whether `at` lies so near the close of a day that the other side may have put it into the next. */
function isNearClose(at: number, closesAtMs: number, cutOffMs: number): boolean {
  const into = (((at - closesAtMs) % dayMs) + dayMs) % dayMs
  return into < cutOffMs || dayMs - into <= cutOffMs
}

function amountOf(entry: Entry | undefined): number {
  return toAmount(wholeOf(entry, 'amount'))
}

/** We have nothing of a capture that the provider has. */
function unknownCapture(order: Entry | undefined, capture: Entry): Finding {
  return {
    class: 'missing_internal',
    key: capture.key,
    action: order === undefined ? 'refund_unknown' : 'replay_paid',
    amount: amountOf(capture),
    detail: { ...capture.fields, order: order === undefined ? null : order.key },
  }
}

function laterCaptures(captures: readonly Entry[]): Finding {
  const [first, ...later] = captures.toSorted((one, other) => one.at - other.at)
  return {
    class: 'duplicate_capture',
    key: first?.key ?? '',
    action: 'refund_duplicate',
    amount: later.reduce(
      (sum, capture) => Math.min(sum + amountOf(capture), Number.MAX_SAFE_INTEGER),
      0,
    ),
    detail: { refund: later.map(({ fields }) => String(fields['id'] ?? '')).join() },
  }
}

function mismatches(order: Entry, capture: Entry, rules: FieldRules): readonly Finding[] {
  const { key } = order
  const differing = differingFields(order, capture, rules)
  const said = { ours: order.fields['state'] ?? null, theirs: capture.fields['state'] ?? null }
  const amounts: readonly Finding[] =
    differing.length === 0
      ? []
      : [
          {
            class: 'amount_mismatch',
            key,
            action: 'adjust',
            amount: toAmount(distance(wholeOf(order, 'amount'), wholeOf(capture, 'amount'))),
            detail: Object.fromEntries(
              differing.flatMap((name) => [
                [`our_${name}`, order.fields[name] ?? null],
                [`their_${name}`, capture.fields[name] ?? null],
              ]),
            ),
          },
        ]
  if (expected[String(said.ours)] === said.theirs) return amounts
  const state: Finding = {
    class: 'state_mismatch',
    key,
    action: 'redrive_payment',
    amount: amountOf(order),
    detail: said,
  }
  return [...amounts, state]
}

function journalBreaks(order: Entry | undefined, journal: Entry | undefined): readonly Finding[] {
  const isPaid = order !== undefined && paidStates.has(order.fields['state'])
  const finding = { class: 'journal_mismatch', amount: amountOf(order ?? journal) } as const
  if (isPaid && journal === undefined)
    return [{ ...finding, key: order.key, action: 'republish_order', detail: { journal: null } }]
  if (journal === undefined) return []
  if (!isPaid)
    return [{ ...finding, key: journal.key, action: 'suspend', detail: { ...journal.fields } }]
  return differingFields(order, journal, { amount: {}, currency: 'exact' }).length === 0
    ? []
    : [{ ...finding, key: order.key, action: 'adjust', detail: { ...journal.fields } }]
}

/**
 * Order, provider, ledger. An order has `state` (placed, paid, refunded, cancelled), `payment` (null until we know of
 * one), `amount`, `currency`, `fee`; a provider's entry `id`, `state` (pending, captured, refunded, voided), `amount`,
 * `currency`, `fee`; a journal entry `amount` and `currency`. Key: what the payment is for.
 */
export function judgePayments({
  fields = ourFields,
  dayClosesAtMs = 0,
  cutOffMs = 600_000,
}: PaymentRules = {}): Judge {
  return ({ entries: [orders = [], provided = [], journals = []] }, { watermarks }) => {
    const [order] = orders
    const [journal] = journals
    const captures = provided.filter((entry) => captured.has(entry.fields['state']))
    const [capture = provided[0]] = captures
    const isKnown = order !== undefined && order.fields['payment'] !== null
    /** The next day's file may have it: that day is not closed yet on the side that lacks it. */
    const isCut = ({ at }: Entry, lacking: number) =>
      isNearClose(at, dayClosesAtMs, cutOffMs) && (watermarks[lacking] ?? 0) < at + dayMs
    const cut = (entry: Entry): readonly Finding[] => [
      {
        class: 'cut_off',
        key: entry.key,
        action: 'carry_over',
        amount: amountOf(entry),
        detail: { at: entry.at },
      },
    ]
    if (captures.length > 1) return [laterCaptures(captures)]
    if (captures.length === 1 && capture !== undefined && !isKnown)
      return isCut(capture, 0) && order === undefined
        ? cut(capture)
        : [unknownCapture(order, capture)]
    const ledger = journalBreaks(order, journal)
    if (order === undefined || !isKnown) return ledger
    if (capture !== undefined) return [...mismatches(order, capture, fields), ...ledger]
    if (!paidStates.has(order.fields['state'])) return ledger
    if (isCut(order, 1)) return [...cut(order), ...ledger]
    const missing: Finding = {
      class: 'missing_external',
      key: order.key,
      action: 'suspend',
      amount: amountOf(order),
      detail: { payment: order.fields['payment'] ?? null },
    }
    return [missing, ...ledger]
  }
}
