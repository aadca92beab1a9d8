import type { Call, Clock } from '@stoa/kernel'

import { type Caller, opened } from './cart-access.ts'
import { type Cart, CartClosedError, ProductNotFoundError } from './cart.ts'
import type { CartStore, Offers, Secrets } from './ports.ts'
import { type Quote, quoteOf } from './pricing.ts'

type Deps = {
  readonly carts: CartStore
  readonly offers: Offers
  readonly secrets: Secrets
  readonly clock: Clock
}

/** Which cart, and who asks: a promise, because the session is checked while the cart is read. */
export type CartRequest = { readonly cart: string; readonly caller: () => Promise<Caller> }

async function read(
  { carts, secrets }: Pick<Deps, 'carts' | 'secrets'>,
  { cart, caller }: CartRequest,
  call: Call,
): Promise<Cart> {
  const [who, found] = await Promise.all([caller(), carts.get(cart, call)])
  return opened(found, who, secrets)
}

/**
 * The cart at the prices of now.
 *
 * @throws CartNotFoundError, MixedCurrenciesError, TotalTooLargeError.
 */
export async function priceCart(
  deps: Pick<Deps, 'carts' | 'offers' | 'secrets'>,
  request: CartRequest,
  call: Call,
): Promise<{ readonly cart: Cart; readonly quote: Quote }> {
  const cart = await read(deps, request, call)
  const offers = await deps.offers.of(
    cart.items.map(({ product }) => product),
    call,
  )
  return { cart, quote: quoteOf(cart.items, offers) }
}

/**
 * Sets how many of a product are in the cart.
 *
 * @throws CartNotFoundError, ProductNotFoundError, CartClosedError, CartFullError, TotalTooLargeError.
 */
export async function setItem(
  deps: Deps,
  request: CartRequest & { readonly product: string; readonly quantity: number },
  call: Call,
): Promise<void> {
  const { product, quantity } = request
  const [cart, offers] = await Promise.all([
    read(deps, request, call),
    deps.offers.of([product], call),
  ])
  if (!offers.has(product)) throw new ProductNotFoundError()
  if (cart.orderedBy !== null) throw new CartClosedError()
  quoteOf([{ product, quantity }], offers)
  await deps.carts.setItem({ cart: cart.id, product, quantity, at: deps.clock.now() }, call)
}

/** Takes a product out of the cart; one that is not there is out already. @throws CartNotFoundError, CartClosedError */
export async function removeItem(
  deps: Deps,
  request: CartRequest & { readonly product: string },
  call: Call,
): Promise<void> {
  const cart = await read(deps, request, call)
  if (cart.orderedBy !== null) throw new CartClosedError()
  await deps.carts.removeItem({ cart: cart.id, product: request.product }, call)
}
