import { describe, expect, inject, test, vi } from 'vitest'

import {
  confirmed,
  countsOf,
  deliver,
  drain,
  get,
  type KindName,
  send,
  read,
  redisTripsOf,
  report,
  roundTripsOf,
  spoil,
  subject,
  typed,
  waiting,
} from './harness.ts'

const day = 86_400_000

function view(kind: KindName, id: string, more: object = {}) {
  return { kind, subject: typed(kind, id), ...more }
}

/** Drains until `check` holds: the flush of an earlier request may still be on its way. */
function drained(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(
    async () => {
      await drain()
      await check()
    },
    { timeout: 20_000, interval: 200 },
  )
}

describe('POST /v1/events', () => {
  test('counts views and shares of every kind, exactly', async () => {
    const [member, product, one] = [subject(), subject(), subject()]
    const views = Array.from({ length: 120 }, () => view('post', one))

    expect(await report(...views, view('post', one, { metric: 'shares', by: 3 }))).toEqual({
      status: 202,
      accepted: 121,
    })
    await report(view('member', member), view('product', product, { by: 7 }))

    await drained(async () => {
      expect(await countsOf('post', one)).toEqual({ views: 120, shares: 3 })
      expect(await countsOf('member', member)).toEqual({ views: 1 })
      expect(await countsOf('product', product)).toEqual({ views: 7 })
    })
  })

  test('shows what was reported beside what events raised', async () => {
    const [buyer, product] = [subject(), subject()]
    await deliver([confirmed(buyer, [{ product, quantity: 2 }])])
    await report(view('product', product))

    await drained(async () =>
      expect(await countsOf('product', product)).toEqual({ sold: 2, orders: 1, views: 1 }),
    )
  })

  test('goes neither to a database nor to Redis before it answers', async () => {
    const requestId = crypto.randomUUID()
    const body = { events: [view('post', subject())] }

    const response = await send('/v1/events', body, { 'x-request-id': requestId })
    await response.body?.cancel()

    expect(response.status).toBe(202)
    expect([await roundTripsOf(requestId), await redisTripsOf(requestId)]).toEqual([0, 0])
  })

  test('counts a flush once whose reply Redis lost and that is sent again', async () => {
    const one = subject()
    await spoil({ action: 'drop-reply', times: 1, match: { contains: 'XADD' } }, 'redis')
    await report(view('post', one, { by: 5 }))

    await drained(async () => expect(await countsOf('post', one)).toEqual({ views: 5 }))
    // Whatever is still on its way changes nothing.
    await report(view('post', subject()))
    await drain()
    expect(await countsOf('post', one)).toEqual({ views: 5 })
  })

  test('counts each viewer once a day', async () => {
    const one = subject()
    const viewers = ['ann', 'bob', 'ann', 'cleo', 'bob']
    await report(...viewers.map((viewer) => view('post', one, { viewer })))

    await drained(async () => {
      const path = `/v1/stats/post/${typed('post', one)}/viewers`
      expect(await read(path)).toMatchObject({ viewers: 3, standardError: 0, staleMsMax: 65_000 })
      expect(await countsOf('post', one)).toEqual({ views: 5 })
    })
  })

  test.each([
    ['an unknown metric', { metric: 'likes' }],
    ['none', { by: 0 }],
    ['less than nothing', { by: -1 }],
    ['part of one', { by: 0.5 }],
    ['too many', { by: 1_001 }],
    ['another kind', { kind: 'order' }],
    ['a kind with the id of another', { kind: 'product' }],
    ['a viewer without a name', { viewer: '' }],
  ])('refuses %s with 400, and counts nothing of the batch', async (_what, wrong) => {
    const one = subject()
    const good = view('post', one)

    const response = await send('/v1/events', { events: [good, { ...good, ...wrong }] })
    await response.body?.cancel()
    await drain()

    expect(response.status).toBe(400)
    expect(await countsOf('post', one)).toEqual({})
  })

  test('refuses an empty batch and one of more than 500', async () => {
    const many = Array.from({ length: 501 }, () => view('post', subject()))
    const answers = await Promise.all([[], many].map((events) => send('/v1/events', { events })))

    expect(answers.map(({ status }) => status)).toEqual([400, 400])
  })
})

describe('the drain', () => {
  test('begins by a message that says nothing, and two at once count once', async () => {
    const one = subject()
    await report(view('post', one, { by: 2 }))

    await vi.waitFor(
      async () => {
        const statuses = await Promise.all([deliver([waiting()]), deliver([waiting()])])
        expect(statuses).toEqual([200, 200])
        expect(await countsOf('post', one)).toEqual({ views: 2 })
      },
      { timeout: 20_000, interval: 200 },
    )
  })

  test('is for operators', async () => {
    const none = await send('/v1/stats/drain', undefined)

    expect(none.status).toBe(401)
    expect(await drain()).toMatchObject({ dead: 0, hasMore: false })
    expect(inject('stoaEnv')['COUNTING_LOGS']?.split(' ')).toHaveLength(4)
  })
})

describe('what is read', () => {
  test('says how fresh and how exact it is', async () => {
    const before = Date.now()
    const one = subject()

    const answer = await read<{ asOf: string }>(`/v1/stats/post/${typed('post', one)}`)

    expect(answer).toMatchObject({ counts: {}, staleMsMax: 65_000, errorMax: 0, saturated: [] })
    expect(Math.abs(Date.parse(answer.asOf) - before)).toBeLessThan(10_000)
  })

  test('comes for many subjects at once, in their order', async () => {
    const [one, other, third] = [subject(), subject(), subject()]
    await deliver([confirmed(subject(), [{ product: third, quantity: 4 }])])
    await report(view('product', other, { by: 2 }))

    await drained(async () => {
      const subjects = [one, other, third].map((id) => typed('product', id))
      const { items } = await read<{ items: { subject: string; counts: unknown }[] }>(
        `/v1/stats/product?subjects=${subjects.join()}`,
      )
      expect(items.map((item) => item.subject)).toEqual(subjects)
      expect(items.map((item) => item.counts)).toEqual([{}, { views: 2 }, { sold: 4, orders: 1 }])
    })
  })

  test('lists the most viewed, none below its count', async () => {
    const [first, second] = [subject(), subject()]
    await report(
      ...Array.from({ length: 2 }, () => view('member', first, { by: 1_000 })),
      view('member', second, { by: 999 }),
    )

    await drained(async () => {
      const { items } = await read<{ items: unknown[] }>('/v1/leaders/member?limit=2')
      expect(items).toEqual([
        { subject: typed('member', first), views: 2_000, errorMax: 0 },
        { subject: typed('member', second), views: 999, errorMax: 0 },
      ])
    })
  })

  test('shows views by day, with the days of which there is nothing', async () => {
    const one = subject()
    await report(view('post', one, { by: 6 }))

    await drained(async () => {
      const path = `/v1/stats/post/${typed('post', one)}/series?points=3`
      const { points } = await read<{ points: { start: string; views: number }[] }>(path)
      expect(points.map(({ views }) => views)).toEqual([0, 0, 6])
      const starts = points.map(({ start }) => Date.parse(start))
      expect(starts.map((start) => start % day)).toEqual([0, 0, 0])
    })
  })

  test.each([
    `stats/product?subjects=${typed('post', subject())}`,
    'stats/product?subjects=',
    'stats/product',
    'leaders/order',
    'leaders/post?days=32',
    `stats/post/${typed('post', subject())}/series?width=week`,
  ])('refuses %s with 400', async (path) => {
    const response = await get(`/v1/${path}`)
    await response.body?.cancel()

    expect(response.status).toBe(400)
  })
})
