import { Fault, typedId } from '@stoa/kernel'

import type { CartItem } from './cart.ts'

/** The most an order may come to, in minor units: what the contract's amounts hold. */
export const totalMinorMax = 1_000_000_000_000

/** What a product costs now. Prices are in minor units of the currency. */
export type Offer = {
  readonly product: string
  readonly title: string
  readonly priceMinor: number
  readonly currency: string
  readonly seller: string | null
}

export type PricedLine = Omit<Offer, 'currency'> & { readonly quantity: number }

export type Quote = {
  readonly lines: readonly PricedLine[]
  readonly totalMinor: number
  /** Null when there is no line. */
  readonly currency: string | null
  /** Products that are no longer offered; they are in no line and no total. */
  readonly gone: readonly string[]
}

/** No sum can be made over products of two currencies. */
export class MixedCurrenciesError extends Fault {
  override readonly name = 'MixedCurrenciesError'
  override readonly code = 'mixed_currencies'
  override readonly kind = 'failed_precondition'
  readonly offers: readonly Offer[]

  constructor(offers: readonly Offer[]) {
    const priced = offers.map(({ product, currency }) => `${typedId('prd', product)} (${currency})`)
    super(`Cannot add up the cart: it mixes currencies: ${priced.join(', ')}`)
    this.offers = offers
  }
}

export class TotalTooLargeError extends Fault {
  override readonly name = 'TotalTooLargeError'
  override readonly code = 'total_too_large'
  override readonly kind = 'failed_precondition'

  constructor() {
    super(`Cannot add up the cart: it comes to more than ${totalMinorMax} minor units`)
  }
}

/** What a line comes to. Exact: a price and a quantity within their bounds stay below 2^53. */
export function lineTotal({ priceMinor, quantity }: Pick<PricedLine, 'priceMinor' | 'quantity'>) {
  return priceMinor * quantity
}

/**
 * What `items` cost by `offers`.
 *
 * @throws MixedCurrenciesError, TotalTooLargeError.
 */
export function quoteOf(items: readonly CartItem[], offers: ReadonlyMap<string, Offer>): Quote {
  const offered = items.flatMap(({ product }) => offers.get(product) ?? [])
  if (new Set(offered.map(({ currency }) => currency)).size > 1) {
    throw new MixedCurrenciesError(offered)
  }
  const lines = items.flatMap(({ product, quantity }): readonly PricedLine[] => {
    const offer = offers.get(product)
    if (offer === undefined) return []
    const { title, priceMinor, seller } = offer
    return [{ product, title, quantity, priceMinor, seller }]
  })
  let totalMinor = 0
  for (const line of lines) {
    totalMinor += lineTotal(line)
    if (totalMinor > totalMinorMax) throw new TotalTooLargeError()
  }
  const gone = items.map(({ product }) => product).filter((product) => !offers.has(product))
  return { lines, totalMinor, currency: offered[0]?.currency ?? null, gone }
}
