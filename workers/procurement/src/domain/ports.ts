import type { Call } from '@stoa/kernel'
import type { Answered, Once, StoaEvent } from '@stoa/messaging'

import type { PurchaseOrder } from './purchase-order.ts'
import type { Receipt } from './receipt.ts'
import type { Supplier } from './supplier.ts'

export type SupplierStore = {
  get(id: string, call: Call): Promise<Supplier | undefined>
  /** Writes the supplier, once for a key. @throws KeyReusedError */
  add(
    entry: { readonly once: Once; readonly supplier: Supplier },
    call: Call,
  ): Promise<Answered<Supplier>>
}

/** What a receipt answers: itself, and the order after it. */
export type Received = { readonly receipt: Receipt; readonly order: PurchaseOrder }

export type PurchaseOrderStore = {
  get(id: string, call: Call): Promise<PurchaseOrder | undefined>
  /** Writes the order with its lines, once for a key. @throws SupplierNotFoundError, KeyReusedError */
  add(
    entry: { readonly once: Once; readonly order: PurchaseOrder },
    call: Call,
  ): Promise<Answered<PurchaseOrder>>
  /** What an earlier request with this key received of the order. @throws KeyReusedError */
  findReceived(once: Once, order: string, call: Call): Promise<Received | undefined>
  /**
   * Writes the receipt, the order after it and the events, once for a key, when the order is still at the version
   * before.
   *
   * @throws StaleVersionError when it is not; KeyReusedError.
   */
  receive(
    entry: {
      readonly once: Once
      readonly received: Received
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Received>>
}
