import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import type { Cache, Loaded } from '@stoa/caching'
import { product as products } from '@stoa/data/catalog'
import { announce } from '@stoa/http/cache'
import { type Call, prefixOf, SqlConstraintError } from '@stoa/kernel'
import { type Claim, claimAll, type LookupIndex } from '@stoa/sharding'
import { eq } from 'drizzle-orm'

import type { ProductStore } from '../domain/ports.ts'
import { type Product, SkuTakenError } from '../domain/product.ts'
import { db } from './builder.ts'
import { readAll } from './read-all.ts'

export type Store = {
  readonly access: Pick<KeyspaceAccess, 'router' | 'committer' | 'once' | 'clock'>
  readonly lookup: LookupIndex
  readonly defer: (work: Promise<unknown>) => void
}

const offerColumns = {
  id: products.id,
  title: products.title,
  priceMinor: products.priceMinor,
  currency: products.currency,
  seller: products.seller,
}

const columns = {
  ...offerColumns,
  sku: products.sku,
  description: products.description,
  category: products.category,
  createdAt: products.createdAt,
  version: products.version,
}

/** Of a product that has just been written. */
const firstVersion = 1

function selectOffer(id: string) {
  return db.select(offerColumns).from(products).where(eq(products.id, id)).limit(1)
}

export function claimOf({ id, sku }: Pick<Product, 'id' | 'sku'>): Claim {
  return { kind: 'sku', text: sku, owner: id }
}

/** One statement, whatever their number. */
export function insertProducts(list: readonly Product[]) {
  return db.insert(products).values(list.map((each) => ({ ...each, version: firstVersion })))
}

/** Says that the claims have their products. Readers verify a claim, so this may come late, or never. */
export function confirm({ lookup, defer }: Store, claims: readonly Claim[], call: Call): void {
  if (claims.length > 0) defer(lookup.confirm(claims, call).catch(() => undefined))
}

async function readProduct(
  { access }: Pick<Store, 'access'>,
  id: string,
  call: Call,
): Promise<Loaded<Product>> {
  const query = db.select(columns).from(products).where(eq(products.id, id)).limit(1)
  const rows = await access.router.read(id, statement(query), call)
  const [row] = await rowsOf(query, rows)
  if (row === undefined) return { value: undefined }
  const { version, ...value } = row
  return { value, version }
}

/** The product as its row says, whatever is cached. */
async function getProduct(
  store: Pick<Store, 'access'>,
  id: string,
  call: Call,
): Promise<Product | undefined> {
  return (await readProduct(store, id, call)).value
}

const spaceName = 'product'

export function productStore(store: Store & { readonly cache: Cache }): ProductStore {
  const { access, lookup, cache } = store
  const space = cache.space<Product>(spaceName, { ttlMs: 600_000, graceMs: 3_600_000 })
  return {
    claim: async (product, call) => {
      const claimed = await claimAll(
        lookup,
        {
          claims: [claimOf(product)],
          exists: async (owner) => (await getProduct(store, owner, call)) !== undefined,
          now: access.clock.now(),
        },
        call,
      )
      return 'owner' in claimed ? claimed.owner : undefined
    },
    create: async ({ once, product, events }, call) => {
      const key = prefixOf(product.id)
      const work = {
        keys: [product.id],
        statements: [statement(insertProducts([product]))],
        events,
      }
      try {
        const answered = await access.once.run(once, { key, work, reply: product }, call)
        confirm(store, [claimOf(answered.reply)], call)
        const { reply } = answered
        store.defer(announce(space, { key: reply.id, value: reply, version: firstVersion }, call))
        return answered
      } catch (error) {
        // The id of another request's product, whose place happens to be ours, was taken for our own earlier try.
        if (error instanceof SqlConstraintError && error.constraint === 'product.id') {
          throw new SkuTakenError(product.sku)
        }
        throw error
      }
    },
    get: async (id, call) => {
      const found = await space.getOrLoad(id, (_, each) => readProduct(store, id, each), call)
      return found.value
    },
    read: (id, call) => getProduct(store, id, call),
    heard: (news, call) =>
      cache.invalidate(
        news.map(({ id, version }) => ({ space: spaceName, key: id, version })),
        call,
      ),
    offers: async (ids, call) =>
      (await readAll(access, { ids: [...new Set(ids)], select: selectOffer }, call)) ?? [],
    findBySku: async (sku, call) => {
      const owner = await lookup.find('sku', sku, call)
      const product = owner === undefined ? undefined : await getProduct(store, owner, call)
      return product?.sku === sku ? product : undefined
    },
  }
}
