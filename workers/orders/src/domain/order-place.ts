import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  Fault,
  type Ids,
  isFault,
  slotOfId,
  typedId,
} from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'
import { newSaga } from '@stoa/transactions'

import { opened } from './cart-access.ts'
import { type Cart, CartChangedError, CartClosedError, CartEmptyError } from './cart.ts'
import { orderPlaced } from './order-events.ts'
import { newOrder, type Order, OrderUnderWayError } from './order.ts'
import { type PaymentMethod, placementOf } from './placement.ts'
import type { Begun, CartStore, Offers, Placement, Placements, Quotes, Secrets } from './ports.ts'
import { quoteOf } from './pricing.ts'
import { openQuote } from './quote.ts'

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
  readonly placements: Placements
  readonly offers: Offers
  readonly quotes: Quotes
  readonly secrets: Secrets
  readonly ids: Ids
  readonly clock: Clock
  /** How long an order waits for what is not known. */
  readonly deadlineMs: number
}

/** Who orders, under which key. */
export type Buyer = { readonly member: string; readonly once: Once }

export type OrderRequest = {
  readonly cart: string
  /** The token of a guest's cart. */
  readonly cartToken: string | undefined
  readonly quote: string | undefined
  readonly method: PaymentMethod
  /** A promise, because the session is checked while the cart is read. */
  readonly buyer: () => Promise<Buyer>
}

/** What is ordered at which price: as the buyer was told, or at the prices of now. */
async function priced(
  deps: Deps,
  { cart, quote }: { readonly cart: Cart; readonly quote: string | undefined },
  call: Call,
) {
  if (cart.orderedBy !== null) throw new CartClosedError()
  if (cart.items.length === 0) throw new CartEmptyError()
  if (quote !== undefined) return openQuote(deps, cart, quote)
  const products = cart.items.map(({ product }) => product)
  const found = quoteOf(cart.items, await deps.offers.of(products, call))
  const { lines, totalMinor, currency, gone } = found
  if (gone.length > 0) throw new ProductsGoneError(gone)
  if (currency === null) throw new CartEmptyError()
  return { lines, totalMinor, currency }
}

type Found = { readonly cart: Cart | undefined; readonly buyer: Buyer }

/** An order as it stands after its first batch: `begun` by this request, or by an earlier one. */
type Started = {
  readonly begun: Answered<Begun>
  readonly placement: Placement
  readonly mine: Cart
}

async function begin(
  deps: Deps,
  request: OrderRequest,
  { cart, buyer: { member, once }, call }: Found & { readonly call: Call },
): Promise<Started> {
  const { placements, secrets, ids, clock } = deps
  const mine = await opened(cart, { member, token: request.cartToken }, secrets)
  const { lines, totalMinor, currency } = await priced(
    deps,
    { cart: mine, quote: request.quote },
    call,
  )
  const now = clock.now()
  const id = ids.child(member)
  const about = { id, buyer: member, cart: mine.id, totalMinor, currency, createdAt: now, lines }
  const order = newOrder(about)
  const saga = newSaga(placementOf(order, { ...deps, method: request.method }), order, { id, now })
  const events = [orderPlaced(ids, order, { at: now, cause: call.requestId })]
  // A guest's cart lies elsewhere: no batch reaches both, and the key alone keeps the order from happening twice.
  const closes = isNear(mine, member) ? { cart: mine.id, version: mine.version } : undefined
  const placement = { order, saga }
  const entry = { once, ...placement, closes, events }
  const begun = await placements.begin(entry, call).catch(async (error: unknown) => {
    if (!(error instanceof AmbiguousWriteError)) throw error
    const reply = await placements.find({ member, once }, call)
    if (reply === undefined) throw error
    return { reply, replayed: !('underWay' in reply) || reply.underWay !== id }
  })
  return { begun, placement, mine }
}

function isNear(cart: Cart, member: string): boolean {
  return slotOfId(cart.id) === slotOfId(member)
}

/** The answer of an earlier request; one that nobody works on any more is brought to its answer here. */
async function replay(
  { placements }: Deps,
  found: Begun,
  { buyer, call }: { readonly buyer: Buyer; readonly call: Call },
): Promise<Answered<Order>> {
  if (!('underWay' in found)) return { reply: found, replayed: true }
  if (!(await placements.takeUp(found.underWay, call))) throw new OrderUnderWayError()
  const reply = await placements.find(buyer, call)
  if (reply === undefined || 'underWay' in reply) throw new OrderUnderWayError()
  return { reply, replayed: true }
}

async function finish(
  deps: Deps,
  { begun: { reply, replayed }, placement, mine }: Started,
  { buyer, call }: { readonly buyer: Buyer; readonly call: Call },
): Promise<Answered<Order>> {
  const closing = isNear(mine, buyer.member)
    ? undefined
    : deps.carts.close(mine.id, 'underWay' in reply ? reply.underWay : reply.id, call)
  const [answer] = await Promise.all([
    replayed
      ? replay(deps, reply, { buyer, call })
      : deps.placements.run(placement, call).then((order) => ({ reply: order, replayed: false })),
    closing?.catch(() => undefined),
  ])
  return answer
}

/**
 * Orders what is in a cart, once for a key: reserves the stock and authorises the payment before it answers. Order,
 * saga, event, the key's row and the end of the cart commit together; the decision commits with the order's new state,
 * its event and the answer. What is not known in time is answered as pending, and goes on by itself.
 *
 * A retry is answered the first answer whatever has become of cart, quote and order since: before anything is refused,
 * the key's row is looked for.
 *
 * @throws CartNotFoundError, CartClosedError, CartEmptyError, ProductsGoneError, MixedCurrenciesError,
 *   TotalTooLargeError, QuoteInvalidError, QuoteExpiredError, QuoteStaleError, CartChangedError, KeyReusedError,
 *   OrderUnderWayError.
 */
export async function placeOrder(
  deps: Deps,
  request: OrderRequest,
  call: Call,
): Promise<Answered<Order>> {
  for (let tries = 1; ; tries += 1) {
    const [buyer, cart] = await Promise.all([request.buyer(), deps.carts.get(request.cart, call)])
    let started: Started
    try {
      started = await begin(deps, request, { cart, buyer, call })
    } catch (error) {
      if (error instanceof CartChangedError && tries < triesMax) continue
      if (!isFault(error) || error.retryable) throw error
      const found = await deps.placements.find(buyer, call)
      if (found === undefined) throw error
      return replay(deps, found, { buyer, call })
    }
    return finish(deps, started, { buyer, call })
  }
}
