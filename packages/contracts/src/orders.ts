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
})

export const orderState = z.enum(['pending', 'confirmed', 'rejected'])

export const order = priced.extend({
  id: orderId,
  buyer: memberId,
  state: orderState,
  currency,
  /** The products that were not in stock, when rejected. */
  missing: z.array(productId),
  createdAt: moment,
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
    summary: 'Order what is in the cart; it is pending until the stock is reserved',
    access: 'member',
    idempotent: true,
    body: z.object({ cart: cartId, cartToken: z.string().max(200).optional() }),
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
} as const
