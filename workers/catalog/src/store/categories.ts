import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { category as categories, categoryProduct } from '@stoa/data/catalog'
import { slotOfText, slotText, timeKey } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'
import { inWaves } from '@stoa/sharding'
import { and, desc, eq, lt } from 'drizzle-orm'

import type { Category } from '../domain/category.ts'
import type { CategoryStore, Page } from '../domain/ports.ts'
import { db } from './builder.ts'

type Access = Pick<KeyspaceAccess, 'router' | 'committer'>

function slotOf({ key }: Category): number {
  return slotOfText(key)
}

function isCategory(key: string) {
  return and(eq(categories.slot, slotText(slotOfText(key))), eq(categories.key, key))
}

function selectKey(key: string) {
  return db.select({ key: categories.key }).from(categories).where(isCategory(key)).limit(1)
}

function selectListings(key: string, { limit, after }: Page) {
  return db
    .select({
      id: categoryProduct.product,
      title: categoryProduct.title,
      priceMinor: categoryProduct.priceMinor,
      currency: categoryProduct.currency,
    })
    .from(categoryProduct)
    .where(
      and(
        eq(categoryProduct.slot, slotText(slotOfText(key))),
        eq(categoryProduct.category, key),
        after === undefined ? undefined : lt(categoryProduct.timeKey, after),
      ),
    )
    .orderBy(desc(categoryProduct.timeKey))
    .limit(limit)
}

/** The key of the row is the product's own, so that it could not be there twice even without an inbox. */
function insertListing({ data }: StoaEvent<'product.created'>) {
  const { product, category, title, priceMinor, currency } = data
  const slot = slotText(slotOfText(category))
  return db
    .insert(categoryProduct)
    .values({ slot, category, timeKey: timeKey(product), product, title, priceMinor, currency })
    .onConflictDoNothing()
}

function insertCategories(list: readonly Category[]) {
  return db
    .insert(categories)
    .values(list.map((each) => ({ ...each, slot: slotText(slotOfText(each.key)) })))
    .onConflictDoNothing()
    .returning({ key: categories.key })
}

export function categoryStore({ router, committer }: Access): CategoryStore {
  return {
    get: async (key, call) => {
      const query = db
        .select({ key: categories.key, name: categories.name, path: categories.path })
        .from(categories)
        .where(isCategory(key))
        .limit(1)
      const [row] = await rowsOf(query, await router.read(slotOfText(key), statement(query), call))
      return row
    },
    browse: async (key, page, call) => {
      const slot = slotOfText(key)
      const listings = selectListings(key, page)
      const [found, listed] = await router.readMany(
        [
          { key: slot, statement: statement(selectKey(key)) },
          { key: slot, statement: statement(listings) },
        ],
        call,
      )
      return listed === undefined || found?.rows.length !== 1
        ? undefined
        : await rowsOf(listings, listed)
    },
    existing: async (keys, call) => {
      const queries = keys.map((key) => ({
        key: slotOfText(key),
        statement: statement(selectKey(key)),
      }))
      const answers = await router.readMany(queries, call)
      return new Set(keys.filter((_key, index) => answers[index]?.rows.length === 1))
    },
    addAll: async (list, call) => {
      const added = new Set<string>()
      await inWaves(await router.groups(list, slotOf, call), async (group) => {
        const query = insertCategories(group)
        const work = { keys: group.map(slotOf), statements: [statement(query)], events: [] }
        const { rows: [rows] = [] } = await committer.commit(work, call)
        if (rows === undefined) return
        for (const { key } of await rowsOf(query, rows)) added.add(key)
      })
      return added
    },
    list: (event) => ({
      event,
      key: slotOfText(event.data.category),
      statements: [statement(insertListing(event))],
      events: [],
    }),
  }
}
