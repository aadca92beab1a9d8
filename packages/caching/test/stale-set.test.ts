import { describe, expect, test } from 'vitest'

import { call, elapse, openWorld, settled } from './harness.ts'
import { type Peer, peers } from './peers.ts'

/**
 * The race of every look-aside cache: a reader reads the row, a writer commits and invalidates, and only then does the
 * reader fill in what it read. Gives what is read afterwards.
 */
async function staleSet(cache: Peer): Promise<string | undefined> {
  let row = 'old'
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const slow = async () => {
    const read = row
    await mayEnd
    return read
  }
  const reading = cache.get('k', slow).catch(() => undefined)
  await settled()
  row = 'new'
  await cache.invalidate('k')
  end()
  await reading
  await settled()
  return cache.get('k', () => Promise.resolve(row))
}

/** The same race as often as reads and writes can be told apart: the load ends before, between and after. */
async function reads(make: () => Peer): Promise<string | undefined> {
  const cache = make()
  try {
    return await staleSet(cache)
  } finally {
    await cache.close?.()
  }
}

function ours(options: { readonly apart: boolean; readonly strict: boolean }): () => Peer {
  return () => {
    const { isolate, clock } = openWorld()
    const policy = { ttlMs: 60_000, jitter: 0, isolateTtlMs: options.strict ? 0 : 1_000 }
    const here = isolate().cache
    const there = options.apart ? isolate().cache : here
    const space = here.space<string>('p', policy)
    let version = 1
    return {
      get: async (key, load) => {
        const run = () => load().then((value) => ({ value, version: value === 'old' ? 1 : 2 }))
        const ask = options.apart && !options.strict ? { key, minVersion: version } : key
        return (await elapse(clock, space.getOrLoad(ask, run, call))).value
      },
      invalidate: async (key) => {
        version = 2
        await there.invalidate([{ space: 'p', key, version }], call)
      },
    }
  }
}

describe('when a row is written and invalidated while it is loaded', () => {
  test.each([
    ['in the same isolate', { apart: false, strict: false }],
    ['in the Redis tier', { apart: true, strict: true }],
    ['by any tier, for who names the version', { apart: true, strict: false }],
  ])('this cache answers with the new row %s', async (_where, options) => {
    expect(await reads(ours(options))).toBe('new')
  })

  test('this cache answers with the old row at most for the time of the isolate', async () => {
    const { isolate, clock } = openWorld()
    const [one, two] = [isolate(), isolate()]
    const space = one.cache.space<string>('p', { ttlMs: 60_000, isolateTtlMs: 1_000 })
    let row = 'old'
    const load = async () => {
      const value = row
      await settled()
      return { value }
    }
    const reading = space.getOrLoad('k', load, call)
    await Promise.resolve()
    row = 'new'
    await two.cache.invalidate([{ space: 'p', key: 'k' }], call)
    const invalidatedAt = clock.now()
    await reading
    while ((await space.getOrLoad('k', load, call)).value === 'old') clock.advance(10)

    expect(clock.now() - invalidatedAt).toBeLessThanOrEqual(1_000)
  })

  const verdicts: Record<string, string> = {}
  test.each(Object.entries(peers))('%s is asked the same', async (name, make) => {
    const value = await reads(make)

    verdicts[name] = value === 'old' ? 'STALE until its ttl' : 'not stale in one process'
    expect(['old', 'new']).toContain(value)
  })

  test('and most of them are stale: the scenario is no straw man', () => {
    process.stdout.write(`${JSON.stringify(verdicts, undefined, 2)}\n`)
    const stale = Object.keys(verdicts).filter((name) => verdicts[name]?.startsWith('STALE'))

    expect(stale.length).toBeGreaterThanOrEqual(4)
    expect(stale).toContain('bentocache')
  })
})
