import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Answered, newEvent, type Once, scopeOf, type StoaEvent } from '@stoa/messaging'

import { CategoryNotFoundError } from './category.ts'
import type { CategoryStore, ProductStore } from './ports.ts'
import {
  type Draft,
  isCurrency,
  type Product,
  SkuTakenError,
  UnknownCurrencyError,
} from './product.ts'

type Deps = {
  readonly products: ProductStore
  readonly categories: CategoryStore
  readonly ids: Ids
  readonly clock: Clock
}

/** What tells of a new product: its first version. */
export function createdEvent(
  { ids }: Pick<Deps, 'ids'>,
  { product, stock }: { readonly product: Product; readonly stock: number },
  call: Call,
): StoaEvent<'product.created'> {
  const { id, seller, category, title, priceMinor, currency, createdAt } = product
  return newEvent(ids, 'product.created', {
    key: id,
    seq: 1,
    at: createdAt,
    cause: call.requestId,
    data: { product: id, seller, category, title, priceMinor, currency, stock },
  })
}

/** Who asks, found out while the category is read. */
export type Asked = { readonly once: Once; readonly seller: string }

/**
 * Makes a product, once for a key: the category is read while the session is checked, then the sku is claimed, then
 * the product written. Three round trips in a row.
 *
 * @throws UnknownCurrencyError, CategoryNotFoundError, SkuTakenError, KeyReusedError.
 */
export async function createProduct(
  deps: Deps,
  { asked, draft }: { readonly asked: Promise<Asked>; readonly draft: Draft },
  call: Call,
): Promise<Answered<Product>> {
  const { products, categories, ids, clock } = deps
  const [{ once, seller }, category] = await Promise.all([
    asked,
    categories.get(draft.category, call),
  ])
  if (!isCurrency(draft.currency)) throw new UnknownCurrencyError(draft.currency)
  if (category === undefined) throw new CategoryNotFoundError()
  const { stock, ...content } = draft
  const proposed = { id: ids.root(scopeOf(once)), ...content, seller, createdAt: clock.now() }
  const id = await products.claim(proposed, call)
  if (id === undefined) throw new SkuTakenError(draft.sku)
  const product = { ...proposed, id }
  const events = [createdEvent(deps, { product, stock }, call)]
  return products.create({ once, product, events }, call)
}
