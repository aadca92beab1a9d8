import { typedId } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import {
  deliver,
  get,
  importLines,
  newCategory,
  productCreated,
  spansOf,
  unused,
} from './harness.ts'

async function list(category: string, query = '') {
  const { body } = await get(`/v1/categories/${category}/products${query}`)
  const items = body['items'] as readonly { readonly id: string }[]
  return { items: items.map(({ id }) => id), next: body['next'] as string | undefined }
}

describe('the inbox', () => {
  test('lists a product once that comes three times in a row and ten times at once', async () => {
    const category = await newCategory()
    const events = [productCreated(category, 'One'), productCreated(category, 'Two')]

    for (let time = 0; time < 3; time += 1) expect(await deliver(events)).toBe(200)
    await Promise.all(Array.from({ length: 10 }, () => deliver(events)))

    const { body } = await get(`/v1/categories/${category}/products`)
    expect(body).toEqual({
      items: events.toReversed().map(({ data }) => ({
        id: typedId('prd', data.product),
        title: data.title,
        priceMinor: 100,
        currency: 'EUR',
      })),
    })
  })

  test('lists products newest first, in whatever order they come', async () => {
    const category = await newCategory()
    const events = Array.from({ length: 5 }, () => productCreated(category))
    const newestFirst = events.toReversed().map(({ data }) => typedId('prd', data.product))

    for (const event of [events[3], events[0], events[4], events[1], events[2]]) {
      if (event !== undefined) await deliver([event])
    }

    expect((await list(category)).items).toEqual(newestFirst)
  })

  test('takes 100 products of 100 categories in one round trip a shard', async () => {
    const requestId = crypto.randomUUID()

    await deliver(
      Array.from({ length: 100 }, () => productCreated(unused('cat'))),
      requestId,
    )

    expect((await spansOf(requestId)).length).toBeLessThanOrEqual(2)
  })
})

describe('GET /v1/categories/{category}/products', () => {
  test('gives every product once over its pages, and no cursor on the last', async () => {
    const category = await newCategory()
    const events = Array.from({ length: 7 }, () => productCreated(category))
    await deliver(events)

    const first = await list(category, '?limit=3')
    const second = await list(category, `?limit=3&cursor=${first.next}`)
    const third = await list(category, `?limit=3&cursor=${second.next}`)

    expect([first, second, third].map(({ items }) => items.length)).toEqual([3, 3, 1])
    expect([first, second, third].flatMap(({ items }) => items)).toEqual(
      events.toReversed().map(({ data }) => typedId('prd', data.product)),
    )
    expect(third.next).toBeUndefined()
  })

  test('gives no cursor when the last page is full', async () => {
    const category = await newCategory()
    await deliver([productCreated(category), productCreated(category)])

    expect((await list(category, '?limit=2')).next).toBeUndefined()
  })

  test('costs one round trip', async () => {
    const category = await newCategory()
    const requestId = crypto.randomUUID()

    await get(`/v1/categories/${category}/products`, requestId)

    expect(await spansOf(requestId)).toHaveLength(1)
  })

  test('answers 404 for a category that is none', async () => {
    const { response, body } = await get('/v1/categories/nowhere/products')

    expect(response.status).toBe(404)
    expect(body['code']).toBe('category_not_found')
  })

  test.each([
    ['a cursor that is none', 'cursor=abc', 'invalid_cursor'],
    ['a cursor of other characters', 'cursor=%C3%A9', 'invalid_cursor'],
    ['an empty cursor', 'cursor=', 'invalid_cursor'],
    ['no rows', 'limit=0', 'invalid_request'],
    ['101 rows', 'limit=101', 'invalid_request'],
    ['a limit that is none', 'limit=many', 'invalid_request'],
  ])('refuses %s with 400', async (_what, query, code) => {
    const category = await newCategory()

    const { response, body } = await get(`/v1/categories/${category}/products?${query}`)

    expect({ status: response.status, code: body['code'] }).toEqual({ status: 400, code })
  })
})

describe('GET /v1/categories/{category}', () => {
  test('answers the category with its path, in one round trip', async () => {
    const [root, key] = [unused('root'), unused('cat')]
    const path = [
      { key: root, name: 'Electronics' },
      { key, name: 'Lamps & light' },
    ]
    await importLines('categories', [{ key, name: 'Lamps & light', path }])
    const requestId = crypto.randomUUID()

    const { body } = await get(`/v1/categories/${key}`, requestId)

    expect(body).toEqual({ key, name: 'Lamps & light', path })
    expect(await spansOf(requestId)).toHaveLength(1)
  })

  test('answers 404 for a category that is none', async () => {
    const { response, body } = await get('/v1/categories/nowhere')

    expect(response.status).toBe(404)
    expect(body['code']).toBe('category_not_found')
  })
})
