import { cachified } from '@epic-web/cachified'
import { createCache as dedupeCache } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { createCache as managedCache } from 'cache-manager'
import { Cacheable } from 'cacheable'
import { Loader } from 'layered-loader'
import { LRUCache } from 'lru-cache'

type Load = () => Promise<string>

/** A cache of somebody else, used as its own documentation shows. */
export type Peer = {
  readonly get: (key: string, load: Load) => Promise<string | undefined>
  readonly invalidate: (key: string) => Promise<unknown>
  readonly close?: () => Promise<unknown>
}

const ttl = 60_000

export const peers: Readonly<Record<string, () => Peer>> = {
  bentocache: () => {
    const store = bentostore().useL1Layer(memoryDriver({ maxItems: 1_000 }))
    const cache = new BentoCache({ default: 'main', stores: { main: store } })
    return {
      get: (key, factory) => cache.getOrSet({ key, factory, ttl }),
      invalidate: (key) => cache.delete({ key }),
      close: () => cache.disconnectAll(),
    }
  },
  '@epic-web/cachified': () => {
    const cache = new Map()
    return {
      get: (key, getFreshValue) => cachified({ key, cache, getFreshValue, ttl }),
      invalidate: async (key) => cache.delete(key),
    }
  },
  'cache-manager': () => {
    const cache = managedCache()
    return {
      get: (key, load) => cache.wrap(key, load, ttl),
      invalidate: (key) => cache.del(key),
    }
  },
  cacheable: () => {
    const cache = new Cacheable()
    return {
      get: (key, load) => cache.getOrSet(key, load, { ttl }),
      invalidate: (key) => cache.delete(key),
    }
  },
  'async-cache-dedupe': () => {
    const loads = new Map<string, Load>()
    const cache = dedupeCache({ ttl: 60, storage: { type: 'memory' } }).define(
      'value',
      (key: string) => loads.get(key)?.(),
    )
    return {
      get: async (key, load) => {
        loads.set(key, load)
        return cache.value(key)
      },
      invalidate: (key) => cache.clear('value', key),
    }
  },
  'layered-loader': () => {
    const loads = new Map<string, Load>()
    const loader = new Loader<string>({
      inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: ttl, maxItems: 1_000 },
      dataSourceGetOneFn: async (key: string) => loads.get(key)?.(),
    })
    return {
      get: async (key, load) => {
        loads.set(key, load)
        return (await loader.get(key)) ?? undefined
      },
      invalidate: (key) => loader.invalidateCacheFor(key),
    }
  },
  'lru-cache': () => {
    const loads = new Map<string, Load>()
    const cache = new LRUCache<string, string>({
      max: 1_000,
      ttl,
      fetchMethod: async (key) => loads.get(key)?.(),
    })
    return {
      get: async (key, load) => {
        loads.set(key, load)
        return cache.fetch(key)
      },
      invalidate: async (key) => cache.delete(key),
    }
  },
}
