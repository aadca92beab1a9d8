import { manualClock, seededRandom } from '@stoa/kernel'
import { beforeEach, describe, expect, test } from 'vitest'

import { type BalancerOptions, createBalancer } from '../../src/index.ts'

let clock = manualClock(1_790_000_000_000)

beforeEach(() => {
  clock = manualClock(1_790_000_000_000)
})

const balancerOf = (options: Partial<BalancerOptions> = {}) =>
  createBalancer({ weights: [1, 1, 1], clock, random: seededRandom(7), ...options })

type Member = { readonly ms: number; readonly isDown?: boolean }

/** Asks `count` times, one after the other; gives how often each was asked. */
function asked(
  balancer: ReturnType<typeof createBalancer>,
  members: readonly Member[],
  count: number,
): readonly number[] {
  const counts = members.map(() => 0)
  for (let time = 0; time < count; time += 1) {
    const lease = balancer.pick()
    if (lease === undefined) {
      clock.advance(1)
      continue
    }
    counts[lease.index] = (counts[lease.index] ?? 0) + 1
    const { ms, isDown = false } = members[lease.index] ?? { ms: 0 }
    clock.advance(ms)
    lease.end(isDown ? 'failed' : 'answered')
  }
  return counts
}

/** Five standard deviations of a count of `n` draws with chance `p`. */
const spread = (n: number, p: number) => 5 * Math.sqrt(n * p * (1 - p))

/** Requests come at a rate, each member does one at a time; gives the mean wait in milliseconds. */
function meanWait(pick: () => { index: number; end: () => void }, speeds: readonly number[]) {
  const freeAt = speeds.map(() => clock.now())
  const open: { at: number; end: () => void }[] = []
  let total = 0
  const count = 4_000
  const random = seededRandom(3)
  for (let time = 0; time < count; time += 1) {
    clock.advance(1 + (random.uint32() % 4))
    for (const done of open.filter(({ at }) => at <= clock.now())) {
      done.end()
      open.splice(open.indexOf(done), 1)
    }
    const { index, end } = pick()
    const at = Math.max(clock.now(), freeAt[index] ?? 0) + (speeds[index] ?? 0)
    freeAt[index] = at
    total += at - clock.now()
    open.push({ at, end })
  }
  return total / count
}

describe('a balancer', () => {
  test('asks equals equally often', () => {
    const counts = asked(balancerOf(), [{ ms: 5 }, { ms: 5 }, { ms: 5 }], 6_000)

    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(spread(6_000, 1 / 3))
  })

  test('asks by weight those that are equally fast', () => {
    const balancer = balancerOf({ weights: [1, 3] })

    const [light = 0] = asked(balancer, [{ ms: 5 }, { ms: 5 }], 4_000)

    expect(Math.abs(light - 1_000)).toBeLessThan(spread(4_000, 1 / 4))
  })

  test('seldom asks one that is ten times slower, and comes back to it', () => {
    const counts = asked(balancerOf(), [{ ms: 5 }, { ms: 50 }, { ms: 5 }], 6_000)

    expect(counts[1]).toBeGreaterThan(0)
    expect(counts[1]).toBeLessThan(6_000 * 0.05)
  })

  test('makes them wait less than a random choice does', () => {
    const speeds = [8, 6, 9]
    const random = seededRandom(11)
    const blind = meanWait(() => ({ index: random.uint32() % 3, end: () => undefined }), speeds)
    const balancer = balancerOf()
    const balanced = meanWait(() => {
      const lease = balancer.pick()
      if (lease === undefined) throw new Error('nobody may be asked')
      return { index: lease.index, end: () => lease.end('answered') }
    }, speeds)

    expect(balanced).toBeLessThan(blind / 2)
  })

  test('asks only whom it may', () => {
    const balancer = balancerOf()

    const picked = Array.from({ length: 50 }, () => balancer.pick((index) => index === 2)?.index)

    expect(new Set(picked)).toEqual(new Set([2]))
    expect(balancer.pick(() => false)).toBeUndefined()
  })

  test.for([0, -1, Number.NaN, Infinity])('refuses the weight %d', (weight) => {
    expect(() => balancerOf({ weights: [1, weight] })).toThrow(RangeError)
  })
})

describe('an ejection', () => {
  const failing = () => {
    const balancer = balancerOf({ weights: [1] })
    const once = (outcome: 'answered' | 'failed' | 'abandoned') => {
      const lease = balancer.pick()
      lease?.end(outcome)
      return lease !== undefined
    }
    return { balancer, once }
  }

  test('comes after three failures in a row, not after three in all', () => {
    const { once } = failing()

    const before = ['failed', 'failed', 'answered', 'failed', 'failed', 'abandoned'] as const
    expect(before.map(once)).toEqual(before.map(() => true))
    expect(once('failed')).toBe(true)
    expect(once('failed')).toBe(false)
  })

  test('lasts twice as long each time, up to a minute', () => {
    const { once } = failing()
    for (let time = 0; time < 3; time += 1) once('failed')
    const lasted = Array.from({ length: 9 }, () => {
      const start = clock.now()
      while (!once('failed')) clock.advance(50)
      return clock.now() - start
    })

    for (const [index, ms] of lasted.entries()) {
      const least = Math.min(60_000, 1_000 * 2 ** index)
      expect(ms).toBeGreaterThanOrEqual(least)
      expect(ms).toBeLessThanOrEqual(least * 1.25 + 50)
    }
  })

  test('ends by one probe at a time', () => {
    const { balancer, once } = failing()
    for (let time = 0; time < 3; time += 1) once('failed')
    clock.advance(2_000)

    const probe = balancer.pick()
    expect(probe).toBeDefined()
    expect(balancer.pick()).toBeUndefined()
    probe?.end('answered')

    expect(once('answered')).toBe(true)
    expect([once('failed'), once('failed'), once('failed'), once('failed')]).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  test('is not ended by an answer to what was asked before it', () => {
    const { balancer, once } = failing()
    const early = balancer.pick()
    for (let time = 0; time < 3; time += 1) once('failed')

    early?.end('answered')

    expect(balancer.pick()).toBeUndefined()
  })

  test('leaves the others all of it', () => {
    const counts = asked(balancerOf(), [{ ms: 5 }, { ms: 1, isDown: true }, { ms: 5 }], 3_000)

    expect(counts[1]).toBeLessThan(20)
  })
})
