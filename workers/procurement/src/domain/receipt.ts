import { Fault } from '@stoa/kernel'

import { type PurchaseOrder, requireDistinct } from './purchase-order.ts'

export type ReceivedLine = { readonly product: string; readonly received: number }

/** Goods of a purchase order that arrived. */
export type Receipt = {
  readonly id: string
  readonly purchaseOrder: string
  readonly lines: readonly ReceivedLine[]
  readonly createdAt: number
}

/** More arrived than is still open. */
export class OverReceiptError extends Fault {
  override readonly name = 'OverReceiptError'
  override readonly code = 'over_receipt'
  override readonly kind = 'failed_precondition'

  constructor(product: string, open: number) {
    super(`Cannot receive product "${product}": ${open} are still open`)
  }
}

/** A product arrived that the purchase order does not name. */
export class NotOrderedError extends Fault {
  override readonly name = 'NotOrderedError'
  override readonly code = 'not_ordered'
  override readonly kind = 'failed_precondition'

  constructor(product: string) {
    super(`Cannot receive product "${product}": the purchase order does not name it`)
  }
}

/** Other receipts of the same purchase order kept coming first. */
export class StaleVersionError extends Fault {
  override readonly name = 'StaleVersionError'
  override readonly code = 'stale_version'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor() {
    super('Cannot record the receipt: others of the same purchase order came first')
  }
}

/**
 * `order` after `lines` have arrived. Pure: the store decides whether the write wins.
 *
 * @throws DuplicateLineError, NotOrderedError, OverReceiptError.
 */
export function received(order: PurchaseOrder, lines: readonly ReceivedLine[]): PurchaseOrder {
  requireDistinct(lines)
  const arrived = new Map(lines.map((line) => [line.product, line.received]))
  const known = new Set(order.lines.map(({ product }) => product))
  const stray = lines.find(({ product }) => !known.has(product))
  if (stray !== undefined) throw new NotOrderedError(stray.product)
  const after = order.lines.map((line) => {
    const open = line.ordered - line.received
    const more = arrived.get(line.product) ?? 0
    if (more > open) throw new OverReceiptError(line.product, open)
    return { ...line, received: line.received + more }
  })
  return { ...order, lines: after, version: order.version + 1 }
}
