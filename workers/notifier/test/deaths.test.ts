import type { StoaEvent } from '@stoa/messaging'
import { describe, expect, test } from 'vitest'

import {
  ageDeliveries,
  ask,
  confirmed,
  deliver,
  deliveriesOf,
  due,
  endLeases,
  eventsAsked,
  heardBy,
  letTimePass,
  merchant,
  newId,
  roundTripsOf,
  rows,
  spoil,
  sweepOverdue,
} from './harness.ts'
import { waitingAlarms } from './world.ts'

/** The most requests that a handler here makes; a sweep that reaches it has missed some. */
const requestsMax = 30

/**
 * Delivers `events` and dies at the database's `nth` request, before it takes effect or after: what comes later never
 * arrives. Answers whether there was such a request.
 */
async function dieAt(
  nth: number,
  when: 'before' | 'after',
  events: readonly StoaEvent[],
): Promise<boolean> {
  const requestId = crypto.randomUUID()
  const match = { requestId }
  if (when === 'after') await spoil({ action: 'drop-reply', match, skip: nth, times: 1 })
  const skip = when === 'after' ? 0 : nth
  // Of two rules the first that matches decides: behind the lost reply all requests are lost.
  if (when === 'after') await spoil({ action: 'drop-request', match, skip: nth, times: 50 })
  else await spoil({ action: 'drop-request', match, skip, times: 50 })
  const { status } = await deliver(events, requestId)
  return status !== 200 || (await roundTripsOf(requestId)) > nth
}

/** Plays a scene with a death at each request of its handler, before and after; tells how many there were. */
async function everyDeath(
  play: (die: (events: readonly StoaEvent[]) => Promise<boolean>) => Promise<boolean>,
): Promise<number> {
  let deaths = 0
  for (const when of ['before', 'after'] as const) {
    for (let nth = 0; nth < requestsMax; nth += 1) {
      const hasDied = await play((events) => dieAt(nth, when, events))
      if (!hasDied) break
      deaths += 1
      expect(nth).toBeLessThan(requestsMax - 1)
    }
  }
  return deaths
}

/** What the tables say of a delivery: its attempts are those of the log, numbered without gaps. */
async function isLogWhole(id: string): Promise<boolean> {
  const sql = `SELECT d.attempts, (SELECT count(*) FROM attempt WHERE delivery = d.id),
(SELECT coalesce(max(number), 0) FROM attempt WHERE delivery = d.id) FROM delivery AS d WHERE d.id = ? LIMIT 1`
  const [[attempts, logged, last] = []] = await rows(id, sql, [id])
  return attempts === logged && logged === last
}

describe('a handler that dies before or after any request', () => {
  test('plans each delivery, event and notification once in the end', async () => {
    const deaths = await everyDeath(async (die) => {
      const { member } = await merchant()
      const event = confirmed(member)
      const { buyer } = event.data

      const hasDied = await die([event])
      await deliver([event])
      await deliver([event])

      expect(await deliveriesOf(member)).toHaveLength(1)
      const { body } = await ask(member, '/v1/events')
      expect(body).toMatchObject({ items: [{ seq: 1 }], latest: 1 })
      const notices = await ask(buyer, '/v1/notifications')
      expect(notices.body['items']).toHaveLength(1)
      return hasDied
    })

    expect(deaths).toBeGreaterThanOrEqual(4)
  })

  test('makes each delivery arrive in the end, and no attempt of the log is lost or doubled', async () => {
    const deaths = await everyDeath(async (die) => {
      const failing = await merchant('500,200')
      const well = await merchant('200')
      await deliver([confirmed(failing.member), confirmed(failing.member), confirmed(well.member)])
      const ids = [...(await deliveriesOf(failing.member)), ...(await deliveriesOf(well.member))]
        .map(([id]) => String(id))
        .toSorted()
      const events = ids.map(due)

      const hasDied = await die(events)
      for (let round = 0; round < 4; round += 1) {
        for (const { member } of [failing, well]) {
          await endLeases(member)
          await letTimePass(member)
        }
        await deliver(events)
      }

      for (const { member } of [failing, well])
        for (const [, state] of await deliveriesOf(member)) expect(state).toBe('delivered')
      for (const id of ids) {
        expect(await isLogWhole(id)).toBe(true)
        expect(await waitingAlarms(id)).toEqual([])
      }
      // A death costs each receiver one call at most that nobody remembers.
      expect((await heardBy(failing.name)).length).toBeLessThanOrEqual(4)
      expect((await heardBy(well.name)).length).toBeLessThanOrEqual(2)
      return hasDied
    })

    expect(deaths).toBeGreaterThanOrEqual(8)
  }, 60_000)

  test('replays each event once in the end', async () => {
    const deaths = await everyDeath(async (die) => {
      const member = newId()
      await deliver([confirmed(member), confirmed(member)])
      const { endpoint } = await merchant('200', ['order.confirmed'], {}, member)
      const body = { since: '2026-01-01T00:00:00Z' }
      await ask(member, `/v1/webhook-endpoints/${endpoint}/replays`, { body })
      const events = await eventsAsked(endpoint)

      const hasDied = await die(events)
      await deliver(events)
      await deliver(events)

      expect(await deliveriesOf(member)).toHaveLength(2)
      return hasDied
    })

    expect(deaths).toBeGreaterThanOrEqual(4)
  })
})

describe('a pending delivery', () => {
  test('always has an alarm, or an event that the queue has not acknowledged', async () => {
    const { member } = await merchant('500')
    await deliver([confirmed(member), confirmed(member), confirmed(member)])
    const ids = (await deliveriesOf(member)).map(([id]) => String(id))

    await deliver(ids.map(due))

    for (const id of ids) expect(await waitingAlarms(id)).toHaveLength(1)
  })

  test('that the queue has given up is asked for again by a sweep, once', async () => {
    const { member, name } = await merchant('500,200')
    const fresh = await merchant('200')
    await deliver([confirmed(member), confirmed(fresh.member)])
    const [id = ''] = (await deliveriesOf(member)).map(([each]) => String(each))
    await deliver([due(id)])
    await ageDeliveries(member, 46 * 60_000)

    const first = await sweepOverdue()
    const second = await sweepOverdue()
    await deliver([due(id)])

    expect([first, second]).toEqual([1, 0])
    expect(await heardBy(name)).toHaveLength(2)
    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 2, 200]])
    expect(await deliveriesOf(fresh.member)).toMatchObject([
      [expect.any(String), 'pending', 0, null],
    ])
  })
})
