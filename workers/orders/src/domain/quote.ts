import { type Clock, Fault } from '@stoa/kernel'

import type { Cart } from './cart.ts'
import type { Quotes } from './ports.ts'
import { type PricedLine, type Quote } from './pricing.ts'

/** How long a buyer may think about a quote. */
const quoteMs = 15 * 60 * 1_000

/** What a cart costs until a moment, whatever happens to prices. */
export type SealedQuote = {
  readonly cart: string
  readonly lines: readonly PricedLine[]
  readonly totalMinor: number
  readonly currency: string
  /** Milliseconds since 1970. */
  readonly until: number
}

/** The quote is not one of ours, or was changed. */
export class QuoteInvalidError extends Fault {
  override readonly name = 'QuoteInvalidError'
  override readonly code = 'quote_invalid'
  override readonly kind = 'invalid_argument'

  constructor() {
    super('Cannot take the quote: its seal does not hold')
  }
}

export class QuoteExpiredError extends Fault {
  override readonly name = 'QuoteExpiredError'
  override readonly code = 'quote_expired'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot take the quote: it has expired; read the cart for another')
  }
}

/** What is in the cart is not what the buyer was told the price of. */
export class QuoteStaleError extends Fault {
  override readonly name = 'QuoteStaleError'
  override readonly code = 'quote_stale'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot take the quote: the cart has changed since; read it for another')
  }
}

type Deps = { readonly quotes: Quotes; readonly clock: Clock }

/** A quote of `cart`, when it can be ordered as it is. */
export async function sealQuote(
  { quotes, clock }: Deps,
  cart: Cart,
  { lines, totalMinor, currency, gone }: Quote,
): Promise<string | undefined> {
  if (currency === null || gone.length > 0 || cart.orderedBy !== null) return undefined
  const until = clock.now() + quoteMs
  return quotes.seal({ cart: cart.id, lines, totalMinor, currency, until })
}

function isSame(cart: Cart, quote: SealedQuote): boolean {
  const quantities = new Map(quote.lines.map(({ product, quantity }) => [product, quantity]))
  return (
    quote.cart === cart.id &&
    quantities.size === cart.items.length &&
    cart.items.every(({ product, quantity }) => quantities.get(product) === quantity)
  )
}

/**
 * What `text` promises for `cart`. The prices are those of the quote, whatever they are by now.
 *
 * @throws QuoteInvalidError, QuoteStaleError, QuoteExpiredError.
 */
export async function openQuote(
  { quotes, clock }: Deps,
  cart: Cart,
  text: string,
): Promise<SealedQuote> {
  const quote = await quotes.open(text)
  if (quote === undefined) throw new QuoteInvalidError()
  if (!isSame(cart, quote)) throw new QuoteStaleError()
  if (quote.until <= clock.now()) throw new QuoteExpiredError()
  return quote
}
