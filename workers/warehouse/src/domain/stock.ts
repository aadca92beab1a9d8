import { Fault } from '@stoa/kernel'

/** How much of a product there is, and how much of it is promised to orders. */
export type StockLevel = {
  readonly product: string
  readonly onHand: number
  readonly reserved: number
}

/** No goods of the product were ever counted here. */
export class StockNotFoundError extends Fault {
  override readonly name = 'StockNotFoundError'
  override readonly code = 'stock_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the stock: the product has none')
  }
}

/** What may still be promised. Never below zero. */
export function available({ onHand, reserved }: StockLevel): number {
  return onHand - reserved
}
