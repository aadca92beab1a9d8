import { cachified } from '@epic-web/cachified'
import { createCache } from '@stoa/caching'
import { rootCall, seededRandom, systemClock } from '@stoa/kernel'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { createCache as managedCache } from 'cache-manager'
import { LRUCache } from 'lru-cache'

import { benchSpread } from './caching-spread.ts'
import { benchStampede } from './caching-stampede.ts'
import { atLeast, type Row } from './row.ts'
import { zipf } from './zipf.ts'

const keys = 1_000
const hits = 50_000
const rounds = 9
const ttl = 600_000

const payload = {
  id: 'prd_1',
  title: 'A book',
  price: { amount: 1_999, currency: 'EUR' },
  tags: ['a', 'b'],
}
type Value = typeof payload

const load = () => Promise.resolve(payload)

type Contender = { readonly name: string; readonly get: (key: string) => Promise<unknown> }

function isolateOf(entriesMax: number) {
  return createCache({
    namespace: 'bench',
    isolate: { entriesMax, bytesMax: 256 * 1024 * 1024 },
    redis: [],
    clock: systemClock,
    random: seededRandom(1),
    defer: (work) => void work,
    report: () => undefined,
  })
}

function contenders(): {
  readonly all: readonly Contender[]
  readonly close: () => Promise<unknown>
} {
  const space = isolateOf(10_000).space<Value>('p', { ttlMs: ttl, isolateTtlMs: ttl })
  const call = rootCall('bench')
  const ours = () => load().then((value) => ({ value }))
  const store = bentostore().useL1Layer(memoryDriver({ maxItems: 10_000 }))
  const bento = new BentoCache({ default: 'main', stores: { main: store } })
  const map = new Map()
  const managed = managedCache()
  const lru = new LRUCache<string, Value>({ max: 10_000, ttl, fetchMethod: load })
  const all = [
    { name: 'stoa', get: (key: string) => space.getOrLoad(key, ours, call) },
    { name: 'bentocache', get: (key: string) => bento.getOrSet({ key, factory: load, ttl }) },
    {
      name: 'cachified',
      get: (key: string) => cachified({ key, cache: map, getFreshValue: load, ttl }),
    },
    { name: 'cache-manager', get: (key: string) => managed.wrap(key, load, ttl) },
    { name: 'lru-cache', get: (key: string) => lru.fetch(key) },
  ]
  return { all, close: () => bento.disconnectAll() }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

/** Milliseconds of processor time that this process has used: a busy machine does not lengthen it. */
function cpuMs(): number {
  return process.cpuUsage().user / 1_000
}

/** Nanoseconds of processor time of one awaited hit; contenders take turns. */
async function timeHits(all: readonly Contender[]): Promise<ReadonlyMap<string, number>> {
  const names = Array.from({ length: keys }, (_, at) => `product:${at}`)
  const times = new Map<string, number[]>(all.map(({ name }) => [name, []]))
  for (const { get } of all) for (const name of names) await get(name)
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, get } of all) {
      const began = cpuMs()
      for (let at = 0; at < hits; at += 1) await get(names[at % keys] ?? '')
      times.get(name)?.push(((cpuMs() - began) * 1e6) / hits)
    }
  }
  return new Map([...times].map(([name, list]) => [name, median(list)]))
}

async function benchHits(): Promise<Row[]> {
  const { all, close } = contenders()
  try {
    const times = await timeHits(all)
    for (const [name, ns] of times)
      console.log(`  hit: ${name.padEnd(14)} ${ns.toFixed(0)} ns of CPU`)
    const ours = 1e9 / (times.get('stoa') ?? Infinity)
    const rows = [...times].filter(([name]) => name !== 'stoa')
    return [
      atLeast({
        name: 'isolate hit beside 400 ns',
        value: ours,
        unit: 'hits/s',
        baseline: 2.5e6,
        target: 1,
      }),
      ...rows.map(([name, ns]) =>
        atLeast({
          name: `isolate hit beside ${name}`,
          value: ours,
          unit: 'hits/s',
          baseline: 1e9 / ns,
          // It keeps no versions, tiers or grace, and wins: the row says by how much.
          ...(name === 'lru-cache' ? {} : { target: 1 }),
        }),
      ),
    ]
  } finally {
    await close()
  }
}

/** Zipf 0.9 over 20,000 keys, a thousand of which fit, and now and then a scan of 1,500 keys read once. */
async function benchHitRatio(): Promise<Row[]> {
  const capacity = 1_000
  const space = isolateOf(capacity).space<number>('p', { ttlMs: ttl, isolateTtlMs: ttl })
  const lru = new LRUCache<string, number>({ max: capacity })
  const next = zipf(20_000, 0.9, seededRandom(7))
  const call = rootCall('bench')
  const loadOne = () => Promise.resolve({ value: 1 })
  let [ours, theirs, asked, scanned] = [0, 0, 0, 0]
  const ask = async (key: string) => {
    asked += 1
    if ((await space.getOrLoad(key, loadOne, call)).tier === 'isolate') ours += 1
    if (lru.get(key) === undefined) lru.set(key, 1)
    else theirs += 1
  }
  for (let round = 0; round < 20; round += 1) {
    for (let at = 0; at < 5_000; at += 1) await ask(`k${next()}`)
    for (let at = 0; at < 1_500; at += 1) await ask(`s${(scanned += 1)}`)
  }
  const [mine, lrus] = [(100 * ours) / asked, (100 * theirs) / asked]
  console.log(`  hit ratio: ${mine.toFixed(1)} %, LRU ${lrus.toFixed(1)} %`)
  return [
    atLeast({
      name: 'hit ratio beside LRU + 5 points',
      value: mine,
      unit: '%',
      baseline: lrus + 5,
      target: 1,
    }),
  ]
}

/**
 * The cache beside its peers in one run. It measures an isolate in Node, workerd processes and the local Redis front on
 * one machine, not Cloudflare or Upstash.
 */
export async function benchCaching(): Promise<Row[]> {
  return [
    ...(await benchHits()),
    ...(await benchHitRatio()),
    ...(await benchStampede()),
    ...(await benchSpread()),
  ]
}
