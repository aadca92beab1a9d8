import { type PspOperation, type PspPayment, PspRefusal, totalsOf } from './model.ts'

/** What comes with every operation: how it is known, and when it is. */
export type Occasion = {
  readonly ref: string
  readonly key: string
  readonly name: string
  readonly at: number
}

export type NewPayment = Omit<PspPayment, 'operations' | 'createdAt' | 'key' | 'ref'>

/** What a test token makes of an authorisation; any other token is a good card. */
const authorisations: Readonly<
  Record<string, { readonly state: PspOperation['state']; readonly code?: string }>
> = {
  tok_declined: { state: 'failed', code: 'card_declined' },
  tok_insufficient_funds: { state: 'failed', code: 'insufficient_funds' },
  tok_expired: { state: 'failed', code: 'card_expired' },
  tok_3ds: { state: 'action_required', code: 'requires_action' },
}

function withOperation(payment: PspPayment, operation: PspOperation): PspPayment {
  return { ...payment, operations: [...payment.operations, operation] }
}

function captureAtOnce(payment: PspPayment, at: number): PspPayment {
  const { ref, key, amountMinor } = payment
  const known = { ref: `${ref}_c0`, key: `${key}:capture`, name: 'capture' }
  const taken = { ...known, kind: 'capture', state: 'succeeded', amountMinor, at } as const
  return withOperation(payment, taken)
}

/** A new payment with its authorisation, as its token has it: a declined one is kept too. */
export function authorise(
  asked: NewPayment,
  { ref, key, at }: { readonly ref: string; readonly key: string; readonly at: number },
): PspPayment {
  const outcome = authorisations[asked.token] ?? { state: 'succeeded' }
  const { amountMinor } = asked
  const operation = {
    ref: `${ref}_a`,
    key,
    name: 'authorise',
    kind: 'authorise' as const,
    amountMinor,
    at,
    ...outcome,
  }
  const payment = { ...asked, ref, key, operations: [operation], createdAt: at }
  return asked.captureAtOnce && outcome.state === 'succeeded' ? captureAtOnce(payment, at) : payment
}

/** The payer did what the bank wanted, or did not. @throws PspRefusal when nothing was wanted. */
export function finishAction(
  payment: PspPayment,
  { approved, at }: { readonly approved: boolean; readonly at: number },
): PspPayment {
  const { ref, key, amountMinor } = payment
  const last = payment.operations.at(-1)
  if (last?.state !== 'action_required')
    throw new PspRefusal(409, 'no_action_required', 'nothing is wanted of the payer')
  const known = { ref: `${ref}_a2`, key, name: 'authorise', kind: 'authorise' as const }
  if (!approved) {
    const code = 'authentication_failed'
    return withOperation(payment, { ...known, state: 'failed', amountMinor, code, at })
  }
  const next = withOperation(payment, { ...known, state: 'succeeded', amountMinor, at })
  return payment.captureAtOnce ? captureAtOnce(next, at) : next
}

/** Takes money that is promised: a part, or several one after another. @throws PspRefusal */
export function capture(payment: PspPayment, amountMinor: number, occasion: Occasion): PspPayment {
  const { authorised, captured, voided } = totalsOf(payment)
  if (payment.token === 'tok_capture_refused')
    throw new PspRefusal(409, 'capture_refused', 'the bank takes its promise back')
  if (captured + voided + amountMinor > authorised)
    throw new PspRefusal(409, 'amount_too_large', 'so much is not authorised any more')
  return withOperation(payment, { ...occasion, kind: 'capture', state: 'succeeded', amountMinor })
}

/** Gives back what is promised and was not taken; nothing can be taken any more. @throws PspRefusal */
export function voidRest(payment: PspPayment, occasion: Occasion): PspPayment {
  const { authorised, captured, voided } = totalsOf(payment)
  const isWaiting = payment.operations.at(-1)?.state === 'action_required'
  const amountMinor = authorised - captured - voided
  if (amountMinor === 0 && !isWaiting)
    throw new PspRefusal(409, 'nothing_to_void', 'nothing is authorised')
  return withOperation(payment, { ...occasion, kind: 'void', state: 'succeeded', amountMinor })
}

/** Gives money back that was taken: a part, or several one after another. @throws PspRefusal */
export function refund(payment: PspPayment, amountMinor: number, occasion: Occasion): PspPayment {
  const { captured, refunded, chargedBack } = totalsOf(payment)
  if (refunded + chargedBack + amountMinor > captured)
    throw new PspRefusal(409, 'amount_too_large', 'so much was not captured')
  return withOperation(payment, { ...occasion, kind: 'refund', state: 'succeeded', amountMinor })
}

/** The payer's bank takes money back, whatever was refunded. @throws PspRefusal */
export function chargeBack(
  payment: PspPayment,
  amountMinor: number,
  occasion: Occasion,
): PspPayment {
  const { captured } = totalsOf(payment)
  if (amountMinor > captured) throw new PspRefusal(409, 'amount_too_large', 'so much was not taken')
  return withOperation(payment, {
    ...occasion,
    kind: 'chargeback',
    state: 'succeeded',
    amountMinor,
  })
}
