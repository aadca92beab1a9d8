import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { linesMax } from '@stoa/contracts/orders'
import { cart as carts, cartItem } from '@stoa/data/orders'
import { type Call, prefixOf, type Statement } from '@stoa/kernel'
import { and, asc, eq, isNull, sql } from 'drizzle-orm'

import { type Cart, CartClosedError, CartFullError } from '../domain/cart.ts'
import type { CartStore } from '../domain/ports.ts'
import { db } from './builder.ts'
import { stoppedAt } from './gate.ts'

/** Moves an open cart on by one version; a closed one stops the batch. */
function touch(id: string): Statement {
  return statement(
    db
      .update(carts)
      .set({ version: sql`CASE WHEN ${carts.orderedBy} IS NULL THEN ${carts.version} + 1 END` })
      .where(eq(carts.id, id)),
  )
}

/** Sets a quantity; a product too many stops the batch, whoever else adds one at the same moment. */
function putItem(item: Parameters<CartStore['setItem']>[0]): Statement {
  return {
    sql: `INSERT INTO cart_item (cart, product, quantity, at)
SELECT ?, ?, CASE WHEN (SELECT count(*) FROM cart_item WHERE cart = ? AND product <> ?) < ? THEN ? END, ? WHERE true
ON CONFLICT (cart, product) DO UPDATE SET quantity = excluded.quantity`,
    args: [item.cart, item.product, item.cart, item.product, linesMax, item.quantity, item.at],
  }
}

async function getCart(
  { router }: KeyspaceAccess,
  id: string,
  call: Call,
): Promise<Cart | undefined> {
  const query = db
    .select({
      id: carts.id,
      member: carts.member,
      secretHash: carts.secretHash,
      version: carts.version,
      orderedBy: carts.orderedBy,
      product: cartItem.product,
      quantity: cartItem.quantity,
    })
    .from(carts)
    .leftJoin(cartItem, eq(cartItem.cart, carts.id))
    .where(eq(carts.id, id))
    .orderBy(asc(cartItem.at), asc(cartItem.product))
    .limit(linesMax)
  const rows = await rowsOf(query, await router.read(id, statement(query), call))
  const [head] = rows
  if (head === undefined) return undefined
  const { product: _product, quantity: _quantity, ...cart } = head
  const items = rows.flatMap(({ product, quantity }) =>
    product === null || quantity === null ? [] : [{ product, quantity }],
  )
  return { ...cart, items }
}

export function cartStore(access: KeyspaceAccess): CartStore {
  const change = async (id: string, statements: readonly Statement[], call: Call) => {
    try {
      await access.committer.commit({ keys: [id], statements, events: [] }, call)
    } catch (error) {
      if (stoppedAt(error, 'cart.version')) throw new CartClosedError()
      if (stoppedAt(error, 'cart_item.quantity')) throw new CartFullError()
      throw error
    }
  }
  return {
    open: ({ once, cart, reply }, call) => {
      const key = prefixOf(cart.id)
      const statements = [statement(db.insert(carts).values({ ...cart, version: 1 }))]
      return access.once.run(
        once,
        { key, work: { keys: [key], statements, events: [] }, reply },
        call,
      )
    },
    get: (id, call) => getCart(access, id, call),
    setItem: (item, call) => change(item.cart, [touch(item.cart), putItem(item)], call),
    removeItem: ({ cart, product }, call) => {
      const query = db
        .delete(cartItem)
        .where(and(eq(cartItem.cart, cart), eq(cartItem.product, product)))
      return change(cart, [touch(cart), statement(query)], call)
    },
    close: (id, order, call) => {
      const query = db
        .update(carts)
        .set({ orderedBy: order, version: sql`${carts.version} + 1` })
        .where(and(eq(carts.id, id), isNull(carts.orderedBy)))
      return change(id, [statement(query)], call)
    },
  }
}
