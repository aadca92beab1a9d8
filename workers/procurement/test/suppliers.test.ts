import { describe, expect, test } from 'vitest'

import {
  get,
  goodSupplier,
  memberToken,
  newId,
  newSupplier,
  post,
  roundTrips,
  selectAll,
  spoil,
} from './harness.ts'

async function countOf(name: string): Promise<number> {
  const rows = await selectAll('SELECT id FROM supplier WHERE name = ?', [name])
  return rows.length
}

describe('POST /v1/suppliers', () => {
  test('adds a supplier, who is then found', async () => {
    const { status, body } = await post('/v1/suppliers', {
      name: ' Mill & Sons ',
      email: 'Orders@Mill.example',
    })

    expect(status).toBe(201)
    expect(body).toMatchObject({ name: 'Mill & Sons', email: 'orders@mill.example' })
    expect((await get(`/v1/suppliers/${String(body['id'])}`)).body).toEqual(body)
  })

  test('answers a repeat with the same supplier, and makes one', async () => {
    const name = crypto.randomUUID()
    const headers = { 'idempotency-key': crypto.randomUUID() }

    const first = await post('/v1/suppliers', { ...goodSupplier, name }, { headers })
    const second = await post('/v1/suppliers', { ...goodSupplier, name }, { headers })

    expect(second.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await countOf(name)).toBe(1)
  })

  test('makes one over all shards when the reply of the database is lost', async () => {
    const name = crypto.randomUUID()
    const [key, requestId] = [crypto.randomUUID(), crypto.randomUUID()]
    await spoil({ action: 'drop-reply', match: { requestId, contains: name } })

    const headers = { 'idempotency-key': key, 'x-request-id': requestId }
    const first = await post('/v1/suppliers', { ...goodSupplier, name }, { headers })
    const again = await post(
      '/v1/suppliers',
      { ...goodSupplier, name },
      { headers: { 'idempotency-key': key } },
    )

    expect(first.status).toBe(201)
    // The batch whose reply was lost, the same once more, and the kept answer.
    expect(await roundTrips(requestId)).toBeGreaterThanOrEqual(3)
    expect(again.body).toEqual(first.body)
    expect(await countOf(name)).toBe(1)
  })

  test('makes one over all shards when every reply is lost and the client tries again', async () => {
    const name = crypto.randomUUID()
    const [key, requestId] = [crypto.randomUUID(), crypto.randomUUID()]
    await spoil({ action: 'drop-reply', match: { requestId, contains: name }, times: 2 })

    const headers = { 'idempotency-key': key, 'x-request-id': requestId }
    const lost = await post('/v1/suppliers', { ...goodSupplier, name }, { headers })
    const again = await post(
      '/v1/suppliers',
      { ...goodSupplier, name },
      { headers: { 'idempotency-key': key } },
    )

    expect(lost.status).toBe(503)
    expect(lost.body['code']).toBe('ambiguous_write')
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await countOf(name)).toBe(1)
  })

  test('refuses the same key for another request with 422', async () => {
    const headers = { 'idempotency-key': crypto.randomUUID() }
    await post('/v1/suppliers', goodSupplier, { headers })

    const { status, body } = await post(
      '/v1/suppliers',
      { ...goodSupplier, name: 'Another' },
      { headers },
    )

    expect(status).toBe(422)
    expect(body['code']).toBe('idempotency_key_reused')
  })

  test.each([
    ['no name', { name: ' ' }],
    ['a name that is too long', { name: 'x'.repeat(201) }],
    ['an e-mail that is none', { email: 'mill' }],
    ['a number for a name', { name: 7 }],
  ])('refuses %s with 400', async (_what, change) => {
    const { status, body } = await post('/v1/suppliers', { ...goodSupplier, ...change })

    expect(status).toBe(400)
    expect(body['code']).toBe('invalid_request')
  })
})

describe('GET /v1/suppliers/{supplier}', () => {
  test('answers 404 for one that never was and 400 for what is no id', async () => {
    const absent = await get(`/v1/suppliers/${newId('sup')}`)
    const wrong = await get('/v1/suppliers/7')

    expect([absent.status, absent.body['code']]).toEqual([404, 'supplier_not_found'])
    expect([wrong.status, wrong.body['code']]).toEqual([400, 'invalid_request'])
  })

  test('tells who may not know the same for a supplier that is there and one that is not', async () => {
    const paths = [`/v1/suppliers/${await newSupplier()}`, `/v1/suppliers/${newId('sup')}`]

    for (const path of paths) {
      const nobody = await get(path, { token: undefined })
      const forged = await get(path, { token: 'forged-token-0000000' })
      const member = await get(path, { token: memberToken() })

      expect([nobody.status, nobody.body['code']]).toEqual([401, 'token_missing'])
      expect(forged.status).toBe(401)
      expect([member.status, member.body['code']]).toEqual([403, 'not_allowed'])
    }
  })
})

test.each([
  ['/v1/suppliers', goodSupplier],
  [
    '/v1/purchase-orders',
    {
      supplier: newId('sup'),
      currency: 'EUR',
      lines: [{ product: newId('prd'), ordered: 1, costMinor: 1 }],
    },
  ],
  [
    `/v1/purchase-orders/${newId('pur')}/receipts`,
    { lines: [{ product: newId('prd'), received: 1 }] },
  ],
])('POST %s is for operators alone', async (path, body) => {
  const nobody = await post(path, body, { token: undefined })
  const member = await post(path, body, { token: memberToken() })

  expect([nobody.status, nobody.body['code']]).toEqual([401, 'token_missing'])
  expect([member.status, member.body['code']]).toEqual([403, 'not_allowed'])
})

test('a good supplier costs one round trip, and so does reading it', async () => {
  await newSupplier()
  const [write, read] = [crypto.randomUUID(), crypto.randomUUID()]

  const { body } = await post('/v1/suppliers', goodSupplier, { headers: { 'x-request-id': write } })
  await get(`/v1/suppliers/${String(body['id'])}`, { headers: { 'x-request-id': read } })

  expect(await roundTrips(write)).toBe(1)
  expect(await roundTrips(read)).toBe(1)
})
