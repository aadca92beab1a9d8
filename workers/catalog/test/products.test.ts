import { typedId } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import {
  countOver,
  create,
  deliver,
  draftOf,
  get,
  ids,
  importLines,
  importToken,
  newCategory,
  outcomesOf,
  post,
  productCreated,
  seller,
  spansOf,
  spoil,
  unused,
} from './harness.ts'

const productsOfSku = 'SELECT count(*) FROM product WHERE sku = ?'

describe('POST /v1/products', () => {
  test('makes a product of its seller, who finds it by id and by sku', async () => {
    const draft = draftOf(await newCategory())

    const { response, body } = await create({ ...draft, stock: 12 })

    expect(response.status).toBe(201)
    expect(body).toEqual({
      ...draft,
      id: expect.stringMatching(/^prd_/) as string,
      seller: typedId('usr', seller),
      createdAt: expect.any(String) as string,
    })
    const page = await get(`/v1/products/${String(body['id'])}`)
    expect(page.body).toEqual({ ...body, available: 5, sold: 3 })
    expect((await get(`/v1/skus/${draft.sku}`)).body).toEqual(body)
  })

  test('tells of the product with its first stock', async () => {
    const draft = draftOf(await newCategory())

    const { body } = await create({ ...draft, stock: 12 })

    const told = "SELECT count(*) FROM outbox WHERE type = 'product.created' AND seq = 1"
    const id = String(body['id']).slice(4)
    expect(await countOver(`${told} AND okey = ? AND payload ->> 'stock' = 12`, id)).toBe(1)
  })

  test('answers a repeat of the same request with the same product', async () => {
    const draft = draftOf(await newCategory())
    const key = { 'idempotency-key': crypto.randomUUID() }

    const first = await create(draft, key)
    const second = await create(draft, key)

    expect(second.response.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
    expect(await countOver(productsOfSku, draft.sku)).toBe(1)
  })

  test('makes one product of five equal requests at once', async () => {
    const draft = draftOf(await newCategory())
    const key = { 'idempotency-key': crypto.randomUUID() }

    const answers = await Promise.all(Array.from({ length: 5 }, () => create(draft, key)))

    expect(answers.map(({ response }) => response.status)).toEqual([201, 201, 201, 201, 201])
    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1)
    expect(await countOver(productsOfSku, draft.sku)).toBe(1)
  })

  test.each([
    ['the claim of the sku', 'INSERT INTO lookup', 1],
    ['the product', 'INSERT INTO idempotency', 1],
    ['the product and of its second try', 'INSERT INTO idempotency', 2],
  ])(
    'makes one product when the reply to %s is lost after the commit',
    async (_w, contains, times) => {
      const draft = draftOf(await newCategory())
      const key = { 'idempotency-key': crypto.randomUUID() }
      const requestId = crypto.randomUUID()
      await spoil({ action: 'drop-reply', times, match: { requestId, contains } })

      const first = await create(draft, { ...key, 'x-request-id': requestId })
      const again = await create(draft, key)

      expect([201, 503]).toContain(first.response.status)
      expect(again.response.status).toBe(201)
      expect((await get(`/v1/skus/${draft.sku}`)).body).toEqual(again.body)
      expect(await countOver(productsOfSku, draft.sku)).toBe(1)
      expect(
        await countOver(
          'SELECT count(*) FROM outbox WHERE okey = ?',
          String(again.body['id']).slice(4),
        ),
      ).toBe(1)
    },
  )

  test('refuses the same key for another request with 422', async () => {
    const draft = draftOf(await newCategory())
    const key = { 'idempotency-key': crypto.randomUUID() }
    await create(draft, key)

    const { response, body } = await create({ ...draft, title: 'Another lamp' }, key)

    expect(response.status).toBe(422)
    expect(body['code']).toBe('idempotency_key_reused')
  })

  test('gives a sku raced by ten requests to exactly one of them', async () => {
    const draft = draftOf(await newCategory())

    const answers = await Promise.all(Array.from({ length: 10 }, () => create(draft)))

    const statuses = answers.map(({ response }) => response.status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([201, ...Array.from({ length: 9 }, () => 409)])
    expect(new Set(answers.flatMap(({ body }) => body['code'] ?? []))).toEqual(
      new Set(['sku_taken']),
    )
    expect(await countOver(productsOfSku, draft.sku)).toBe(1)
  })

  test('costs three round trips in a row: category, sku, product', async () => {
    const draft = draftOf(await newCategory())
    const requestId = crypto.randomUUID()

    const { response } = await create(draft, { 'x-request-id': requestId })

    expect(response.status).toBe(201)
    // The confirmation of the sku goes after the answer, and may or may not have arrived.
    expect((await spansOf(requestId)).length).toBeLessThanOrEqual(4)
  })

  test.each([
    {
      what: 'no key',
      headers: { 'idempotency-key': '' },
      status: 400,
      code: 'idempotency_key_invalid',
    },
    { what: 'no session', headers: { authorization: '' }, status: 401, code: 'token_missing' },
    {
      what: 'a session that ended',
      headers: { authorization: 'Bearer old' },
      status: 401,
      code: 'session_ended',
    },
    {
      what: 'the importer',
      headers: { authorization: `Bearer ${importToken}` },
      status: 403,
      code: 'not_allowed',
    },
    {
      what: 'a category that is none',
      change: { category: 'nowhere' },
      status: 404,
      code: 'category_not_found',
    },
    {
      what: 'a currency that is none',
      change: { currency: 'QQQ' },
      status: 400,
      code: 'unknown_currency',
    },
    {
      what: 'a currency in small letters',
      change: { currency: 'eur' },
      status: 400,
      code: 'invalid_request',
    },
    { what: 'a negative price', change: { priceMinor: -1 }, status: 400, code: 'invalid_request' },
    { what: 'half a cent', change: { priceMinor: 0.5 }, status: 400, code: 'invalid_request' },
    { what: 'a sku with a space', change: { sku: 'a b' }, status: 400, code: 'invalid_request' },
    { what: 'negative stock', change: { stock: -1 }, status: 400, code: 'invalid_request' },
  ])('refuses $what and writes nothing', async ({ change, headers, status, code }) => {
    const draft = { ...draftOf(await newCategory()), ...change }

    const { response, body } = await create(draft, headers)

    expect({ status: response.status, code: body['code'] }).toEqual({ status, code })
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await countOver(productsOfSku, draft.sku)).toBe(0)
    expect(await countOver('SELECT count(*) FROM lookup WHERE text = ?', draft.sku)).toBe(0)
  })
})

describe('GET /v1/products/{product}', () => {
  async function page(requestId: string) {
    const { body } = await create(draftOf(await newCategory()))
    const read = await get(`/v1/products/${String(body['id'])}`, requestId)
    expect(read.response.status).toBe(200)
    return { available: read.body['available'], sold: read.body['sold'] }
  }

  test('says null for the stock when the warehouse fails, and still the rest', async () => {
    expect(await page(unused('warehouse-down'))).toEqual({ available: null, sold: 3 })
  })

  test('says null for the stock when the warehouse has not heard of the product', async () => {
    expect(await page(unused('warehouse-new'))).toEqual({ available: null, sold: 3 })
  })

  test('says null for the sold when stats fails, and still the rest', async () => {
    expect(await page(unused('stats-down'))).toEqual({ available: 5, sold: null })
  })

  test('says 0 for the sold when nothing was counted', async () => {
    expect(await page(unused('stats-empty'))).toEqual({ available: 5, sold: 0 })
  })

  test('costs one round trip of its own, and none again or for what has just been made', async () => {
    const line = { ...draftOf(await newCategory()), stock: 1 }
    const [{ id } = { id: '' }] = outcomesOf(await importLines('products', [line]))
    const [cold, warm, made] = [unused('cold'), unused('warm'), unused('made')]

    await get(`/v1/products/${String(id)}`, cold)
    await get(`/v1/products/${String(id)}`, warm)
    await page(made)

    expect(await spansOf(cold)).toHaveLength(1)
    expect(await spansOf(warm)).toHaveLength(0)
    expect(await spansOf(made)).toHaveLength(0)
  })

  test('finds a product that was asked for before it was there, once its event has come', async () => {
    const event = productCreated(await newCategory())
    const { product, title, category } = event.data
    const statusNow = async () =>
      (await get(`/v1/products/${typedId('prd', product)}`)).response.status

    expect(await statusNow()).toBe(404)
    // Written by a request that died before it could tell the cache.
    const insert = `INSERT INTO product (id, sku, title, description, category, price_minor, currency, version, created_at)
VALUES (?, '${unused('sku')}', '${title}', '', '${category}', 100, 'EUR', 1, 0) RETURNING 1`
    expect(await countOver(insert, product)).toBe(1)
    expect(await statusNow()).toBe(404)
    expect(await deliver([event])).toBe(200)

    expect(await statusNow()).toBe(200)
  })

  test('answers 404 for a product that is none, and 400 for an id that is none', async () => {
    const unknown = await get(`/v1/products/${typedId('prd', ids.root('none'))}`)
    const wrong = await get(`/v1/products/${typedId('usr', ids.root('none'))}`)

    expect(unknown.response.status).toBe(404)
    expect(unknown.body['code']).toBe('product_not_found')
    expect(wrong.response.status).toBe(400)
  })
})

describe('GET /v1/skus/{sku}', () => {
  test('costs two round trips', async () => {
    const draft = draftOf(await newCategory())
    await create(draft)
    const requestId = crypto.randomUUID()

    await get(`/v1/skus/${draft.sku}`, requestId)

    expect(await spansOf(requestId)).toHaveLength(2)
  })

  test('answers 404 for a sku that nobody has, and one that is only claimed', async () => {
    const draft = draftOf(await newCategory())
    const requestId = crypto.randomUUID()
    const contains = 'INSERT INTO idempotency'
    await spoil({ action: 'drop-request', times: 2, match: { requestId, contains } })
    const { response } = await create(draft, { 'x-request-id': requestId })

    expect(response.status).toBe(503)
    for (const sku of [draft.sku, unused('sku')]) {
      const found = await get(`/v1/skus/${sku}`)
      expect(found.response.status).toBe(404)
      expect(found.body['code']).toBe('product_not_found')
    }
  })
})

describe('GET /v1/offers', () => {
  test('answers the prices of those that are there, each once, in one round trip a shard', async () => {
    const category = await newCategory()
    const made = await Promise.all([create(draftOf(category)), create(draftOf(category))])
    const [one = '', other = ''] = made.map(({ body }) => String(body['id']))
    const requestId = crypto.randomUUID()

    const unknown = typedId('prd', ids.root('none'))
    const { body } = await get(`/v1/offers?products=${one},${unknown},${other},${one}`, requestId)

    const offer = { title: 'A lamp', priceMinor: 1_999, currency: 'EUR' }
    expect(body).toEqual({
      offers: [one, other].map((product) => ({
        product,
        ...offer,
        seller: typedId('usr', seller),
      })),
    })
    expect((await spansOf(requestId)).length).toBeLessThanOrEqual(2)
  })

  test.each([
    ['none', ''],
    ['101', Array.from({ length: 101 }, () => typedId('prd', ids.root('none'))).join()],
    ['one that is no id', 'prd_1'],
  ])('refuses %s with 400', async (_what, products) => {
    const { response, body } = await get(`/v1/offers?products=${products}`)

    expect(response.status).toBe(400)
    expect(body['code']).toBe('invalid_request')
  })
})

test('an answer is refused for what is no JSON', async () => {
  const { response, body } = await post('/v1/products', undefined, {
    authorization: 'Bearer x',
    'idempotency-key': 'k',
  })

  expect(response.status).toBe(400)
  expect(body['code']).toBe('malformed_json')
})
