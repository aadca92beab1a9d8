import { orders } from '@stoa/contracts/orders'
import type { Context, Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import type { Caller } from '../domain/cart-access.ts'
import { priceCart, removeItem, setItem } from '../domain/cart-items.ts'
import { openCart } from '../domain/cart-open.ts'
import { lineTotal, type PricedLine } from '../domain/pricing.ts'
import { sealQuote } from '../domain/quote.ts'

export function presentLine({ product, title, quantity, priceMinor }: PricedLine) {
  const totalMinor = lineTotal({ priceMinor, quantity })
  return { product: typedId('prd', product), title, quantity, priceMinor, totalMinor }
}

async function memberOf({ principal }: Context): Promise<string | undefined> {
  const who = await principal()
  return who.kind === 'member' ? who.member : undefined
}

async function callerOf(context: Context): Promise<Caller> {
  const token = context.request.headers.get('x-cart-token') ?? undefined
  return { member: await memberOf(context), token }
}

export function serveCarts(service: Service, deps: Deps): void {
  service.serve(orders.createCart, async (_input, context) => {
    const [once, member] = await Promise.all([context.once(), memberOf(context)])
    const { reply, replayed } = await openCart(deps, { once, member }, context.call)
    if (replayed) context.replayed()
    const { id, member: owner, token } = reply
    return {
      id: typedId('crt', id),
      member: owner === null ? null : typedId('usr', owner),
      ...(token === undefined ? {} : { token }),
    }
  })

  service.serve(orders.getCart, async ({ params }, context) => {
    const request = { cart: parseTypedId('crt', params.cart), caller: () => callerOf(context) }
    const { cart, quote } = await priceCart(deps, request, context.call)
    const sealed = await sealQuote(deps, cart, quote)
    return {
      id: typedId('crt', cart.id),
      member: cart.member === null ? null : typedId('usr', cart.member),
      lines: quote.lines.map(presentLine),
      totalMinor: quote.totalMinor,
      currency: quote.currency,
      gone: quote.gone.map((product) => typedId('prd', product)),
      ...(sealed === undefined ? {} : { quote: sealed }),
    }
  })

  service.serve(orders.setCartItem, async ({ params, body }, context) => {
    const cart = parseTypedId('crt', params.cart)
    const product = parseTypedId('prd', params.product)
    const request = { cart, product, quantity: body.quantity, caller: () => callerOf(context) }
    await setItem(deps, request, context.call)
    return undefined
  })

  service.serve(orders.removeCartItem, async ({ params }, context) => {
    const cart = parseTypedId('crt', params.cart)
    const product = parseTypedId('prd', params.product)
    await removeItem(deps, { cart, product, caller: () => callerOf(context) }, context.call)
    return undefined
  })
}
