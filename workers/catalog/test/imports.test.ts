import { typedId } from '@stoa/kernel'
import { claimGraceMs } from '@stoa/sharding'
import { describe, expect, test } from 'vitest'

import {
  ageClaim,
  countOver,
  create,
  draftOf,
  get,
  importLines,
  newCategory,
  outcomesOf,
  post,
  seller,
  spansOf,
  spoil,
  token,
  unused,
} from './harness.ts'

function outcomeNames(answer: Parameters<typeof outcomesOf>[0]) {
  return outcomesOf(answer).map(({ outcome }) => outcome)
}

async function newLines(count: number) {
  const category = await newCategory()
  return Array.from({ length: count }, () => ({ ...draftOf(category), stock: 3 }))
}

const productsOfCategory = 'SELECT count(*) FROM product WHERE category = ?'
const eventsOfCategory = "SELECT count(*) FROM outbox WHERE payload ->> 'category' = ?"

describe('POST /v1/imports/categories', () => {
  test('creates each category once, and leaves what is there as it is', async () => {
    const [one, other] = [unused('cat'), unused('cat')]
    const line = (key: string, name: string) => ({ key, name, path: [{ key, name }] })

    const first = await importLines('categories', [line(one, 'One'), line(one, 'Again')])
    const second = await importLines('categories', [line(one, 'Renamed'), line(other, 'Other')])

    expect(outcomesOf(first)).toEqual([
      { line: 1, outcome: 'created', id: one },
      { line: 2, outcome: 'exists', id: one },
    ])
    expect(outcomeNames(second)).toEqual(['exists', 'created'])
    expect((await get(`/v1/categories/${one}`)).body['name']).toBe('One')
  })

  test('is refused to a member with 403', async () => {
    const headers = { authorization: `Bearer ${token}` }

    const { response, body } = await post('/v1/imports/categories', { lines: [] }, headers)

    // A wrong body is told before the session is checked; a right one is refused for its token.
    expect(body['code']).toBe('invalid_request')
    expect(response.status).toBe(400)
    const lines = [{ line: 1, key: 'a', name: 'A', path: [] }]
    const refused = await post('/v1/imports/categories', { lines }, headers)
    expect(refused.response.status).toBe(403)
    expect(refused.body['code']).toBe('not_allowed')
  })
})

describe('POST /v1/imports/products', () => {
  test('creates products with their seller or none, who are found by id and by sku', async () => {
    const [house, members] = await newLines(2)
    const lines = [{ ...house }, { ...members, seller: typedId('usr', seller) }]

    const answer = await importLines('products', lines)

    expect(outcomeNames(answer)).toEqual(['created', 'created'])
    const found = await get(`/v1/products/${String(outcomesOf(answer)[0]?.['id'])}`)
    const { stock: _stock, ...content } = house ?? { stock: 0 }
    expect(found.body).toMatchObject({ ...content, seller: null })
    const second = await get(`/v1/skus/${String(members?.sku)}`)
    expect(second.body).toMatchObject({ seller: typedId('usr', seller) })
  })

  test('changes nothing when it comes again', async () => {
    const lines = await newLines(50)
    const category = lines[0]?.category ?? ''

    const first = await importLines('products', lines)
    const second = await importLines(
      'products',
      lines.map((line) => ({ ...line, title: 'Renamed' })),
    )

    expect(new Set(outcomeNames(first))).toEqual(new Set(['created']))
    expect(new Set(outcomeNames(second))).toEqual(new Set(['exists']))
    expect(outcomesOf(second).map(({ id }) => id)).toEqual(outcomesOf(first).map(({ id }) => id))
    expect(await countOver(productsOfCategory, category)).toBe(50)
    expect(await countOver(eventsOfCategory, category)).toBe(50)
    expect((await get(`/v1/skus/${lines[7]?.sku}`)).body['title']).toBe('A lamp')
  })

  test('makes each product once when four imports of the same lines run at once', async () => {
    const lines = await newLines(30)
    const category = lines[0]?.category ?? ''

    const answers = await Promise.all(
      Array.from({ length: 4 }, () => importLines('products', lines)),
    )

    expect(answers.map(({ response }) => response.status)).toEqual([200, 200, 200, 200])
    expect(answers.flatMap(outcomeNames).filter((each) => each === 'created')).toHaveLength(30)
    expect(answers.flatMap(outcomeNames)).not.toContain('refused')
    expect(await countOver(productsOfCategory, category)).toBe(30)
    expect(await countOver(eventsOfCategory, category)).toBe(30)
  })

  test('writes the rest when another import has written some of its products meanwhile', async () => {
    const lines = await newLines(40)
    const category = lines[0]?.category ?? ''
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'insert into \\"product\\"' }
    const later = crypto.randomUUID()
    // The quick one claims after the slow one, and writes before it.
    await spoil({ action: 'delay', delayMs: 2_500, times: 2, match })
    await spoil({ action: 'delay', delayMs: 500, times: 1, match: { requestId: later } })

    const [slow, quick] = await Promise.all([
      importLines('products', lines, requestId),
      importLines('products', lines.slice(0, 20), later),
    ])

    const times = (count: number, outcome: string) => Array.from({ length: count }, () => outcome)
    expect(outcomeNames(quick)).toEqual(times(20, 'created'))
    expect(outcomeNames(slow)).toEqual([...times(20, 'exists'), ...times(20, 'created')])
    expect(await countOver(productsOfCategory, category)).toBe(40)
    expect(await countOver(eventsOfCategory, category)).toBe(40)
  })

  test.each([
    ['the claims', 'INSERT INTO lookup', 1],
    ['the products', 'insert into \\"product\\"', 1],
    ['the products and of their second try', 'insert into \\"product\\"', 2],
  ])(
    'makes each once when the reply to %s is lost after the commit',
    async (_w, contains, times) => {
      const lines = await newLines(20)
      const category = lines[0]?.category ?? ''
      const requestId = crypto.randomUUID()
      await spoil({ action: 'drop-reply', times, match: { requestId, contains } })

      const first = await importLines('products', lines, requestId)
      const again = await importLines('products', lines)

      expect([200, 503]).toContain(first.response.status)
      expect(again.response.status).toBe(200)
      expect(outcomeNames(again)).not.toContain('refused')
      expect(await countOver(productsOfCategory, category)).toBe(20)
      expect(await countOver(eventsOfCategory, category)).toBe(20)
    },
  )

  test('takes up the claims of an import that died before it wrote', async () => {
    const lines = await newLines(20)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'insert into \\"product\\"' }
    // Two tries in each of two shards.
    await spoil({ action: 'error', status: 500, times: 4, match })

    const died = await importLines('products', lines, requestId)
    const again = await importLines('products', lines)

    expect(died.response.status).toBe(503)
    expect(new Set(outcomeNames(again))).toEqual(new Set(['created']))
    expect(await countOver(productsOfCategory, lines[0]?.category ?? '')).toBe(20)
  })

  test('takes up such claims also when they have grown old', async () => {
    const [line] = await newLines(1)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'insert into \\"product\\"' }
    await spoil({ action: 'error', status: 500, times: 2, match })
    await importLines('products', [{ ...line }], requestId)
    await ageClaim(line?.sku ?? '', claimGraceMs)

    const answers = await Promise.all(
      Array.from({ length: 4 }, () => importLines('products', [{ ...line }])),
    )
    const last = await importLines('products', [{ ...line }])

    expect(answers.flatMap(outcomeNames)).toContain('created')
    expect(outcomeNames(last)).toEqual(['exists'])
    expect(await countOver(productsOfCategory, line?.category ?? '')).toBe(1)
  })

  test('takes over the sku of a member whose request died long ago', async () => {
    const [line] = await newLines(1)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'INSERT INTO idempotency' }
    await spoil({ action: 'drop-request', times: 2, match })
    await create(line, { 'x-request-id': requestId })
    await ageClaim(line?.sku ?? '', claimGraceMs)

    const answer = await importLines('products', [{ ...line }])

    expect(outcomeNames(answer)).toEqual(['created'])
    expect(await countOver(productsOfCategory, line?.category ?? '')).toBe(1)
  })

  test('names what it refuses, and creates the rest', async () => {
    const [good, currency, category] = await newLines(3)
    const lines = [
      { ...currency, currency: 'QQQ' },
      { ...good },
      { ...category, category: 'nowhere' },
      { ...good, title: 'The same sku again' },
    ]

    const answer = await importLines('products', lines)

    const id = outcomesOf(answer)[1]?.['id']
    expect(outcomesOf(answer)).toEqual([
      { line: 1, outcome: 'refused', code: 'unknown_currency' },
      { line: 2, outcome: 'created', id },
      { line: 3, outcome: 'refused', code: 'category_not_found' },
      { line: 4, outcome: 'exists', id },
    ])
    expect((await get(`/v1/products/${String(id)}`)).body['title']).toBe('A lamp')
  })

  test('answers exists for the sku of a product that a member made', async () => {
    const draft = draftOf(await newCategory())
    const { body } = await create(draft)

    const answer = await importLines('products', [draft])

    expect(outcomesOf(answer)).toEqual([{ line: 1, outcome: 'exists', id: body['id'] }])
  })

  test('refuses a sku that somebody is claiming at the moment, and a member one that was imported', async () => {
    const [claimed, imported] = await newLines(2)
    const requestId = crypto.randomUUID()
    const match = { requestId, contains: 'INSERT INTO idempotency' }
    await spoil({ action: 'drop-request', times: 2, match })
    await create(claimed, { 'x-request-id': requestId })

    const answer = await importLines('products', [{ ...claimed }, { ...imported }])
    const created = await create(imported)

    expect(outcomesOf(answer)[0]).toEqual({ line: 1, outcome: 'refused', code: 'sku_taken' })
    expect(created.body['code']).toBe('sku_taken')
  })

  test('costs at most eight round trips for 500 lines in two shards, and fewer the second time', async () => {
    const lines = await newLines(500)
    const cost = async () => {
      const requestId = crypto.randomUUID()
      const { response } = await importLines('products', lines, requestId)
      expect(response.status).toBe(200)
      return (await spansOf(requestId)).length
    }

    expect(await cost()).toBeLessThanOrEqual(8)
    expect(await cost()).toBeLessThanOrEqual(6)
  })
})
