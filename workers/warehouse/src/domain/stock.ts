import { Fault } from '@stoa/kernel'

/** How much there is, and how much of it is promised to orders. */
export type StockLevel = {
  readonly onHand: number
  readonly reserved: number
}

/** What of a product lies in one of its cells. */
export type CellLevel = StockLevel & { readonly cell: string }

/** No goods of the product were ever counted here. */
export class StockNotFoundError extends Fault {
  override readonly name = 'StockNotFoundError'
  override readonly code = 'stock_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the stock: the product has none')
  }
}

/** Cells that were found in one database no longer lie there together: plan anew. Nothing was written. */
export class CellsMovedError extends Fault {
  override readonly name = 'CellsMovedError'
  override readonly code = 'cells_moved'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(options?: ErrorOptions) {
    super('Cannot change the stock: its cells have moved to other databases', options)
  }
}

/** What may still be promised. Never below zero. */
export function available({ onHand, reserved }: StockLevel): number {
  return onHand - reserved
}

/** What all cells of a product have together. */
export function totalOf(levels: readonly CellLevel[]): StockLevel {
  return {
    onHand: levels.reduce((sum, { onHand }) => sum + onHand, 0),
    reserved: levels.reduce((sum, { reserved }) => sum + reserved, 0),
  }
}
