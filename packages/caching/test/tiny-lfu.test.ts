import { seededRandom } from '@stoa/kernel'
import fc from 'fast-check'
import { LRUCache } from 'lru-cache'
import { describe, expect, test } from 'vitest'

import { TinyLfu } from '../src/tiny-lfu.ts'
import { traceOf } from './traces.ts'

const large = Number.MAX_SAFE_INTEGER

function fresh(entriesMax: number, bytesMax = large, now = () => 0): TinyLfu {
  return new TinyLfu({ entriesMax, bytesMax }, now)
}

describe('the isolate tier', () => {
  test('never holds more entries or bytes than it may, and answers only what was put last', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('set', 'get', 'delete'),
        shelf: fc.nat({ max: 1 }),
        key: fc.nat({ max: 30 }),
        bytes: fc.nat({ max: 3_000 }),
      }),
      { maxLength: 300 },
    )
    const bounds = fc.record({
      entries: fc.integer({ min: 1, max: 20 }),
      bytes: fc.integer({ min: 1, max: 9_000 }),
    })
    fc.assert(
      fc.property(bounds, steps, (bound, all) => {
        const cache = fresh(bound.entries, bound.bytes)
        const shelves = [cache.shelf<number>('a'), cache.shelf<number>('b')]
        const model = new Map<string, number>()
        const wrong: number[] = []
        for (const [at, { kind, shelf, key, bytes }] of all.entries()) {
          const one = shelves[shelf]
          if (kind === 'set') {
            one?.set(String(key), at, bytes)
            model.set(`${shelf}:${key}`, at)
          } else if (kind === 'delete') {
            one?.delete(String(key))
            model.delete(`${shelf}:${key}`)
          } else {
            const node = one?.get(String(key))
            const isWrong = node !== undefined && node.value !== model.get(`${shelf}:${key}`)
            if (isWrong) wrong.push(key)
          }
          expect(cache.size).toBeLessThanOrEqual(bound.entries)
          expect(cache.bytes).toBeLessThanOrEqual(bound.bytes)
          const held = shelves.flatMap((each) => [...each.nodes()])
          expect(held).toHaveLength(cache.size)
          expect(held.reduce((sum, node) => sum + node.bytes, 0)).toBe(cache.bytes)
        }
        expect(wrong).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  test('keeps what is used often through a scan of what is used once', () => {
    const cache = fresh(100)
    const shelf = cache.shelf<number>('a')
    const use = (key: string) => {
      if (shelf.get(key) === undefined) shelf.set(key, 1, 10)
    }
    for (let round = 0; round < 5; round += 1) for (let at = 0; at < 60; at += 1) use(`hot${at}`)
    for (let at = 0; at < 10_000; at += 1) use(`scan${at}`)

    const kept = Array.from({ length: 60 }, (_, at) => shelf.peek(`hot${at}`)).filter(Boolean)
    expect(kept.length).toBeGreaterThan(55)
  })

  test('forgets old fame', () => {
    const cache = fresh(50)
    const shelf = cache.shelf<number>('a')
    const use = (key: string) => {
      if (shelf.get(key) === undefined) shelf.set(key, 1, 10)
    }
    for (let round = 0; round < 20; round += 1) for (let at = 0; at < 40; at += 1) use(`old${at}`)
    for (let round = 0; round < 60; round += 1) for (let at = 0; at < 40; at += 1) use(`new${at}`)

    const kept = Array.from({ length: 40 }, (_, at) => shelf.peek(`new${at}`)).filter(Boolean)
    expect(kept.length).toBeGreaterThan(35)
  })

  test('keeps pinned entries while they are pinned', () => {
    let now = 0
    const cache = fresh(20, large, () => now)
    const shelf = cache.shelf<number>('a')
    shelf.set('pinned', 1, 10)
    const node = shelf.peek('pinned')
    if (node !== undefined) node.pinnedUntil = 100
    const flood = (name: string) => {
      for (let at = 0; at < 500; at += 1) {
        shelf.get(`${name}${at % 40}`)
        shelf.set(`${name}${at % 40}`, at, 10)
      }
    }
    flood('x')
    expect(shelf.peek('pinned')).toBeDefined()
    now = 200
    flood('y')

    expect(shelf.peek('pinned')).toBeUndefined()
  })

  test('hits at least five points more than LRU, on Zipf 0.9 with scans', () => {
    const capacity = 1_000
    const trace = traceOf(
      { keys: 20_000, length: 200_000, skew: 0.9, scanEvery: 5_000, scanLength: 1_500 },
      seededRandom(7),
    )
    const shelf = fresh(capacity).shelf<boolean>('a')
    const lru = new LRUCache<string, boolean>({ max: capacity })
    let ours = 0
    let theirs = 0
    for (const key of trace) {
      if (shelf.get(key) === undefined) shelf.set(key, true, 1)
      else ours += 1
      if (lru.get(key) === undefined) lru.set(key, true)
      else theirs += 1
    }

    expect((ours - theirs) / trace.length).toBeGreaterThanOrEqual(0.05)
  })
})
