import { type Call, type Ids, isFault } from '@stoa/kernel'
import type { Once } from '@stoa/messaging'

import { OperationRefusedError, RequestInProgressError } from './faults.ts'
import type { Asked, Begun, StoredAnswer, Wish } from './ports.ts'
import { settle, type SettleDeps } from './settle.ts'

export type OperateDeps = SettleDeps & { readonly ids: Ids }

/** An operation that the provider did. */
export type Operated = {
  readonly id: string
  readonly payment: string
  readonly kind: Wish['kind']
  readonly amountMinor: number
  readonly currency: string
  readonly createdAt: number
}

export type Answered<T> = { readonly reply: T; readonly replayed: boolean }

/** A stored answer as its request was answered. @throws OperationRefusedError */
export function replay<T>(answer: StoredAnswer): Answered<T> {
  if (!answer.ok) throw new OperationRefusedError(answer.reason)
  // Stored by the very request that is repeated, whose reply was a T.
  return { reply: answer.reply as T, replayed: true }
}

/** The work of a begun request, or its end. @throws RequestInProgressError, OperationRefusedError */
export function turnOf<T, R>(begun: Begun<T>): { readonly work: T } | Answered<R> {
  if (begun.turn === 'busy') throw new RequestInProgressError(begun.waitMs)
  return begun.turn === 'answered' ? replay<R>(begun.answer) : { work: begun.work }
}

function replyOf({ payment, operation }: Asked): Operated {
  const { name: id, kind, amountMinor, at: createdAt } = operation
  return { id, payment: payment.id, kind, amountMinor, currency: payment.currency, createdAt }
}

/**
 * Captures, voids or refunds, once for a key: what is asked is written down with the key's row, the provider is asked
 * under a name of the operation's own, and its answer commits with the facts. A request that died anywhere is gone on
 * with by the next one with the key; an operation nobody asks about is settled by the sweep.
 *
 * Three round trips; a repeat two.
 *
 * @throws PaymentNotFoundError, PaymentNotBoundError, CaptureExceededError, NothingToVoidError, RefundExceededError,
 *   NotRefundableError, OperationRefusedError, RequestInProgressError, ProviderUnavailableError, KeyReusedError.
 */
export async function operate(
  deps: OperateDeps,
  { once, ...wish }: Omit<Wish, 'name'> & { readonly once: Once },
  call: Call,
): Promise<Answered<Operated>> {
  const { payments, ids } = deps
  const name = ids.child(wish.payment)
  const turn = turnOf<Asked, Operated>(await payments.ask(once, { ...wish, name }, call))
  if ('reply' in turn) return turn
  const asked = turn.work
  const reply = replyOf(asked)
  const learnt = (refused: string | undefined) => {
    const answer: StoredAnswer =
      refused === undefined ? { ok: true, reply } : { ok: false, reason: refused }
    return { answers: { once, answer } }
  }
  try {
    const refused = await settle(deps, { asked, learnt }, call)
    if (refused !== undefined) throw new OperationRefusedError(refused)
    return { reply, replayed: false }
  } catch (error) {
    // Whoever asks again need not wait for the lease of a worker that knows that it is done.
    if (isFault(error) && error.retryable)
      await payments.release(once, wish.payment, call).catch(() => undefined)
    throw error
  }
}
