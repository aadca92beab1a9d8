import type { Client } from '@stoa/contracts'
import type { payments } from '@stoa/contracts/payments'
import type { warehouse } from '@stoa/contracts/warehouse'
import { type Call, Fault, isFault, typedId } from '@stoa/kernel'
import type { Executor, StepOperation, Verdict } from '@stoa/transactions'

/** A service did not answer: what it did is not known. */
export class ParticipantUnreachableError extends Fault {
  override readonly name = 'ParticipantUnreachableError'
  override readonly code = 'unreachable'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor({ action, branch }: StepOperation, options: ErrorOptions) {
    super(`Cannot ${action} "${branch}": its service does not answer`, options)
  }
}

export type Participants = {
  readonly warehouse: Pick<Client<typeof warehouse>, 'runStockBranch'>
  readonly payments: Pick<Client<typeof payments>, 'runPaymentBranch' | 'runReturnBranch'>
}

/** As `placementOf` and `cancellationOf` make it, and the saga keeps it. */
type StockRequest = { readonly order: string; readonly product: string; readonly quantity: number }
type PaymentRequest = {
  readonly order: string
  readonly buyer: string
  readonly amountMinor: number
  readonly currency: string
  readonly method: { readonly token: string }
}
type ReturnRequest = { readonly order: string }

/**
 * What the warehouse is asked when an order is cancelled. It knows reservations by their order, so that a try of this saga
 * finds what another has reserved, and only its cancel gives back.
 */
const restocking = { try: 'try', confirm: 'cancel', cancel: 'try' } as const

async function ask(
  { warehouse: stock, payments: money }: Participants,
  { gid, branch, action: op, target, request }: StepOperation,
  call: Call,
): Promise<{ readonly outcome: Verdict['outcome']; readonly code?: string | undefined }> {
  if (target === 'stock' || target === 'restock') {
    const { order, product, quantity } = request as StockRequest
    const typed = { order: typedId('ord', order), product: typedId('prd', product), quantity }
    const asked = target === 'stock' ? op : restocking[op]
    return stock.runStockBranch({ body: { gid, branch, op: asked, ...typed } }, call)
  }
  if (target === 'return') {
    const { order } = request as ReturnRequest
    return money.runReturnBranch({ body: { gid, branch, op, order: typedId('ord', order) } }, call)
  }
  const { order, buyer, ...terms } = request as PaymentRequest
  const typed = { order: typedId('ord', order), buyer: typedId('usr', buyer), ...terms }
  return money.runPaymentBranch({ body: { gid, branch, op, ...typed } }, call)
}

/** Reaches the warehouse and the payments service as the participants of placing an order, and of cancelling it. One call each. */
export function participantExecutor(participants: Participants): Executor {
  return {
    execute: async (operation, call) => {
      try {
        const { outcome, code } = await ask(participants, operation, call)
        if (outcome === 'done') return { outcome }
        return { outcome, code: code ?? outcome }
      } catch (error) {
        if (isFault(error)) throw error
        throw new ParticipantUnreachableError(operation, { cause: error })
      }
    },
  }
}
