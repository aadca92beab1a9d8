import { describe, expect, test } from 'vitest'

import { ask, cancellationOf, confirmed, deliver, newId, told } from './harness.ts'

type Item = { readonly id: string; readonly order: string; readonly isRead: boolean }

async function listOf(member: string, query = '') {
  const { body, response } = await ask(member, `/v1/notifications${query}`)
  return { status: response.status, items: body['items'] as Item[], next: body['next'] }
}

async function unreadOf(member: string) {
  return (await ask(member, '/v1/notifications/unread')).body
}

function read(member: string, id: string | undefined, older = false) {
  const query = older ? '?older=true' : ''
  return ask(member, `/v1/notifications/${id ?? ''}/read${query}`, { method: 'PUT' })
}

/** A member who has bought `count` times. */
async function buyer(count: number): Promise<string> {
  const member = newId()
  for (let n = 0; n < count; n += 1) {
    const event = confirmed(newId())
    await deliver([{ ...event, data: { ...event.data, buyer: member } }])
  }
  return member
}

describe('a buyer', () => {
  test('is told of each order, once however often its event comes', async () => {
    const [member, order, lost] = [newId(), newId(), newId()]
    const event = confirmed(newId())
    const good = { ...event, data: { ...event.data, buyer: member, order } }
    const bad = told('order.rejected', {
      order: lost,
      buyer: member,
      sellers: [member],
      missing: [],
    })

    await Promise.all([deliver([good]), deliver([good, bad]), deliver([bad])])

    const { items } = await listOf(member)
    expect(new Set(items.map((item) => item.order))).toEqual(
      new Set([`ord_${order}`, `ord_${lost}`]),
    )
    expect(items).toHaveLength(2)
    expect(items.every(({ isRead }) => !isRead)).toBe(true)
    expect(await unreadOf(member)).toEqual({ count: 2, isMore: false })
  })

  test('is told of an order once more when it is cancelled', async () => {
    const event = confirmed(newId())
    const { buyer: member, order } = event.data

    await deliver([event])
    await deliver([cancellationOf(event)])

    const { items } = await listOf(member)
    expect(items).toMatchObject([
      { type: 'order.cancelled', order: `ord_${order}` },
      { type: 'order.confirmed', order: `ord_${order}` },
    ])
  })

  test('pages through the newest first', async () => {
    const member = await buyer(5)

    const first = await listOf(member, '?limit=3')
    const second = await listOf(member, `?limit=3&cursor=${String(first.next)}`)

    const ids = [...first.items, ...second.items].map(({ id }) => id)
    expect(ids).toEqual(ids.toSorted().toReversed())
    expect(new Set(ids).size).toBe(5)
    expect(second.next).toBeUndefined()
  })

  test('marks one as read, or one and all before it, as often as it likes', async () => {
    const member = await buyer(4)
    const { items } = await listOf(member)
    const [newest, second, third] = items.map(({ id }) => id)

    const { response } = await read(member, newest)
    await read(member, newest)
    expect([response.status, await unreadOf(member)]).toEqual([204, { count: 3, isMore: false }])
    await read(member, third, true)

    const isRead = (await listOf(member)).items.map((each) => each.isRead)
    expect(isRead).toEqual([true, false, true, true])
    await read(member, second, true)
    expect(await unreadOf(member)).toEqual({ count: 0, isMore: false })
  })

  test('sees nothing of others, and marks nothing of theirs', async () => {
    const [member, other] = [await buyer(1), await buyer(1)]
    const [theirs] = (await listOf(other)).items

    const foreign = await read(member, theirs?.id, true)

    expect([foreign.response.status, foreign.body['code']]).toEqual([404, 'notification_not_found'])
    expect(await unreadOf(other)).toEqual({ count: 1, isMore: false })
    expect(await unreadOf(member)).toEqual({ count: 1, isMore: false })
  })

  test.each(['?limit=0', '?limit=101', '?cursor=!'])('is refused %s with 400', async (query) => {
    expect((await listOf(newId(), query)).status).toBe(400)
  })
})
