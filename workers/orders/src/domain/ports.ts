import type { Call } from '@stoa/kernel'
import type { Answered, Once, StoaEvent } from '@stoa/messaging'

import type { Cart } from './cart.ts'
import type { Buyer } from './order-place.ts'
import type { Step } from './order-settle.ts'
import type { Order, OrderState } from './order.ts'
import type { Offer } from './pricing.ts'

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
  /**
   * Writes the order, its lines and its event, once for a key, in the buyer's slot; closes the cart with it, when it
   * is as it was read. One round trip.
   *
   * @throws CartChangedError when the cart was changed or closed since; KeyReusedError.
   */
  place(
    entry: {
      readonly once: Once
      readonly order: Order
      readonly closes: { readonly cart: string; readonly version: number } | undefined
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Order>>
  /** What was answered under the buyer's key. One round trip. @throws KeyReusedError */
  findPlaced(buyer: Buyer, call: Call): Promise<Order | undefined>
  /** One round trip. */
  get(id: string, call: Call): Promise<Order | undefined>
  /** Those that are there, by id. One round trip for each shard touched. */
  getMany(ids: readonly string[], call: Call): Promise<ReadonlyMap<string, Order>>
  /** Newest first, those before `before` when it is given. One round trip. */
  list(
    buyer: string,
    page: { readonly limit: number; readonly before: string | undefined },
    call: Call,
  ): Promise<readonly OrderSummary[]>
  /** Applies each step exactly once, with its event. @throws StaleOrderError when an order is no longer `before`. */
  settle(steps: readonly Step[], call: Call): Promise<void>
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
