import { seededRandom } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { probeMs, suspendedAfterMs } from '../src/domain/health.ts'
import { attemptsMax, delaysMs, nextAttemptAt, retryAfterMs } from '../src/domain/schedule.ts'
import { graceMs } from '../src/store/asking.ts'
import { ask, beginAt, deliveriesOf, listDeliveries, merchant, planned } from './harness.ts'
import { followAlarms, healthOf, openWorld, still, waitingAlarms } from './world.ts'

const hour = 3_600_000

describe('the schedule', () => {
  test('is nineteen attempts over 84 hours, on the clock to the millisecond', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld(() => 500)

    await world.attempt(id)
    await followAlarms(world)

    const times = world.calls.map(({ at }) => at)
    const waits = times.map((at, index) => at - (times[index - 1] ?? at))
    expect(waits).toEqual(delaysMs)
    expect(waits).toHaveLength(19)
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBe(84 * hour + 230_000)
    expect(await deliveriesOf(member)).toEqual([[id, 'failed', 19, 500]])
    expect(await waitingAlarms(id)).toEqual([])
  })

  test('is moved by chance, by a fifth at most, to both sides', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld(() => 500, seededRandom(7))

    await world.attempt(id)
    await followAlarms(world)

    const times = world.calls.map(({ at }) => at)
    const ratios = times.slice(1).map((at, n) => (at - (times[n] ?? 0)) / (delaysMs[n + 1] ?? 1))
    expect(ratios).toHaveLength(18)
    expect(Math.min(...ratios)).toBeGreaterThanOrEqual(0.799)
    expect(Math.max(...ratios)).toBeLessThanOrEqual(1.201)
    expect(Math.min(...ratios)).toBeLessThan(0.95)
    expect(Math.max(...ratios)).toBeGreaterThan(1.05)
  })

  test('counts from the beginning of an attempt, and never goes back before its end', () => {
    const silent = { attempts: 1, begun: 0, ended: 15_000, retryAfter: null }

    expect(nextAttemptAt(silent, still)).toBe(15_000)
    expect(nextAttemptAt({ ...silent, attempts: 3 }, still)).toBe(30_000)
    expect(nextAttemptAt({ ...silent, attempts: attemptsMax }, still)).toBeUndefined()
  })

  test('has each alarm in the outbox too, behind the time that the queue has', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld(() => 500)

    for (let n = 0; n < 4; n += 1) {
      await (n === 0 ? world.attempt(id) : followAlarms(world, 1))
      expect(world.rung).toHaveLength(1)
      const [waiting = 0, ...more] = await waitingAlarms(id)
      expect(more).toEqual([])
      const behind = waiting - (world.rung[0]?.at ?? 0)
      expect(behind).toBeGreaterThanOrEqual(graceMs)
      expect(behind).toBeLessThan(60_000)
    }
  })

  test('goes on when the queue lost every alarm, by the outbox alone', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld((_webhook, nth) => (nth < 4 ? 500 : 200))

    await world.attempt(id)
    for (let n = 0; n < 3; n += 1) {
      const [at = 0] = await waitingAlarms(id)
      world.clock.advance(at - world.clock.now())
      await world.attempt(id)
    }

    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 4, 200]])
    expect(await waitingAlarms(id)).toEqual([])
  })

  test.each([
    ['120', 120_000],
    [' 7 ', 7_000],
    ['0', 0],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
    ['Wed, 31 Dec 1969 00:00:00 GMT', 0],
    ['999999999', 24 * hour],
    ['soon', undefined],
    ['-5', undefined],
    ['2030-01-01', undefined],
    ['Xyz, GMT GMT', undefined],
    ['', undefined],
    [null, undefined],
  ])('reads Retry-After: %s as %s ms', (header, ms) => {
    const read = retryAfterMs(header, 10_000)

    expect(read).toBe(ms)
  })

  test('is postponed by Retry-After, and not brought forward', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld((_webhook, nth) => ({
      status: 429,
      retryAfter: nth === 1 ? '600' : '1',
    }))

    await world.attempt(id)
    await followAlarms(world, 2)

    const [first = 0, second = 0, third = 0] = world.calls.map(({ at }) => at)
    expect([second - first, third - second]).toEqual([600_000, 15_000])
  })
})

describe('the health of an endpoint', () => {
  test('is degraded by five failures in a row and mended by one success', async () => {
    const { member } = await merchant()
    const [one, other] = [await planned(member), await planned(member)]
    const world = openWorld((_webhook, nth) => (nth <= 5 ? 500 : 200))

    await world.attempt(one)
    await followAlarms(world, 3)
    expect(await healthOf(member)).toMatchObject({ health: 'healthy', failures: 4 })
    await followAlarms(world, 1)
    expect(await healthOf(member)).toMatchObject({ health: 'degraded', failures: 5 })
    await world.attempt(other)

    expect(await healthOf(member)).toEqual({ health: 'healthy', failures: 0, state: 'active' })
  })

  test('is suspended by five days of failures; then one delivery tries it every six hours', async () => {
    const { member, endpoint } = await merchant()
    const ids = [await planned(member), await planned(member), await planned(member)]
    const [one = '', two = '', three = ''] = ids
    const world = openWorld((_webhook, nth) => (nth <= 3 ? 500 : 200))

    await world.attempt(one)
    world.clock.advance(suspendedAfterMs - 1_000)
    await world.attempt(one)
    expect(await healthOf(member)).toMatchObject({ health: 'healthy' })
    world.clock.advance(60_000)
    await world.attempt(one)
    expect(await healthOf(member)).toMatchObject({ health: 'suspended' })

    const suspendedAt = world.clock.now()
    await beginAt(member, suspendedAt)
    await world.attempt(two)
    await world.attempt(three)
    expect(world.calls).toHaveLength(3)
    const put = world.rung.slice(-2).map(({ at }) => at - suspendedAt)
    for (const wait of put) expect(wait).toBeGreaterThanOrEqual(probeMs)
    const { body } = await ask(member, '/v1/webhook-endpoints')
    expect(body['items']).toMatchObject([{ id: endpoint, health: 'suspended' }])

    world.clock.advance(probeMs + 5_000)
    await world.attempt(two)
    expect(world.calls).toHaveLength(4)
    expect(await healthOf(member)).toMatchObject({ health: 'healthy', failures: 0 })
    await world.attempt(three)
    expect(world.calls).toHaveLength(5)
  })

  test('is tried once in six hours while it stays suspended, and what waits five days is given up', async () => {
    const { member } = await merchant()
    const [one, two, three] = [await planned(member), await planned(member), await planned(member)]
    const world = openWorld(() => 500)
    await world.attempt(one)
    world.clock.advance(suspendedAfterMs + 1_000)
    await world.attempt(one)
    const before = world.calls.length
    await beginAt(member, world.clock.now())

    await world.attempt(two)
    await world.attempt(three)
    await world.attempt(three)
    expect(world.calls).toHaveLength(before)
    world.clock.advance(probeMs + 10_000)
    for (const id of [two, three, two, three]) await world.attempt(id)
    expect(world.calls).toHaveLength(before + 1)
    world.clock.advance(probeMs + 10_000)
    for (const id of [two, three, two, three]) await world.attempt(id)

    expect(world.calls).toHaveLength(before + 2)
    const late = await planned(member)
    await world.attempt(late)
    expect(await deliveriesOf(member)).toContainEqual([late, 'failed', 0, null])
  })

  test('shows the merchant each attempt: when, how long, what was answered, what went wrong', async () => {
    const { member, endpoint } = await merchant()
    const id = await planned(member)
    const world = openWorld((_webhook, nth) => {
      world.clock.advance(40)
      return nth === 1 ? 'silence' : { status: 418, text: 'I am a teapot' }
    })

    await world.attempt(id)
    await followAlarms(world, 1)

    const { body } = await ask(member, `/v1/webhook-deliveries/whd_${id}/attempts`)
    expect(body['items']).toMatchObject([
      { number: 2, status: 418, error: null, answer: 'I am a teapot', durationMs: 40 },
      { number: 1, status: null, error: 'timeout', answer: '', durationMs: 40 },
    ])
    const list = await listDeliveries(member, endpoint)
    const nextAt = new Date(world.rung[0]?.at ?? 0).toISOString()
    expect(list.body['items']).toMatchObject([{ attempts: 2, lastStatus: 418, nextAt }])
  })
})
