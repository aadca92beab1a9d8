import type { Call, Clock, Ids } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'

import type { PurchaseOrderStore } from './ports.ts'
import { type Line, type PurchaseOrder, requireDistinct, totalOf } from './purchase-order.ts'

/** What is wished of a supplier. */
export type Submission = Pick<PurchaseOrder, 'supplier' | 'currency'> & {
  readonly lines: readonly Omit<Line, 'received'>[]
}

type Deps = {
  readonly purchaseOrders: PurchaseOrderStore
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Orders goods. Nobody else need know before some arrive, so there is no event.
 *
 * @throws DuplicateLineError, TotalTooLargeError, SupplierNotFoundError, KeyReusedError.
 */
export async function submit(
  { purchaseOrders, ids, clock }: Deps,
  { once, submission }: { readonly once: Once; readonly submission: Submission },
  call: Call,
): Promise<Answered<PurchaseOrder>> {
  const { supplier, currency, lines } = submission
  requireDistinct(lines)
  const order = {
    id: ids.child(supplier),
    supplier,
    currency,
    totalMinor: totalOf(lines),
    lines: lines.map((line) => ({ ...line, received: 0 })),
    version: 0,
    createdAt: clock.now(),
  }
  return purchaseOrders.add({ once, order }, call)
}
