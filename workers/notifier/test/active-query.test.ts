import { describe, expect, test } from 'vitest'

import { replayChunk } from '../src/domain/replay.ts'
import {
  ask,
  confirmed,
  deliver,
  deliveriesOf,
  due,
  dueOf,
  eventsAsked,
  heardBy,
  letTimePass,
  merchant,
  newId,
  planned,
  told,
} from './harness.ts'
import { openWorld, waitingAlarms } from './world.ts'

type Item = {
  readonly seq: number
  readonly type: string
  readonly timestamp: string
  readonly data: { readonly order: string; readonly seller: string }
}

async function eventsAfter(member: string, after: number, more = '') {
  const { body, response } = await ask(member, `/v1/events?after=${after}${more}`)
  return { status: response.status, items: body['items'] as Item[], latest: body['latest'] }
}

/** All that a merchant may ask for, page after page. */
async function sweep(member: string): Promise<readonly Item[]> {
  const all: Item[] = []
  for (;;) {
    const { items, latest } = await eventsAfter(member, all.at(-1)?.seq ?? 0, '&limit=7')
    all.push(...items)
    if (items.length === 0 || items.at(-1)?.seq === latest) return all
  }
}

describe('GET /v1/events', () => {
  test('has what a merchant missed: one who drops every webhook is equal after one sweep', async () => {
    const listening = await merchant('200')
    const dropping = await merchant('500')
    const orders = Array.from({ length: 15 }, () => confirmed(listening.member, dropping.member))
    for (const event of orders) await deliver([event, event])

    for (const { member } of [listening, dropping]) {
      for (const id of await dueOf(member)) await deliver([due(id)])
    }

    const known = (await heardBy(listening.name)).map(
      ({ body }) => (JSON.parse(body) as { data: { order: string } }).data.order,
    )
    expect(new Set(known).size).toBe(15)
    const swept = await sweep(dropping.member)
    expect(swept.map(({ data }) => data.order).toSorted()).toEqual(known.toSorted())
    expect(swept.map(({ seq }) => seq)).toEqual(orders.map((_, index) => index + 1))
    expect(swept.every(({ data }) => data.seller === `usr_${dropping.member}`)).toBe(true)
  })

  test('has what a merchant without any endpoint has sold', async () => {
    const member = newId()
    const event = confirmed(member)

    await deliver([event])

    const { items, latest } = await eventsAfter(member, 0)
    expect(items).toMatchObject([{ seq: 1, type: 'order.confirmed' }])
    expect(items[0]?.data.order).toBe(`ord_${event.data.order}`)
    expect(latest).toBe(1)
  })

  test('shows no number before all that are smaller, while many commit at the same time', async () => {
    const member = newId()
    const events = Array.from({ length: 60 }, () => confirmed(member))
    let writing = true
    const seen: number[] = []
    const read = async () => {
      for (;;) {
        const isLast = !writing
        const { items } = await eventsAfter(member, seen.at(-1) ?? 0)
        seen.push(...items.map(({ seq }) => seq))
        if (isLast && items.length === 0) return
      }
    }
    const reading = read()

    await Promise.all(events.map((event) => deliver([event])))
    writing = false
    await reading

    expect(seen).toEqual(events.map((_, index) => index + 1))
  })

  test('gives a number again to nobody when its event comes twice or its batch fails', async () => {
    const member = newId()
    const event = confirmed(member)

    await Promise.all(Array.from({ length: 8 }, () => deliver([event])))
    await deliver([confirmed(member)])

    expect((await sweep(member)).map(({ seq }) => seq)).toEqual([1, 2])
  })

  test('begins at a time when it is asked to', async () => {
    const member = newId()
    const [old, young] = [confirmed(member), confirmed(member)]
    await deliver([{ ...old, at: Date.parse('2026-01-01T00:00:00Z') }])
    await deliver([{ ...young, at: Date.parse('2026-03-01T00:00:00Z') }])

    const since = async (time: string) =>
      (await eventsAfter(member, 0, `&since=${time}`)).items.map(({ seq }) => seq)

    expect(await since('2025-01-01T00:00:00Z')).toEqual([1, 2])
    expect(await since('2026-02-01T00:00:00Z')).toEqual([2])
    expect(await since('2026-04-01T00:00:00Z')).toEqual([])
  })

  test('shows a member nothing of others, and one page of at most a hundred', async () => {
    const [member, other] = [newId(), newId()]
    await deliver([confirmed(member, other), confirmed(member)])

    expect((await eventsAfter(other, 0)).items).toHaveLength(1)
    expect((await eventsAfter(newId(), 0)).latest).toBe(0)
    expect((await eventsAfter(member, 0, '&limit=1')).items).toHaveLength(1)
  })

  test.each(['after=-1', 'after=1.5', 'after=x', 'limit=0', 'limit=101', 'since=yesterday'])(
    'refuses %s with 400',
    async (query) => {
      const { response } = await ask(newId(), `/v1/events?${query}`)

      expect(response.status).toBe(400)
    },
  )
})

describe('POST /v1/webhook-deliveries/{delivery}/resends', () => {
  const resend = (member: string, delivery: string, key: string = crypto.randomUUID()) =>
    ask(member, `/v1/webhook-deliveries/whd_${delivery}/resends`, { method: 'POST', key })

  test('begins a whole round anew, once for a key', async () => {
    const { member, name } = await merchant('500')
    const id = await planned(member)
    const world = openWorld(() => 500)
    await world.attempt(id)
    for (let n = 0; n < 18; n += 1) {
      await letTimePass(member)
      await world.attempt(id)
    }
    expect(await deliveriesOf(member)).toEqual([[id, 'failed', 19, 500]])

    const first = await resend(member, id, 'k')
    const again = await resend(member, id, 'k')
    await deliver([due(id)])

    expect([first.response.status, again.response.status]).toEqual([201, 201])
    expect(again.response.headers.get('idempotency-replayed')).toBe('true')
    expect(await heardBy(name)).toHaveLength(1)
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 20, 500]])
  })

  test('sends what was delivered once more', async () => {
    const { member, name } = await merchant('200')
    const id = await planned(member)
    await deliver([due(id)])

    await resend(member, id)
    await deliver([due(id)])

    expect(await heardBy(name)).toHaveLength(2)
    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 2, 200]])
  })

  test('takes the place of the alarm that waits, so that no sweep waits for that', async () => {
    const { member } = await merchant('500')
    const id = await planned(member)
    const world = openWorld(() => ({ status: 503, retryAfter: '86400' }))
    await world.attempt(id)
    const [late = 0] = await waitingAlarms(id)

    await resend(member, id)

    const [waiting = 0, ...more] = await waitingAlarms(id)
    expect(more).toEqual([])
    expect(waiting).toBeLessThan(late - 80_000_000)
  })

  test('lets a suspended endpoint be tried at once', async () => {
    const { member } = await merchant('500')
    const [one, two] = [await planned(member), await planned(member)]
    const world = openWorld((_webhook, nth) => (nth < 3 ? 500 : 200))
    await world.attempt(one)
    world.clock.advance(5 * 24 * 3_600_000 + 1_000)
    await world.attempt(one)
    await world.attempt(two)
    expect(world.calls).toHaveLength(2)

    await resend(member, two)
    await world.attempt(two)

    expect(world.calls).toHaveLength(3)
  })

  test("is 404 for another member's, and 409 where the endpoint is gone", async () => {
    const { member } = await merchant('410')
    const id = await planned(member)
    await deliver([due(id)])

    const foreign = await resend(newId(), id)
    const gone = await resend(member, id)

    expect([foreign.response.status, foreign.body['code']]).toEqual([404, 'delivery_not_found'])
    expect([gone.response.status, gone.body['code']]).toEqual([409, 'webhook_endpoint_gone'])
  })
})

describe('POST /v1/webhook-endpoints/{endpoint}/replays', () => {
  const replay = async (member: string, endpoint: string, body: object) => {
    const answer = await ask(member, `/v1/webhook-endpoints/${endpoint}/replays`, { body })
    // The event in the outbox, and those of later chunks, come to the inbox.
    for (let chunk = 0; chunk < 10; chunk += 1) {
      const events = await eventsAsked(endpoint)
      if (events.length === 0) break
      await deliver(events)
      await deliver(events)
    }
    return answer
  }
  const since = '2026-01-01T00:00:00Z'

  test('sends what failed or was never planned, and leaves alone what arrived', async () => {
    const member = newId()
    await deliver([confirmed(member), told('order.rejected', { ...rejectedOf(member) })])
    const { name, endpoint } = await merchant('200', ['order.confirmed'], {}, member)
    const [arrived, failed] = [await planned(member), await planned(member)]
    await deliver([due(arrived)])
    const world = openWorld(() => 500)
    for (let n = 0; n < 19; n += 1) {
      await letTimePass(member)
      await world.attempt(failed)
    }

    const { response } = await replay(member, endpoint, { since })

    expect(response.status).toBe(201)
    const states = (await deliveriesOf(member)).map(([id, state]) => [id, state])
    expect(states).toHaveLength(3)
    expect(states).toContainEqual([arrived, 'delivered'])
    expect(states).toContainEqual([failed, 'pending'])
    for (const [id] of states) await deliver([due(String(id))])
    expect(await heardBy(name)).toHaveLength(3)
  })

  test('sends all since a time when all are asked for, chunk by chunk, each once', async () => {
    const { member, name, endpoint } = await merchant('200')
    const events = Array.from({ length: replayChunk + 7 }, () => confirmed(member))
    for (let n = 0; n < events.length; n += 20) await deliver(events.slice(n, n + 20))
    const sent = await deliveriesOf(member)
    const ids = sent.map(([id]) => String(id))
    await Promise.all(
      ids.map((id) =>
        ask(member, `/v1/webhook-deliveries/whd_${id}/acknowledgement`, { method: 'PUT' }),
      ),
    )

    await replay(member, endpoint, { since, all: true })

    expect((await deliveriesOf(member)).map(([, state]) => state)).toEqual(ids.map(() => 'pending'))
    await deliver(ids.slice(0, 3).map(due))
    expect(await heardBy(name)).toHaveLength(3)
  })

  test('sends nothing of before its time', async () => {
    const member = newId()
    await deliver([{ ...confirmed(member), at: Date.parse('2025-12-31T23:59:59Z') }])
    const { endpoint } = await merchant('200', ['order.confirmed'], {}, member)

    await replay(member, endpoint, { since })

    expect(await deliveriesOf(member)).toEqual([])
  })

  test("is 404 for another member's endpoint and 400 without a time", async () => {
    const { member, endpoint } = await merchant()

    const foreign = await replay(newId(), endpoint, { since })
    const timeless = await replay(member, endpoint, {})

    expect([foreign.response.status, foreign.body['code']]).toEqual([404, 'endpoint_not_found'])
    expect(timeless.response.status).toBe(400)
  })
})

function rejectedOf(member: string) {
  return { order: newId(), buyer: newId(), sellers: [member], missing: [newId()] }
}
