import { linesMax } from '@stoa/contracts/orders'
import { Fault } from '@stoa/kernel'

export type CartItem = { readonly product: string; readonly quantity: number }

/** A cart is a member's, or it is a guest's and has a secret. */
export type Cart = {
  readonly id: string
  readonly member: string | null
  /** SHA-256 of the guest's token, in hexadecimal. */
  readonly secretHash: string | null
  /** Grows with each change. */
  readonly version: number
  /** The order that closed it. */
  readonly orderedBy: string | null
  /** In the order they were first put in. */
  readonly items: readonly CartItem[]
}

/** There is no such cart for this caller: another's cart is answered like one that never was. */
export class CartNotFoundError extends Fault {
  override readonly name = 'CartNotFoundError'
  override readonly code = 'cart_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the cart: there is none, or it is not yours')
  }
}

/** The cart was ordered: it can be read and not changed. */
export class CartClosedError extends Fault {
  override readonly name = 'CartClosedError'
  override readonly code = 'cart_closed'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot use the cart: it was ordered')
  }
}

export class CartFullError extends Fault {
  override readonly name = 'CartFullError'
  override readonly code = 'cart_full'
  override readonly kind = 'failed_precondition'

  constructor() {
    super(`Cannot add to the cart: it holds ${linesMax} different products already`)
  }
}

export class CartEmptyError extends Fault {
  override readonly name = 'CartEmptyError'
  override readonly code = 'cart_empty'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot order the cart: it is empty')
  }
}

/** The cart was changed by somebody else each time an order of it was tried. */
export class CartChangedError extends Fault {
  override readonly name = 'CartChangedError'
  override readonly code = 'cart_changed'
  override readonly kind = 'aborted'
  override readonly retryable = true

  constructor(options?: ErrorOptions) {
    super('Cannot order the cart: it is being changed', options)
  }
}

export class ProductNotFoundError extends Fault {
  override readonly name = 'ProductNotFoundError'
  override readonly code = 'product_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the product: it is not offered')
  }
}
