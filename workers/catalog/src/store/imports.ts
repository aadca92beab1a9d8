import { statement } from '@stoa/adapters/libsql'
import { product as products } from '@stoa/data/catalog'
import { type Call, prefixOf, SqlConstraintError } from '@stoa/kernel'
import { claimGraceMs, type Holder, inWaves } from '@stoa/sharding'
import { eq } from 'drizzle-orm'

import type { Imported, ImportStore, SkuState } from '../domain/ports.ts'
import type { Product } from '../domain/product.ts'
import { db } from './builder.ts'
import { claimOf, confirm, insertProducts, type Store } from './products.ts'
import { readAll } from './read-all.ts'

/** How often a batch is tried that meets rows of another import; each time without those that are there. */
const writesMax = 3

function keyOf({ product }: Imported): string {
  return product.id
}

function selectSku(id: string) {
  return db
    .select({ id: products.id, sku: products.sku })
    .from(products)
    .where(eq(products.id, id))
    .limit(1)
}

/** Which of the products are there, and under which sku. One round trip for each shard touched. */
async function skusOf(
  { access }: Store,
  ids: readonly string[],
  call: Call,
): Promise<ReadonlyMap<string, string>> {
  const found = (await readAll(access, { ids, select: selectSku }, call)) ?? []
  return new Map(found.map(({ id, sku }) => [id, sku]))
}

/** What to do about a sku whose holder has no product. */
async function settle(
  { access, lookup }: Store,
  { product, holder }: { readonly product: Product; readonly holder: Holder },
  call: Call,
): Promise<SkuState> {
  const age = access.clock.now() - holder.claimedAt
  const isImports = prefixOf(holder.owner) === prefixOf(product.id)
  // Whoever made it may still be writing, and nobody may take it over before this request has ended.
  if (isImports && age < claimGraceMs / 2) return { state: 'free', id: holder.owner }
  if (!isImports && age < claimGraceMs) return { state: 'taken' }
  // The same id again: should its first write still arrive, the two collide instead of making two products.
  const owner = isImports ? holder.owner : product.id
  const moved = await lookup.takeOver({ ...claimOf(product), owner }, holder, call)
  return moved ? { state: 'free', id: owner } : { state: 'taken' }
}

async function claimAll(
  store: Store,
  proposed: readonly Product[],
  call: Call,
): Promise<readonly SkuState[]> {
  if (proposed.length === 0) return []
  const holders = await store.lookup.claim(proposed.map(claimOf), call)
  const held = proposed.flatMap((product, index) => {
    const holder = holders[index]
    return holder === undefined || holder.owner === product.id ? [] : [{ product, holder }]
  })
  const skus = await skusOf(
    store,
    held.map(({ holder }) => holder.owner),
    call,
  )
  const settled = new Map<string, SkuState>()
  const isThere = ({ product, holder }: (typeof held)[number]) =>
    skus.get(holder.owner) === product.sku
  await inWaves(
    held.filter((each) => !isThere(each)),
    async (each) => {
      settled.set(each.product.sku, await settle(store, each, call))
    },
  )
  const there = held.filter(isThere)
  for (const { product, holder } of there) {
    settled.set(product.sku, { state: 'exists', id: holder.owner })
  }
  const unconfirmed = there.filter(({ holder }) => holder.state === 'pending')
  confirm(
    store,
    unconfirmed.map(({ product, holder }) => ({ ...claimOf(product), owner: holder.owner })),
    call,
  )
  return proposed.map(({ sku, id }) => settled.get(sku) ?? { state: 'free', id })
}

/** Writes a group of one shard. A row that is there already refuses the whole batch, so it goes again without it. */
async function writeGroup(
  store: Store,
  group: readonly Imported[],
  call: Call,
): Promise<readonly Imported[]> {
  let rest = group
  for (let tries = 1; rest.length > 0; tries += 1) {
    try {
      const work = {
        keys: rest.map(keyOf),
        statements: [statement(insertProducts(rest.map(({ product }) => product)))],
        events: rest.map(({ event }) => event),
      }
      await store.access.committer.commit(work, call)
      break
    } catch (error) {
      const isKnown = error instanceof SqlConstraintError && error.constraint === 'product.id'
      if (!isKnown || tries >= writesMax) throw error
      const ids = rest.map(({ product }) => product.id)
      const skus = await skusOf(store, ids, call)
      rest = rest.filter(({ product }) => !skus.has(product.id))
    }
  }
  return rest
}

export function importStore(store: Store): ImportStore {
  return {
    claimAll: (proposed, call) => claimAll(store, proposed, call),
    writeAll: async (imported, call) => {
      const written = new Set<string>()
      await inWaves(await store.access.router.groups(imported, keyOf, call), async (group) => {
        for (const { product } of await writeGroup(store, group, call)) written.add(product.id)
      })
      confirm(
        store,
        imported.map(({ product }) => claimOf(product)),
        call,
      )
      return written
    },
  }
}
