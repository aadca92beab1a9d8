import { parseId } from '@stoa/kernel'
import type { Stripe } from 'stripe'

import { strangerOf } from '../domain/payment.ts'
import type { Fact, ProviderRecord, Subject } from '../domain/provider.ts'

/** Where the parts of a payment are kept at Stripe, which knows a capture only as a sum: one entry each. */
export const captureMark = 'capture_'

/** What Stripe has of a payment, of which each thing is asked for by itself. */
export type StripeParts = {
  readonly intent: Stripe.PaymentIntent
  readonly refunds: readonly Stripe.Refund[]
  readonly disputes: readonly Stripe.Dispute[]
}

export function metadataOf(
  { payment, buyer, order, gid, branch }: Subject,
  key: string,
): Record<string, string> {
  return {
    key,
    payment,
    buyer,
    ...(order === null ? {} : { order }),
    ...(gid === null ? {} : { gid }),
    ...(branch === null ? {} : { branch }),
  }
}

/** Whose payment it is; `undefined` for one that this system did not make. */
function subjectOf(metadata: Readonly<Record<string, string>>): Subject | undefined {
  const { payment, buyer, order = null, gid = null, branch = null } = metadata
  if (payment === undefined || buyer === undefined) return undefined
  try {
    return { payment: parseId(payment), buyer: parseId(buyer), order, gid, branch }
  } catch {
    return undefined
  }
}

type Known = { readonly ref: string; readonly at: number }

function authorisationOf(intent: Stripe.PaymentIntent, known: Known): readonly Fact[] {
  const { status, amount: amountMinor, last_payment_error: failure, latest_charge: charge } = intent
  const fact = { name: 'authorise', kind: 'authorise', amountMinor, ...known } as const
  if (status === 'requires_capture' || status === 'succeeded')
    return [{ ...fact, phase: 'succeeded', code: null }]
  if (status === 'requires_action' || status === 'requires_confirmation')
    return [{ ...fact, phase: 'action_required', code: 'requires_action' }]
  if (status === 'requires_payment_method' && failure !== null) {
    const code = failure.decline_code ?? failure.code ?? 'declined'
    return [{ ...fact, phase: 'failed', code }]
  }
  if (status !== 'canceled') return []
  // A charge that was made is what was promised before it was given back.
  return charge === null || failure !== null
    ? [{ ...fact, phase: 'failed', code: failure?.code ?? 'canceled' }]
    : [{ ...fact, phase: 'succeeded', code: null }]
}

/** What was captured of a payment, each by the name that it was asked for. */
export function capturesOf(intent: Stripe.PaymentIntent, known: Known): readonly Fact[] {
  const fact = { kind: 'capture', phase: 'succeeded', code: null, at: known.at } as const
  const named = Object.entries(intent.metadata)
    .filter(([name]) => name.startsWith(captureMark))
    .map(([name, amount]) => ({
      name: name.slice(captureMark.length),
      amountMinor: Number(amount),
    }))
  const rest = intent.amount_received - named.reduce((sum, { amountMinor }) => sum + amountMinor, 0)
  const all = rest > 0 ? [...named, { name: 'capture', amountMinor: rest }] : named
  return all.map((each) => ({ ...fact, ...each, ref: `${known.ref}:${each.name}` }))
}

/** What was promised and is neither taken nor to be taken: the payment was cancelled, or its last part captured. */
function voidOf(intent: Stripe.PaymentIntent, [authorised]: readonly Fact[]): readonly Fact[] {
  const isOver = intent.status === 'canceled' || intent.status === 'succeeded'
  const amountMinor = intent.amount - intent.amount_received
  if (!isOver || authorised?.phase !== 'succeeded' || amountMinor === 0) return []
  const fact = { name: 'void', kind: 'void', phase: 'succeeded', code: null } as const
  return [{ ...fact, amountMinor, ref: `${intent.id}:void`, at: authorised.at }]
}

function refundOf({
  id: ref,
  metadata,
  amount: amountMinor,
  status,
  created,
}: Stripe.Refund): readonly Fact[] {
  const fact = { name: metadata?.['name'] ?? ref, kind: 'refund', amountMinor, ref } as const
  const at = created * 1_000
  if (status === 'succeeded') return [{ ...fact, phase: 'succeeded', code: null, at }]
  if (status === 'failed' || status === 'canceled')
    return [{ ...fact, phase: 'failed', code: status, at }]
  return []
}

function chargebackOf({ id: ref, amount, status, created }: Stripe.Dispute): readonly Fact[] {
  // An inquiry takes nothing, and of a dispute that was won the money is back.
  if (status.startsWith('warning') || status === 'won') return []
  const fact = { name: ref, kind: 'chargeback', phase: 'succeeded', code: null } as const
  return [{ ...fact, ref, amountMinor: amount, at: created * 1_000 }]
}

/** A payment as Stripe has it. */
export function stripeRecord({ intent, refunds, disputes }: StripeParts): ProviderRecord {
  const subject = subjectOf(intent.metadata)
  const known = { ref: intent.id, at: intent.created * 1_000 }
  const authorisation = authorisationOf(intent, known)
  return {
    provider: 'stripe',
    ref: intent.id,
    ...(subject === undefined
      ? { subject: strangerOf('stripe', intent.id), isUnclaimed: true }
      : { subject }),
    amountMinor: intent.amount,
    currency: intent.currency.toUpperCase(),
    facts: [
      ...authorisation,
      ...capturesOf(intent, known),
      ...voidOf(intent, authorisation),
      ...refunds.flatMap(refundOf),
      ...disputes.flatMap(chargebackOf),
    ],
  }
}
