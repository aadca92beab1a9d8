import { describe, expect, test } from 'vitest'

import { attemptsMax } from '../src/domain/schedule.ts'
import { signedHeaders } from '../src/domain/sign.ts'
import {
  cancellationOf,
  confirmed,
  deliver,
  deliveriesOf,
  due,
  dueOf,
  endLeases,
  heardBy,
  letTimePass,
  listDeliveries,
  merchant,
  newId,
  planned,
  roundTripsOf,
  spoil,
  told,
} from './harness.ts'

describe('order events', () => {
  test('make one delivery for each endpoint that wants the type, with an event that asks for it', async () => {
    const wanting = await merchant('200', ['order.confirmed'])
    const other = await merchant('200', ['order.rejected'])
    const event = confirmed(wanting.member, other.member, newId())

    const { status } = await deliver([event])

    expect(status).toBe(200)
    const rows = await deliveriesOf(wanting.member)
    expect(rows).toEqual([[rows[0]?.[0], 'pending', 0, null]])
    expect(await dueOf(wanting.member)).toEqual([rows[0]?.[0]])
    expect(await deliveriesOf(other.member)).toEqual([])
  })

  test('of a cancelled order reach whoever wants to hear of it, once', async () => {
    const both = await merchant('200', ['order.confirmed', 'order.cancelled'])
    const other = await merchant('200', ['order.confirmed'])
    const event = confirmed(both.member, other.member)
    const back = cancellationOf(event)

    await deliver([event, back])
    await deliver([back])

    expect(await deliveriesOf(both.member)).toHaveLength(2)
    expect(await deliveriesOf(other.member)).toHaveLength(1)
  })

  test('make it once when they come twice, also in one delivery and at the same time', async () => {
    const { member } = await merchant()
    const event = confirmed(member)

    await deliver([event, event])
    await Promise.all([deliver([event]), deliver([event, confirmed(member)])])

    expect(await deliveriesOf(member)).toHaveLength(2)
    expect(await dueOf(member)).toHaveLength(2)
  })

  test('make it once when the reply of the database is lost', async () => {
    const { member } = await merchant()
    const requestId = crypto.randomUUID()
    await spoil({ action: 'drop-reply', match: { requestId, contains: 'INSERT INTO inbox' } })

    const { status } = await deliver([confirmed(member)], requestId)

    expect(status).toBe(200)
    expect(await deliveriesOf(member)).toHaveLength(1)
  })

  test('of many sellers reach each of them, whatever shard they are in', async () => {
    const merchants = await Promise.all(Array.from({ length: 8 }, () => merchant()))

    await deliver([confirmed(...merchants.map(({ member }) => member))])

    for (const { member } of merchants) expect(await deliveriesOf(member)).toHaveLength(1)
  })

  test('cost the look, and one write for each shard of its sellers and its buyer', async () => {
    const requestId = crypto.randomUUID()

    await deliver([confirmed(newId())], requestId)

    expect(await roundTripsOf(requestId)).toBeLessThanOrEqual(3)
  })
})

describe('delivery.due', () => {
  test('posts the payload, signed, and the delivery is delivered', async () => {
    const { member, name, endpoint, secret } = await merchant()
    const event = confirmed(member)
    await deliver([event])
    const [id = ''] = await dueOf(member)

    const { status } = await deliver([due(id)])

    expect(status).toBe(200)
    const [request, ...more] = await heardBy(name)
    expect(more).toEqual([])
    const { order, buyer, lines } = event.data
    expect(JSON.parse(request?.body ?? '')).toEqual({
      type: 'order.confirmed',
      timestamp: new Date(event.at).toISOString(),
      data: {
        order: `ord_${order}`,
        buyer: `usr_${buyer}`,
        seller: `usr_${member}`,
        lines: [{ product: `prd_${lines[0]?.product ?? ''}`, quantity: 2 }],
        totalMinor: 500,
        currency: 'EUR',
      },
    })
    const seconds = Number(request?.headers['webhook-timestamp'])
    expect(Math.abs(Date.now() / 1_000 - seconds)).toBeLessThan(60)
    const signed = { id: `whd_${id}`, seconds, body: request?.body ?? '' }
    expect(request?.headers).toMatchObject(await signedHeaders(signed, [secret]))
    expect(request?.headers['content-type']).toBe('application/json')
    const { body } = await listDeliveries(member, endpoint)
    expect(body['items']).toMatchObject([
      { id: `whd_${id}`, state: 'delivered', attempts: 1, lastStatus: 200 },
    ])
  })

  test('does not call again for a delivery that is delivered, and costs one look', async () => {
    const { member, name } = await merchant()
    const id = await planned(member)
    await deliver([due(id)])
    const requestId = crypto.randomUUID()

    const { status } = await deliver([due(id)], requestId)

    expect(status).toBe(200)
    expect(await heardBy(name)).toHaveLength(1)
    expect(await roundTripsOf(requestId)).toBe(1)
  })

  test('sends the same id and the same bytes in every attempt', async () => {
    const { member, name } = await merchant('500,lost,200')
    const id = await planned(member)

    for (let n = 0; n < 4; n += 1) {
      expect(await deliver([due(id)])).toEqual({ status: 200, retryAfter: null })
      await letTimePass(member)
    }

    const heard = await heardBy(name)
    expect(heard).toHaveLength(3)
    expect(new Set(heard.map(({ body }) => body)).size).toBe(1)
    expect(new Set(heard.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 3, 200]])
  })

  test('makes no attempt before its time', async () => {
    const { member, name } = await merchant('500')
    const id = await planned(member)

    for (let n = 0; n < 3; n += 1) await deliver([due(id)])

    expect(await heardBy(name)).toHaveLength(1)
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 1, 500]])
  })

  test('gives up after nineteen failures, and then answers the queue with success', async () => {
    const { member, name } = await merchant('500')
    const id = await planned(member)

    for (let n = 0; n < attemptsMax + 2; n += 1) {
      expect((await deliver([due(id)])).status).toBe(200)
      await letTimePass(member)
    }

    expect(await heardBy(name)).toHaveLength(attemptsMax)
    expect(await deliveriesOf(member)).toEqual([[id, 'failed', attemptsMax, 500]])
  })

  test('writes down no status when no answer came', async () => {
    const { member } = await merchant('lost')
    const id = await planned(member)

    await deliver([due(id)])

    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 1, null]])
  })

  test('follows no redirect', async () => {
    const { member, name } = await merchant('302')
    const id = await planned(member)

    await deliver([due(id)])

    expect(await heardBy(`${name}-elsewhere`)).toEqual([])
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 1, 302]])
  })

  test('fails at once on 410, and the endpoint is told nothing more', async () => {
    const { member, name } = await merchant('410')
    const [id, other] = [await planned(member), await planned(member)]

    const statuses = [await deliver([due(id)]), await deliver([due(other)])]
    await deliver([confirmed(member)])

    expect(statuses.map(({ status }) => status)).toEqual([200, 200])
    expect(await heardBy(name)).toHaveLength(1)
    expect(await deliveriesOf(member)).toEqual([
      [id, 'failed', 1, 410],
      [other, 'failed', 0, null],
    ])
  })

  test('does not keep others from theirs when one fails', async () => {
    const [bad, good] = [await merchant('500'), await merchant('200')]
    const ids = [await planned(bad.member), await planned(good.member)]
    const later = await merchant()

    const { status } = await deliver([...ids.map(due), confirmed(later.member)])

    expect(status).toBe(200)
    expect(await heardBy(good.name)).toHaveLength(1)
    expect(await deliveriesOf(good.member)).toMatchObject([[ids[1], 'delivered', 1, 200]])
    expect(await deliveriesOf(later.member)).toHaveLength(1)
  })

  test('calls twice when the row that says so is lost, and is delivered in the end', async () => {
    const { member, name } = await merchant()
    const id = await planned(member)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'INSERT INTO attempt' }
    await spoil({ action: 'drop-request', match, times: 2 })

    const first = await deliver([due(id)], requestId)
    const held = await deliver([due(id)])
    await endLeases(member)
    const last = await deliver([due(id)])

    expect([first.status, held.status, last.status]).toEqual([503, 503, 200])
    const heard = await heardBy(name)
    expect(heard.map(({ headers }) => headers['webhook-id'])).toEqual([`whd_${id}`, `whd_${id}`])
    expect(await deliveriesOf(member)).toMatchObject([[id, 'delivered', 1, 200]])
  })

  test.each(['lease_until = ? WHERE id IN', 'INSERT INTO attempt'])(
    'calls once when only the reply about a row is lost (%s)',
    async (contains) => {
      const { member, name } = await merchant()
      const id = await planned(member)
      const requestId = crypto.randomUUID()
      await spoil({ action: 'drop-reply', match: { requestId, contains } })

      await deliver([due(id)], requestId)
      await deliver([due(id)])

      expect(await heardBy(name)).toHaveLength(1)
      expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 1, 200]])
    },
  )

  test('passes over a delivery that is not there', async () => {
    expect((await deliver([due(newId())])).status).toBe(200)
  })

  test('takes events of other types for nothing', async () => {
    const event = told('member.followed', { follower: newId(), followee: newId() })

    expect((await deliver([event])).status).toBe(200)
  })
})
