import { describe, expect, test } from 'vitest'

import { attemptsAtOnce, burstMs, paceMs } from '../src/domain/health.ts'
import type { Webhook } from '../src/domain/ports.ts'
import {
  confirmed,
  deliver,
  deliveriesOf,
  endLeases,
  letTimePass,
  merchant,
  planned,
} from './harness.ts'
import { healthOf, openWorld, waitingAlarms } from './world.ts'

/** Receivers of which one answers only when it is let. */
function hanging(name: string) {
  const { promise, resolve } = Promise.withResolvers<'silence'>()
  let [busy, most] = [0, 0]
  const answer = async ({ url }: Webhook) => {
    if (!url.includes(name)) return 200
    busy += 1
    most = Math.max(most, busy)
    await promise
    busy -= 1
    return 'silence' as const
  }
  return { answer, letGo: () => resolve('silence'), most: () => most }
}

async function withDeliveries(count: number) {
  const made = await merchant()
  for (let n = 0; n < count; n += 1) await deliver([confirmed(made.member)])
  const ids = (await deliveriesOf(made.member)).map(([id]) => String(id))
  return { ...made, ids }
}

async function isAllDelivered(member: string): Promise<boolean> {
  return (await deliveriesOf(member)).every(([, state]) => state === 'delivered')
}

describe('an endpoint that hangs', () => {
  test('keeps no delivery of another in its message from being made', async () => {
    const dead = await withDeliveries(10)
    const others = await Promise.all(Array.from({ length: 8 }, () => withDeliveries(3)))
    const { answer, letGo, most } = hanging(dead.name)
    const world = openWorld(answer)

    const attempts = world.attempt(...dead.ids, ...others.flatMap(({ ids }) => ids))
    for (const { member } of others)
      await expect.poll(() => isAllDelivered(member), { timeout: 10_000 }).toBe(true)
    expect(most()).toBe(1)
    letGo()
    await attempts

    const states = await deliveriesOf(dead.member)
    expect(states.filter(([, , tried]) => tried === 1)).toHaveLength(1)
    // The other nine were not even tried: each has an alarm of its own.
    const alarms = await Promise.all(dead.ids.map(waitingAlarms))
    expect(alarms.map((each) => each.length)).toEqual(dead.ids.map(() => 1))
  })

  test('is called by no more isolates at a time than its health allows', async () => {
    const dead = await withDeliveries(12)
    const { answer, letGo, most } = hanging(dead.name)
    const world = openWorld(answer)
    const attempts = Promise.allSettled(dead.ids.map((id) => world.attempt(id)))
    await expect.poll(most, { timeout: 10_000 }).toBe(attemptsAtOnce.healthy)
    letGo()
    await attempts
    expect(world.calls).toHaveLength(attemptsAtOnce.healthy)

    world.clock.advance(60_000)
    await letTimePass(dead.member)
    await world.attempt(dead.ids[0] ?? '')
    expect(await healthOf(dead.member)).toMatchObject({ health: 'degraded' })
    const second = hanging(dead.name)
    const later = openWorld(second.answer)
    later.clock.advance(120_000)
    await letTimePass(dead.member)
    const again = Promise.allSettled(dead.ids.map((id) => later.attempt(id)))
    await expect.poll(second.most, { timeout: 10_000 }).toBe(attemptsAtOnce.degraded)
    second.letGo()
    await again
    expect(later.calls).toHaveLength(attemptsAtOnce.degraded)
  })

  test('is called by another when the isolate that called it has died', async () => {
    const { member, ids } = await withDeliveries(4)
    const { answer } = hanging('hook')
    const dying = openWorld(answer)
    for (const id of ids) void dying.attempt(id)
    await expect.poll(() => dying.calls.length, { timeout: 10_000 }).toBe(4)
    const world = openWorld(() => 200)

    await expect(world.attempt(...ids)).rejects.toMatchObject({ code: 'webhooks_pending' })
    await endLeases(member)
    await world.attempt(...ids)

    expect(await isAllDelivered(member)).toBe(true)
  })
})

describe('the pace of an endpoint', () => {
  test('lets a burst through, then ten a second, and loses nothing', async () => {
    const { member, ids } = await withDeliveries(30)
    const world = openWorld(() => 200)

    await world.attempt(...ids)
    expect(world.calls).toHaveLength(burstMs / paceMs)
    world.clock.advance(1_000)
    await letTimePass(member)
    await world.attempt(...ids)

    expect(world.calls).toHaveLength(burstMs / paceMs + 10)
    expect(await isAllDelivered(member)).toBe(true)
  })

  test('is not stopped by a clock that was far ahead', async () => {
    const { member } = await merchant()
    const [one, two] = [await planned(member), await planned(member)]
    const ahead = openWorld(() => 500)
    ahead.clock.advance(365 * 24 * 3_600_000)
    await ahead.attempt(one)
    const world = openWorld(() => 200)

    await world.attempt(two)

    expect(world.calls).toHaveLength(1)
  })
})
