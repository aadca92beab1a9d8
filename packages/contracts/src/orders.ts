import { z } from 'zod'

import {
  cartId,
  currency,
  memberId,
  minorUnits,
  moment,
  orderId,
  page,
  pageOf,
  productId,
  quantity,
} from './fields.ts'
import { paymentMethod } from './payments.ts'
import { route } from './route.ts'

/** The most different products a cart or an order may hold. */
export const linesMax = 50

const pricedLine = z.object({
  product: productId,
  title: z.string(),
  quantity,
  priceMinor: minorUnits,
  totalMinor: minorUnits,
})

const priced = z.object({
  lines: z.array(pricedLine),
  totalMinor: minorUnits,
  /** Null while the cart is empty. */
  currency: currency.nullable(),
})

export const cart = priced.extend({
  id: cartId,
  member: memberId.nullable(),
  /** Products in the cart that are no longer offered. */
  gone: z.array(productId),
  /** These lines at these prices, sealed for 15 minutes; absent when they cannot be ordered as they are. */
  quote: z.string().optional(),
})

/** `cancelled`: it was confirmed, and what it held is given back. */
export const orderState = z.enum(['pending', 'confirmed', 'rejected', 'cancelled'])

/** Who asked for a confirmed order to be cancelled, and what became of that. */
const cancellation = z.object({
  /** `pending`: not known yet. `refused`: the order stays as it was, and it can be asked for again. */
  state: z.enum(['pending', 'cancelled', 'refused']),
  by: z.enum(['buyer', 'operator']),
  askedAt: moment,
  /** Why it was refused. */
  code: z.string().optional(),
})

/** What became of an order's money since it was promised, as the payments service has told. */
const money = z.object({
  capturedMinor: minorUnits,
  voidedMinor: minorUnits,
  refundedMinor: minorUnits,
  /** Taken back by the buyer's bank. */
  disputedMinor: minorUnits,
})

export const order = priced.extend({
  id: orderId,
  buyer: memberId,
  state: orderState,
  currency,
  /** The products that were not in stock, when rejected. */
  missing: z.array(productId),
  /** Why the payment was refused, or what it waits for, such as `requires_action`. */
  payment: z.string().nullable(),
  money,
  /** Null when nobody has asked for one. */
  cancellation: cancellation.nullable(),
  createdAt: moment,
})

/**
 * One line of an order's history. An `order` line has only a moment; `payment` and `stock` are what a participant was asked
 * when it was placed, `refund` and `restock` when it was cancelled. A `payment` line with an amount says what its money did.
 */
const timelineEntry = z.object({
  at: moment,
  step: z.enum(['order', 'payment', 'stock', 'refund', 'restock']),
  action: z.enum([
    'placed',
    'try',
    'confirm',
    'cancel',
    'confirmed',
    'rejected',
    'ended',
    'cancel_asked',
    'cancelled',
    'cancel_refused',
    'captured',
    'voided',
    'refunded',
    'disputed',
  ]),
  amountMinor: minorUnits.optional(),
  product: productId.optional(),
  /** Of the last attempt. */
  outcome: z.enum(['done', 'refused', 'pending', 'failed']).optional(),
  attempts: z.int().optional(),
  code: z.string().optional(),
})

export const timeline = z.object({
  order: orderId,
  state: orderState,
  /** What is not reserved and authorised by then is given up. */
  deadline: moment,
  /** In order of time. */
  entries: z.array(timelineEntry),
})

export const orders = {
  createCart: route({
    id: 'createCart',
    method: 'post',
    path: '/v1/carts',
    summary: 'Open a cart: yours with a session, else a guest cart with a token of its own',
    access: 'cart',
    idempotent: true,
    body: z.object({}),
    status: 201,
    reply: cart.pick({ id: true, member: true }).extend({ token: z.string().optional() }),
  }),
  getCart: route({
    id: 'getCart',
    method: 'get',
    path: '/v1/carts/{cart}',
    summary: 'Read a cart at the prices of now; a guest cart wants its token in X-Cart-Token',
    access: 'cart',
    params: z.object({ cart: cartId }),
    status: 200,
    reply: cart,
  }),
  setCartItem: route({
    id: 'setCartItem',
    method: 'put',
    path: '/v1/carts/{cart}/items/{product}',
    summary: 'Set how many of a product are in the cart',
    access: 'cart',
    params: z.object({ cart: cartId, product: productId }),
    body: z.object({ quantity }),
    status: 204,
  }),
  removeCartItem: route({
    id: 'removeCartItem',
    method: 'delete',
    path: '/v1/carts/{cart}/items/{product}',
    summary: 'Take a product out of the cart',
    access: 'cart',
    params: z.object({ cart: cartId, product: productId }),
    status: 204,
  }),
  placeOrder: route({
    id: 'placeOrder',
    method: 'post',
    path: '/v1/orders',
    summary:
      'Order what is in the cart: reserves the stock and authorises the payment; pending when either is not known yet',
    access: 'member',
    idempotent: true,
    body: z.object({
      cart: cartId,
      cartToken: z.string().max(200).optional(),
      /** As `GET /v1/carts/{cart}` gave it: orders at its prices, and without asking for them. */
      quote: z.string().max(100_000).optional(),
      payment: paymentMethod,
    }),
    bodyBytesMax: 131_072,
    status: 201,
    reply: order,
  }),
  getOrder: route({
    id: 'getOrder',
    method: 'get',
    path: '/v1/orders/{order}',
    summary: 'Read an order of yours',
    access: 'member',
    params: z.object({ order: orderId }),
    status: 200,
    reply: order,
  }),
  orderTimeline: route({
    id: 'orderTimeline',
    method: 'get',
    path: '/v1/orders/{order}/timeline',
    summary: 'Read what was done for an order of yours, and when',
    access: 'member',
    params: z.object({ order: orderId }),
    status: 200,
    reply: timeline,
  }),
  listOrders: route({
    id: 'listOrders',
    method: 'get',
    path: '/v1/orders',
    summary: 'List your orders, newest first',
    access: 'member',
    query: page,
    status: 200,
    reply: pageOf(
      order.pick({ id: true, state: true, totalMinor: true, currency: true, createdAt: true }),
    ),
  }),
  cancelOrder: route({
    id: 'cancelOrder',
    method: 'post',
    path: '/v1/orders/{order}/cancel',
    summary:
      'Cancel a confirmed order of yours: its money goes back, voided or refunded, and its stock is free again',
    access: 'member',
    idempotent: true,
    params: z.object({ order: orderId }),
    body: z.object({}),
    status: 202,
    reply: order,
  }),
  cancelOrderForBuyer: route({
    id: 'cancelOrderForBuyer',
    method: 'post',
    path: '/v1/orders/{order}/operator-cancel',
    summary: 'Cancel a confirmed order of anybody, as its buyer could',
    access: 'operator',
    idempotent: true,
    params: z.object({ order: orderId }),
    body: z.object({}),
    status: 202,
    reply: order,
  }),
  sweepOrders: route({
    id: 'sweepOrders',
    method: 'post',
    path: '/internal/orders/sweeps',
    summary: 'Go on with orders that somebody left half-way',
    access: 'service',
    body: z.object({}),
    status: 200,
    reply: z.object({ taken: z.int(), finished: z.int(), stuck: z.array(orderId) }),
  }),
} as const
