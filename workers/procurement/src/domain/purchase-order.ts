import { Fault } from '@stoa/kernel'

export type Line = {
  readonly product: string
  readonly ordered: number
  readonly received: number
  /** For one unit, in minor units of the order's currency. */
  readonly costMinor: number
}

/** An order to a supplier. */
export type PurchaseOrder = {
  readonly id: string
  readonly supplier: string
  readonly currency: string
  readonly totalMinor: number
  readonly lines: readonly Line[]
  /** The number of its receipts: what a receipt compares before it writes. */
  readonly version: number
  readonly createdAt: number
}

export type PurchaseOrderState = 'submitted' | 'partially_received' | 'received'

/** What the API can say of money; beyond 2^53 a sum would not be exact. */
const totalMinorMax = 1_000_000_000_000

export class PurchaseOrderNotFoundError extends Fault {
  override readonly name = 'PurchaseOrderNotFoundError'
  override readonly code = 'purchase_order_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the purchase order: there is none')
  }
}

/** Two lines name one product, so that nobody could say which of them goods belong to. */
export class DuplicateLineError extends Fault {
  override readonly name = 'DuplicateLineError'
  override readonly code = 'duplicate_line'
  override readonly kind = 'invalid_argument'

  constructor(product: string) {
    super(`Cannot take the lines: product "${product}" is in two of them`)
  }
}

export class TotalTooLargeError extends Fault {
  override readonly name = 'TotalTooLargeError'
  override readonly code = 'total_too_large'
  override readonly kind = 'invalid_argument'

  constructor() {
    super(`Cannot order: the total is over ${totalMinorMax} minor units`)
  }
}

/** @throws DuplicateLineError when two of `lines` name one product. */
export function requireDistinct(lines: readonly { readonly product: string }[]): void {
  const seen = new Set<string>()
  for (const { product } of lines) {
    if (seen.has(product)) throw new DuplicateLineError(product)
    seen.add(product)
  }
}

/** What `lines` cost together. @throws TotalTooLargeError */
export function totalOf(lines: readonly Pick<Line, 'ordered' | 'costMinor'>[]): number {
  const total = lines.reduce((sum, { ordered, costMinor }) => sum + ordered * costMinor, 0)
  if (total > totalMinorMax) throw new TotalTooLargeError()
  return total
}

/** Computed, never stored: it cannot contradict the lines. */
export function stateOf({ lines }: PurchaseOrder): PurchaseOrderState {
  if (lines.every(({ ordered, received }) => received === ordered)) return 'received'
  return lines.some(({ received }) => received > 0) ? 'partially_received' : 'submitted'
}
