import { type Call, type Clock, Fault, type Ids, isFault, slotOfId, typedId } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'

import { opened } from './cart-access.ts'
import { type Cart, CartChangedError, CartClosedError, CartEmptyError } from './cart.ts'
import { orderPlaced } from './order-events.ts'
import { newOrder, type Order } from './order.ts'
import type { CartStore, Offers, OrderStore, Secrets } from './ports.ts'
import { quoteOf } from './pricing.ts'

/** How often an order is tried on a cart that somebody changes meanwhile. */
const triesMax = 3

/** Products in the cart are no longer offered. */
export class ProductsGoneError extends Fault {
  override readonly name = 'ProductsGoneError'
  override readonly code = 'products_gone'
  override readonly kind = 'failed_precondition'
  readonly products: readonly string[]

  constructor(products: readonly string[]) {
    const shown = products.map((product) => typedId('prd', product))
    super(`Cannot order the cart: no longer offered: ${shown.join(', ')}`)
    this.products = products
  }
}

type Deps = {
  readonly carts: CartStore
  readonly orders: OrderStore
  readonly offers: Offers
  readonly secrets: Secrets
  readonly ids: Ids
  readonly clock: Clock
}

/** Who orders, under which key. */
export type Buyer = { readonly member: string; readonly once: Once }

export type OrderRequest = {
  readonly cart: string
  /** The token of a guest's cart. */
  readonly cartToken: string | undefined
  /** A promise, because the session is checked while the cart is read. */
  readonly buyer: () => Promise<Buyer>
}

async function draft(
  { offers, ids, clock }: Deps,
  { cart, member }: { readonly cart: Cart; readonly member: string },
  call: Call,
): Promise<Order> {
  if (cart.orderedBy !== null) throw new CartClosedError()
  if (cart.items.length === 0) throw new CartEmptyError()
  const products = cart.items.map(({ product }) => product)
  const { lines, totalMinor, currency, gone } = quoteOf(cart.items, await offers.of(products, call))
  if (gone.length > 0) throw new ProductsGoneError(gone)
  if (currency === null) throw new CartEmptyError()
  const createdAt = clock.now()
  const id = ids.child(member)
  return newOrder({ id, buyer: member, cart: cart.id, totalMinor, currency, createdAt, lines })
}

async function tryOnce(
  deps: Deps,
  { cart, buyer, cartToken }: { cart: Cart | undefined; buyer: Buyer; cartToken?: string },
  call: Call,
): Promise<Answered<Order>> {
  const { carts, orders, secrets, ids } = deps
  const { member, once } = buyer
  const mine = await opened(cart, { member, token: cartToken }, secrets)
  const order = await draft(deps, { cart: mine, member }, call)
  const events = [orderPlaced(ids, order, { at: order.createdAt, cause: call.requestId })]
  // A guest's cart lies elsewhere: no batch reaches both, and the key alone keeps the order from happening twice.
  const isNear = slotOfId(mine.id) === slotOfId(member)
  const closes = isNear ? { cart: mine.id, version: mine.version } : undefined
  const placed = await orders.place({ once, order, closes, events }, call)
  if (!isNear) await carts.close(mine.id, placed.reply.id, call).catch(() => undefined)
  return placed
}

/**
 * Orders what is in a cart at the prices of now, once for a key. Order, lines, event, the key's row and the end of the
 * cart commit together; the answer is pending until the warehouse has spoken.
 *
 * A retry is answered the first answer whatever has become of the cart since: before anything is refused, the key's
 * row is looked for.
 *
 * @throws CartNotFoundError, CartClosedError, CartEmptyError, ProductsGoneError, MixedCurrenciesError,
 *   TotalTooLargeError, CartChangedError, KeyReusedError.
 */
export async function placeOrder(
  deps: Deps,
  { cart: id, cartToken, buyer }: OrderRequest,
  call: Call,
): Promise<Answered<Order>> {
  for (let tries = 1; ; tries += 1) {
    const [who, cart] = await Promise.all([buyer(), deps.carts.get(id, call)])
    try {
      const given = { cart, buyer: who, ...(cartToken === undefined ? {} : { cartToken }) }
      return await tryOnce(deps, given, call)
    } catch (error) {
      if (error instanceof CartChangedError && tries < triesMax) continue
      if (!isFault(error) || error.retryable) throw error
      const reply = await deps.orders.findPlaced(who, call)
      if (reply === undefined) throw error
      return { reply, replayed: true }
    }
  }
}
