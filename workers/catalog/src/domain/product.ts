import { Fault } from '@stoa/kernel'

/** What its seller says of a product. */
export type Draft = {
  readonly sku: string
  readonly title: string
  readonly description: string
  /** The key of a category. */
  readonly category: string
  /** In minor units of the currency. */
  readonly priceMinor: number
  readonly currency: string
  /** The units to begin with; the warehouse keeps them from there on. */
  readonly stock: number
}

export type Product = Omit<Draft, 'stock'> & {
  readonly id: string
  /** A member, or nobody for what the house sells. */
  readonly seller: string | null
  readonly createdAt: number
}

/** What a price needs. */
export type Offer = Pick<Product, 'id' | 'title' | 'priceMinor' | 'currency' | 'seller'>

/** What a list shows. */
export type Listing = Pick<Product, 'id' | 'title' | 'priceMinor' | 'currency'>

export class ProductNotFoundError extends Fault {
  override readonly name = 'ProductNotFoundError'
  override readonly code = 'product_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the product: there is none')
  }
}

export class SkuTakenError extends Fault {
  override readonly name = 'SkuTakenError'
  override readonly code = 'sku_taken'
  override readonly kind = 'already_exists'

  constructor(sku: string) {
    super(`Cannot create the product: the sku "${sku}" is taken`)
  }
}

export class UnknownCurrencyError extends Fault {
  override readonly name = 'UnknownCurrencyError'
  override readonly code = 'unknown_currency'
  override readonly kind = 'invalid_argument'

  constructor(currency: string) {
    super(`Cannot price in "${currency}": ISO 4217 has no such code`)
  }
}

let codes: ReadonlySet<string> | undefined

/** Whether ISO 4217 has the code, now or in the past: the runtime's own list, made on first use. */
export function isCurrency(code: string): boolean {
  codes ??= new Set(Intl.supportedValuesOf('currency'))
  return codes.has(code)
}
