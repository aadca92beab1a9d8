import { manualClock, rootCall, seededRandom } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { isDueEarly, loadEntry } from '../src/load.ts'
import { rulesOf } from '../src/policy.ts'
import { call, openWorld, settled, valueOf } from './harness.ts'

describe('an early renewal', () => {
  /** The part of many callers who would renew, `left` load times before the end. */
  function chance(left: number, eagerness = 1): number {
    const deps = { clock: manualClock(0), random: seededRandom(3) }
    const entry = { freshUntil: left * 100, loadMs: 100 }
    const tries = 20_000
    const due = Array.from({ length: tries }, () => isDueEarly(entry, eagerness, deps))
    return due.filter(Boolean).length / tries
  }

  test('is as likely as the paper says: e^-t, t load times before the end', () => {
    expect(chance(1)).toBeCloseTo(Math.exp(-1), 1)
    expect(chance(3)).toBeCloseTo(Math.exp(-3), 1)
    expect(chance(5)).toBeLessThan(0.02)
    expect([chance(0), chance(20), chance(1, 0)]).toEqual([1, 0, 0])
  })

  test('is run by one caller behind the answer, before the entry is old', async () => {
    const { isolate, clock } = openWorld()
    const policy = { ttlMs: 10_000, jitter: 0, isolateTtlMs: 0, earlyRenewal: 1 }
    const space = isolate().cache.space<string>('p', policy)
    let runs = 0
    const load = () => {
      runs += 1
      clock.advance(400)
      return Promise.resolve({ value: `v${runs}` })
    }
    await space.getOrLoad('a', load, call)
    clock.advance(9_500)

    const found = []
    for (let at = 0; at < 5; at += 1) {
      found.push(await space.getOrLoad('a', load, call))
      await settled()
    }

    expect(runs).toBe(2)
    expect(found.every(({ isStale }) => !isStale)).toBe(true)
    expect(found.at(-1)?.value).toBe('v2')
  })
})

test('a life is spread below what was asked for, never above', async () => {
  const deps = { clock: manualClock(0), random: seededRandom(5), valueBytesMax: 100 }
  const rules = rulesOf<string>({ ttlMs: 1_000, jitter: 0.2 }, 60_000)
  const job = { minVersion: 0, tags: {}, nonce: 'n', isKnown: true, key: 'a', rules, deps }
  const ends = await Promise.all(
    Array.from({ length: 200 }, () => loadEntry(valueOf('v'), job, rootCall('t'))),
  )

  const lives = ends.map(({ freshUntil }) => freshUntil)
  expect(Math.min(...lives)).toBeGreaterThanOrEqual(800)
  expect(Math.max(...lives)).toBeLessThanOrEqual(1_000)
  expect(new Set(lives).size).toBeGreaterThan(50)
})
