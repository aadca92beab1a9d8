import { parseId, prefixOf, prefixOfText, xxh32 } from '@stoa/kernel'

import type { OperationKind, Subject } from './provider.ts'

/** A payment as its operations add up. Amounts are minor units. */
export type Payment = {
  readonly id: string
  readonly buyer: string
  readonly orderId: string | null
  readonly gid: string | null
  readonly branch: string | null
  readonly provider: string
  readonly providerRef: string | null
  readonly amountMinor: number
  readonly currency: string
  readonly authorisedMinor: number
  readonly capturedMinor: number
  readonly voidedMinor: number
  readonly refundedMinor: number
  readonly chargedBackMinor: number
  readonly boundAt: number | null
  readonly createdAt: number
  /** How its authorisation stands; null before the provider has answered. */
  readonly authorisation: 'action_required' | 'succeeded' | 'failed' | null
}

export type PaymentState =
  | 'pending'
  | 'requires_action'
  | 'failed'
  | 'authorised'
  | 'partially_captured'
  | 'captured'
  | 'partially_refunded'
  | 'refunded'
  | 'voided'
  | 'charged_back'

/** What was asked of the provider and is not known to have been answered. */
export type OpenOperation = {
  readonly name: string
  readonly kind: Exclude<OperationKind, 'authorise' | 'chargeback'>
  readonly amountMinor: number
  readonly at: number
}

type Sums = Pick<
  Payment,
  | 'authorisedMinor'
  | 'capturedMinor'
  | 'voidedMinor'
  | 'refundedMinor'
  | 'chargedBackMinor'
  | 'authorisation'
>

/** The one word for where a payment stands; the last thing that money did says it. */
export function stateOf(sums: Sums): PaymentState {
  const { authorisedMinor, capturedMinor, voidedMinor, refundedMinor, chargedBackMinor } = sums
  if (chargedBackMinor > 0) return 'charged_back'
  if (refundedMinor > 0) return refundedMinor < capturedMinor ? 'partially_refunded' : 'refunded'
  if (capturedMinor > 0) {
    return capturedMinor + voidedMinor < authorisedMinor ? 'partially_captured' : 'captured'
  }
  if (voidedMinor > 0) return 'voided'
  if (authorisedMinor > 0) return 'authorised'
  if (sums.authorisation === 'action_required') return 'requires_action'
  return sums.authorisation === 'failed' ? 'failed' : 'pending'
}

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Where the time of an id begins, and ends. */
const [timeStart, tailStart] = [5, 14]

/** Thirty bits of a hash as the tail of an id. */
function tailOf(text: string): string {
  const hash = xxh32(text)
  return [25, 20, 15, 10, 5, 0].map((shift) => digits.charAt((hash >>> shift) & 31)).join('')
}

/**
 * Where a payment of nobody's lies: always the same place, with a buyer and an order that nobody is. It has no time.
 * Two that should meet do not agree with each other, and the second is refused.
 */
export function strangerOf(provider: string, ref: string): Subject {
  const name = `unclaimed|${provider}|${ref}`
  const idOf = (what: string) =>
    prefixOfText(name) + '0'.repeat(tailStart - timeStart) + tailOf(`${what}|${name}`)
  const order = idOf('order')
  return {
    payment: idOf('payment'),
    buyer: idOf('buyer'),
    order,
    gid: order,
    branch: 'unclaimed',
  }
}

/**
 * The payment of a branch: always the same one, beside its buyer, so that a branch asked twice, at once, or after a lost
 * reply is one payment. It has the time of its saga, so that payments of a buyer still sort by time.
 *
 * @throws InvalidIdError
 */
export function paymentIdOf({
  buyer,
  gid,
  branch,
}: {
  readonly buyer: string
  readonly gid: string
  readonly branch: string
}): string {
  const time = parseId(gid).slice(timeStart, tailStart)
  return prefixOf(buyer) + time + tailOf(`payment|${gid}|${branch}`)
}

/** The key under which a payment is authorised. */
export function authoriseKey({
  payment,
  gid,
  branch,
}: Pick<Subject, 'payment' | 'gid' | 'branch'>): string {
  return gid === null || branch === null ? `${payment}:authorise` : `${gid}:${branch}:try`
}

/** What a saga that is cancelled gives back, by name. */
export const undoNames = { void: 'void', refund: 'late-refund' } as const

const unclaimedReturn = 'unclaimed-'

/** The refund of an operation that is nobody's: each has one, for ever. */
export function unclaimedReturnOf(operation: string): string {
  return unclaimedReturn + operation
}

export function isUnclaimedReturn(name: string): boolean {
  return name.startsWith(unclaimedReturn)
}

/** The key of a later operation. */
export function operationKey(
  { payment, gid, branch }: Pick<Subject, 'payment' | 'gid' | 'branch'>,
  name: string,
): string {
  return name === undoNames.void && gid !== null && branch !== null
    ? `${gid}:${branch}:cancel`
    : `${payment}:${name}`
}

export function subjectOf(payment: Payment): Subject {
  const { id, buyer, orderId, gid, branch } = payment
  return { payment: id, buyer, order: orderId, gid, branch }
}
