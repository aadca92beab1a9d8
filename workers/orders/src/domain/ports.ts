import type { Call } from '@stoa/kernel'
import type { Answered, Once, StoaEvent } from '@stoa/messaging'
import type { Saga } from '@stoa/transactions'

import type { Cart } from './cart.ts'
import type { Buyer } from './order-place.ts'
import type { MoneyKind, Order, OrderState } from './order.ts'
import type { Offer } from './pricing.ts'
import type { SealedQuote } from './quote.ts'

/** What opening a cart answers. The token is a guest's only proof, and is told only here. */
export type OpenedCart = {
  readonly id: string
  readonly member: string | null
  readonly token?: string
}

export type CartStore = {
  /** Writes an empty cart, once for a key. @throws KeyReusedError */
  open(
    entry: {
      readonly once: Once
      readonly cart: Pick<Cart, 'id' | 'member' | 'secretHash'> & { readonly createdAt: number }
      readonly reply: OpenedCart
    },
    call: Call,
  ): Promise<Answered<OpenedCart>>
  /** The cart with its items. One round trip. */
  get(id: string, call: Call): Promise<Cart | undefined>
  /** One round trip. Safe to repeat. @throws CartClosedError, CartFullError */
  setItem(
    item: {
      readonly cart: string
      readonly product: string
      readonly quantity: number
      readonly at: number
    },
    call: Call,
  ): Promise<void>
  /** One round trip. Safe to repeat. @throws CartClosedError */
  removeItem(item: { readonly cart: string; readonly product: string }, call: Call): Promise<void>
  /** Closes a cart that its order's batch could not reach. One round trip. Safe to repeat. */
  close(id: string, order: string, call: Call): Promise<void>
}

export type OrderSummary = Pick<Order, 'id' | 'state' | 'totalMinor' | 'currency' | 'createdAt'> & {
  readonly state: OrderState
}

export type OrderStore = {
  /** One round trip. */
  get(id: string, call: Call): Promise<Order | undefined>
  /** Newest first, those before `before` when it is given. One round trip. */
  list(
    buyer: string,
    page: { readonly limit: number; readonly before: string | undefined },
    call: Call,
  ): Promise<readonly OrderSummary[]>
  /** What its money did, in order of time, at most 100. One round trip. */
  moneyOf(id: string, call: Call): Promise<readonly MoneyFact[]>
  /** Keeps what money of orders did, each once however often, late and in whatever order. One round trip a shard. */
  heardOf(facts: readonly MoneyFact[], call: Call): Promise<void>
}

/** One operation of a payment of an order. */
export type MoneyFact = {
  readonly order: string
  readonly payment: string
  /** Tells the operations of a payment apart. */
  readonly operation: string
  readonly kind: MoneyKind
  readonly amountMinor: number
  readonly currency: string
  readonly at: number
  /** The event that told. */
  readonly event: string
}

/** An order and the saga that places it, or cancels it. */
export type Placement = { readonly order: Order; readonly saga: Saga }

/** What is kept under a key: the answer, or the saga that has none yet. */
export type Begun = Order | { readonly underWay: string }

export type Swept = {
  readonly taken: number
  readonly finished: number
  /** Orders that have been taken up three times or more since their last change, and have not ended. */
  readonly stuck: readonly string[]
}

export type Placements = {
  /**
   * Writes the order, its lines, its saga and its event, once for a key, in the buyer's slot; closes the cart with it,
   * when it is as it was read. One round trip.
   *
   * @throws CartChangedError when the cart was changed or closed since; KeyReusedError.
   */
  begin(
    entry: Placement & {
      readonly once: Once
      readonly closes: { readonly cart: string; readonly version: number } | undefined
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Begun>>
  /** What is kept under the buyer's key. One round trip. @throws KeyReusedError */
  find(buyer: Buyer, call: Call): Promise<Begun | undefined>
  /**
   * Asks stock and payment, all at once, and decides; the answer commits with the decision, or with the wait for it.
   *
   * @throws OrderUnderWayError when somebody else has taken it up.
   */
  run(placement: Placement, call: Call): Promise<Order>
  /** Goes on with a pending order that nobody works on; answers whether it did. */
  takeUp(order: string, call: Call): Promise<boolean>
  /** One round trip. */
  read(order: string, call: Call): Promise<Saga | undefined>
  /** Goes on with orders that were left half-way, at most 20 of each database. */
  sweep(call: Call): Promise<Swept>
}

export type Cancellations = {
  /**
   * Writes that the order is to be cancelled and the saga that does it, once for a key. One round trip.
   *
   * @throws OrderUnderWayError while what placed the order has not ended; CancellationUnderWayError; KeyReusedError.
   */
  begin(once: Once, cancelling: Placement, call: Call): Promise<Answered<Begun>>
  /** What is kept under a key for an order. One round trip. @throws KeyReusedError */
  find(once: Once, order: string, call: Call): Promise<Begun | undefined>
  /**
   * Asks stock and payment, all at once, and decides; the answer commits with the decision, or with the wait for it.
   *
   * @throws CancellationUnderWayError when somebody else has taken it up.
   */
  run(cancelling: Placement, call: Call): Promise<Order>
  /** Goes on with one that nobody works on; answers whether it did. */
  takeUp(which: { readonly saga: string; readonly order: string }, call: Call): Promise<boolean>
}

/** Seals quotes, and opens those whose seal holds. */
export type Quotes = {
  seal(quote: SealedQuote): Promise<string>
  open(text: string): Promise<SealedQuote | undefined>
}

/** What products cost now, by product; those no longer offered are left out. One call of the catalogue, none for none. */
export type Offers = {
  of(products: readonly string[], call: Call): Promise<ReadonlyMap<string, Offer>>
}

/** Makes secrets and their hashes. */
export type Secrets = {
  /** 256 bits, in hexadecimal. */
  create(): string
  hash(secret: string): Promise<string>
  /** Whether `hash` is that of `secret`, in a time that does not tell where they differ. */
  matches(secret: string, hash: string): Promise<boolean>
}
