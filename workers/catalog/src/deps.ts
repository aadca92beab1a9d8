import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { openServiceCache } from '@stoa/http/cache'
import { claimMender, createLookup } from '@stoa/sharding'

import type {
  CategoryStore,
  ClaimStore,
  ImportStore,
  Neighbours,
  ProductStore,
} from './domain/ports.ts'
import type { Config } from './env.ts'
import { categoryStore } from './store/categories.ts'
import { importStore } from './store/imports.ts'
import { neighboursOf } from './store/neighbours.ts'
import { productStore } from './store/products.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock' | 'inbox'> & {
  readonly products: ProductStore
  readonly categories: CategoryStore
  readonly imports: ImportStore
  readonly claims: ClaimStore
  readonly neighbours: Neighbours
}

export function buildDeps(config: Config, links: Links): Deps {
  const { defer } = links
  const access = openServiceKeyspace('catalog', config, { defer, report })
  const cache = openServiceCache({ service: 'catalog' }, config, { defer, report })
  const store = { access, lookup: createLookup(access.router, access.clock), defer }
  return {
    ids: access.ids,
    clock: access.clock,
    inbox: access.inbox,
    products: productStore({ ...store, cache }),
    categories: categoryStore(access),
    imports: importStore(store),
    claims: claimMender(access.router, store.lookup),
    neighbours: neighboursOf(links),
  }
}
