import type { Call } from '@stoa/kernel'
import type { Answered, Effect, Once, StoaEvent } from '@stoa/messaging'
import type { Claim } from '@stoa/sharding'

import type { Category } from './category.ts'
import type { Listing, Offer, Product } from './product.ts'

export type ProductStore = {
  /**
   * Claims the sku for a product to be, and answers the id to go on with; nothing when the sku is taken. An earlier
   * try of the same request is found again by its id.
   */
  claim(product: Product, call: Call): Promise<string | undefined>
  /** Writes the product and its event, once for a key. @throws KeyReusedError, SkuTakenError */
  create(
    entry: {
      readonly once: Once
      readonly product: Product
      readonly events: readonly StoaEvent[]
    },
    call: Call,
  ): Promise<Answered<Product>>
  /** Through the cache. */
  get(id: string, call: Call): Promise<Product | undefined>
  /** The row itself. One round trip. */
  read(id: string, call: Call): Promise<Product | undefined>
  /** Lets the cache forget what is older than these events: no product, or one of an earlier version. */
  heard(
    news: readonly { readonly id: string; readonly version: number }[],
    call: Call,
  ): Promise<void>
  /** Those of `ids` that are there. */
  offers(ids: readonly string[], call: Call): Promise<readonly Offer[]>
  findBySku(sku: string, call: Call): Promise<Product | undefined>
}

/** Single entries of the index, as a row says that they should be. */
export type ClaimStore = {
  /** Claims and confirms; false when the text is another's. Safe to repeat. Two round trips. */
  restore(claim: Claim, call: Call): Promise<boolean>
  /** Takes out a confirmed entry, if it still leads to that owner. Safe to repeat. One round trip. */
  remove(claim: Claim, call: Call): Promise<void>
}

export type Page = {
  readonly limit: number
  /** The time key of the last product of the page before. */
  readonly after?: string | undefined
}

export type CategoryStore = {
  get(key: string, call: Call): Promise<Category | undefined>
  /** The products of a category, newest first; nothing when there is no such category. One round trip. */
  browse(key: string, page: Page, call: Call): Promise<readonly Listing[] | undefined>
  /** Those of `keys` that are there. One round trip for each shard touched. */
  existing(keys: readonly string[], call: Call): Promise<ReadonlySet<string>>
  /** Writes those that are not there yet, and answers their keys. One round trip for each shard touched. */
  addAll(categories: readonly Category[], call: Call): Promise<ReadonlySet<string>>
  /** What a product's event does to the list of its category. */
  list(event: StoaEvent<'product.created'>): Effect
}

/** The sku's product is there (`exists`), is to be made with this id (`free`), or somebody is making it (`taken`). */
export type SkuState =
  | { readonly state: 'exists' | 'free'; readonly id: string }
  | { readonly state: 'taken' }

/** One product of an import, with what tells of it. */
export type Imported = { readonly product: Product; readonly event: StoaEvent }

export type ImportStore = {
  /**
   * Claims the skus, each of which comes once. An id proposed by an import that died is taken up again. A few round
   * trips for each shard touched, whatever the number of products.
   */
  claimAll(products: readonly Product[], call: Call): Promise<readonly SkuState[]>
  /** Writes the products and their events; answers the ids of those that another import had not written meanwhile. */
  writeAll(imported: readonly Imported[], call: Call): Promise<ReadonlySet<string>>
}

/** What other services know of a product. Both throw when their service fails. */
export type Neighbours = {
  /** Units that can be sold; throws also when the warehouse has not heard of the product yet. */
  available(product: string, call: Call): Promise<number>
  sold(product: string, call: Call): Promise<number>
}
