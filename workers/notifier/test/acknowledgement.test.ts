import { describe, expect, test } from 'vitest'

import { attemptsMax } from '../src/domain/schedule.ts'
import { signedHeaders } from '../src/domain/sign.ts'
import {
  ask,
  createEndpoint,
  deliver,
  deliveriesOf,
  due,
  heardBy,
  letTimePass,
  merchant,
  newId,
  planned,
} from './harness.ts'
import { followAlarms, healthOf, openWorld, waitingAlarms } from './world.ts'

const types = ['order.confirmed']

function acknowledge(member: string, delivery: string) {
  return ask(member, `/v1/webhook-deliveries/whd_${delivery}/acknowledgement`, { method: 'PUT' })
}

describe('an endpoint that acknowledges', () => {
  test('by its body has a delivery only when the body says so', async () => {
    const { member, name } = await merchant('200', types, { acknowledgement: 'body' })
    const id = await planned(member)
    await deliver([due(id)])
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 1, 200]])
    expect(await healthOf(member)).toMatchObject({ failures: 1 })
    const world = openWorld(() => ({ status: 200, text: 'success' }))

    await letTimePass(member)
    await world.attempt(id)

    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 2, 200]])
    expect(await heardBy(name)).toHaveLength(1)
  })

  test('by a call is sent a delivery until it calls, and is healthy all the while', async () => {
    const { member } = await merchant('200', types, { acknowledgement: 'call' })
    const id = await planned(member)
    const world = openWorld(() => 200)
    await world.attempt(id)
    await followAlarms(world, 6)
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 7, 200]])
    expect(await healthOf(member)).toEqual({ health: 'healthy', failures: 0, state: 'active' })

    const { response } = await acknowledge(member, id)
    await followAlarms(world)

    expect(response.status).toBe(204)
    expect(world.calls).toHaveLength(7)
    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 7, 200]])
    expect(await waitingAlarms(id)).toEqual([])
  })

  test('by a call, and never calls, is given up after nineteen attempts', async () => {
    const { member } = await merchant('200', types, { acknowledgement: 'call' })
    const id = await planned(member)
    const world = openWorld(() => 200)

    await world.attempt(id)
    await followAlarms(world)

    expect(await deliveriesOf(member)).toEqual([[id, 'failed', attemptsMax, 200]])
  })
})

describe('PUT /v1/webhook-deliveries/{delivery}/acknowledgement', () => {
  test('ends a delivery in any mode and state, as often as it is said', async () => {
    const { member, name } = await merchant('500')
    const id = await planned(member)
    await deliver([due(id)])

    const statuses = [await acknowledge(member, id), await acknowledge(member, id)]
    await letTimePass(member)
    await deliver([due(id)])

    expect(statuses.map(({ response }) => response.status)).toEqual([204, 204])
    expect(await heardBy(name)).toHaveLength(1)
    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 1, 500]])
  })

  test('wins over an attempt that is under way, whatever becomes of that', async () => {
    const { member } = await merchant()
    const id = await planned(member)
    const world = openWorld(async () => {
      await acknowledge(member, id)
      return 500
    })

    await world.attempt(id)

    expect(await deliveriesOf(member)).toEqual([[id, 'delivered', 0, null]])
    expect(await waitingAlarms(id)).toEqual([])
  })

  test("is 404 for another member's delivery, and changes nothing", async () => {
    const { member } = await merchant()
    const id = await planned(member)

    const foreign = await acknowledge(newId(), id)
    const absent = await acknowledge(member, newId())

    for (const { response, body } of [foreign, absent])
      expect([response.status, body['code']]).toEqual([404, 'delivery_not_found'])
    expect(await deliveriesOf(member)).toEqual([[id, 'pending', 0, null]])
  })
})

describe('POST /v1/webhook-endpoints/{endpoint}/secrets', () => {
  const rotate = (member: string, endpoint: string, body: object, key = 'r') =>
    ask(member, `/v1/webhook-endpoints/${endpoint}/secrets`, { body, key })
  const signatureOn = async (name: string, secrets: readonly string[]) => {
    const { headers, body } = (await heardBy(name)).at(-1) ?? { headers: {}, body: '' }
    const seconds = Number(headers['webhook-timestamp'])
    const text = { id: headers['webhook-id'] ?? '', seconds, body }
    const expected = await signedHeaders(text, secrets)
    return [headers['webhook-signature'], expected['webhook-signature']]
  }

  test('gives a new secret once for a key; both sign, the new one first', async () => {
    const { member, name, endpoint, secret } = await merchant()

    const first = await rotate(member, endpoint, {})
    const second = await rotate(member, endpoint, {})
    await deliver([due(await planned(member))])

    expect(first.response.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.response.headers.get('idempotency-replayed')).toBe('true')
    const [is, should] = await signatureOn(name, [String(first.body['secret']), secret])
    expect(is).toBe(should)
  })

  test('lets the old secret sign no more when its time is over', async () => {
    const { member, endpoint } = await merchant()
    const { body } = await rotate(member, endpoint, { overlapHours: 1 })
    const id = await planned(member)
    const world = openWorld(() => 500)

    await world.attempt(id)
    world.clock.advance(3_600_000)
    await world.attempt(id)

    const signatures = world.calls.map(({ webhook }) =>
      webhook.headers['webhook-signature']?.split(' '),
    )
    expect(signatures.map((each) => each?.length)).toEqual([2, 1])
    const seconds = Number(world.calls[1]?.webhook.headers['webhook-timestamp'])
    const text = { id: `whd_${id}`, seconds, body: world.calls[1]?.webhook.body ?? '' }
    const expected = await signedHeaders(text, [String(body['secret'])])
    expect(signatures[1]).toEqual([expected['webhook-signature']])
  })

  test('changes from a shared secret to a key pair, whose private half nobody sees', async () => {
    const { member, name, endpoint } = await merchant()

    const { body } = await rotate(member, endpoint, { signature: 'v1a', overlapHours: 0 })
    await deliver([due(await planned(member))])

    expect(Object.keys(body).toSorted()).toEqual(['previousUntil', 'publicKey', 'signature'])
    expect(body['publicKey']).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/)
    const [is] = await signatureOn(name, [])
    expect(is).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/)
  })

  test('is there from the beginning: an endpoint can be made with a key pair', async () => {
    const url = 'https://merchant.example.com/'

    const { body } = await createEndpoint(newId(), { url, types, signature: 'v1a' })

    expect(body).toMatchObject({ signature: 'v1a', acknowledgement: 'status', health: 'healthy' })
    expect(body['secret']).toBeUndefined()
    expect(body['publicKey']).toMatch(/^whpk_/)
  })

  test("is 404 for another member's endpoint, and 400 for a long overlap", async () => {
    const { member, endpoint } = await merchant()

    const foreign = await rotate(newId(), endpoint, {})
    const long = await rotate(member, endpoint, { overlapHours: 169 }, 'l')

    expect([foreign.response.status, foreign.body['code']]).toEqual([404, 'endpoint_not_found'])
    expect(long.response.status).toBe(400)
  })
})

describe('GET /v1/webhook-endpoints', () => {
  test('lists what a member has, without secrets, and what is gone as gone', async () => {
    const { member, endpoint } = await merchant('410')
    const url = 'https://merchant.example.com/'
    await createEndpoint(member, { url, types, acknowledgement: 'call' })
    await deliver([due(await planned(member))])
    for (const id of (await deliveriesOf(member)).map(([each]) => String(each)))
      await deliver([due(id)])

    const { body, response } = await ask(member, '/v1/webhook-endpoints')

    expect(response.status).toBe(200)
    const items = body['items'] as Record<string, unknown>[]
    expect(items.find(({ id }) => id === endpoint)).toMatchObject({ health: 'gone' })
    expect(items.find(({ id }) => id !== endpoint)).toMatchObject({ acknowledgement: 'call' })
    expect(JSON.stringify(body)).not.toContain('whs')
  })
})

describe('a delivery', () => {
  test('shows its attempts to its member alone', async () => {
    const { member } = await merchant('200')
    const id = await planned(member)
    await deliver([due(id)])
    const path = `/v1/webhook-deliveries/whd_${id}/attempts`

    const own = await ask(member, path)
    const foreign = await ask(newId(), path)

    expect(own.body['items']).toMatchObject([{ number: 1, status: 200, error: null }])
    expect(String((own.body['items'] as { answer: string }[])[0]?.answer)).toHaveLength(500)
    expect([foreign.response.status, foreign.body['code']]).toEqual([404, 'delivery_not_found'])
  })
})
