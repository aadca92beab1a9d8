import {
  DeadlineExceededError,
  type Fetcher,
  isFault,
  manualClock,
  rootCall,
  within,
} from '@stoa/kernel'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

import { callHeaders, clientOf, RemoteFault, route } from '../src/index.ts'

const thing = z.object({ id: z.string(), count: z.int() })

const things = {
  get: route({
    id: 'get',
    method: 'get',
    path: '/v1/things/{thing}/parts/{part}',
    summary: 'Read',
    access: 'public',
    params: z.object({ thing: z.string(), part: z.string() }),
    query: z.object({ limit: z.coerce.number().optional(), cursor: z.string().optional() }),
    status: 200,
    reply: thing,
  }),
  make: route({
    id: 'make',
    method: 'post',
    path: '/v1/things',
    summary: 'Make',
    access: 'member',
    body: z.object({ name: z.string() }),
    status: 201,
    reply: thing,
  }),
  remove: route({
    id: 'remove',
    method: 'delete',
    path: '/v1/things',
    summary: 'Remove',
    access: 'member',
    status: 204,
  }),
}

const call = rootCall('request-1')

function answering(answer: () => Response) {
  const seen: Request[] = []
  const fetcher: Fetcher = async (request) => {
    seen.push(request)
    return answer()
  }
  return { client: clientOf(things, fetcher), seen }
}

const ok = () => Response.json({ id: 'a', count: 1, secret: 'x' })
const params = { thing: 'a', part: 'b' }

describe('a typed client', () => {
  test('spells path and query so that the server reads what was meant', async () => {
    const { client, seen } = answering(ok)
    const hostile = { thing: 'a/../b?c#d', part: '%2e%2e é&=' }

    await client.get({ params: hostile, query: { limit: 5, cursor: 'a&b=c d+e' } }, call)

    const url = new URL(seen[0]?.url ?? '')
    const parts = url.pathname.split('/').map(decodeURIComponent)
    expect(parts).toEqual(['', 'v1', 'things', hostile.thing, 'parts', hostile.part])
    expect(Object.fromEntries(url.searchParams)).toEqual({ limit: '5', cursor: 'a&b=c d+e' })
    expect([seen[0]?.method, url.hash]).toEqual(['GET', ''])
  })

  test('leaves out what is undefined, and the question mark with it', async () => {
    const { client, seen } = answering(ok)

    await client.get({ params, query: { limit: undefined } }, call)

    expect(seen[0]?.url).toBe('https://service/v1/things/a/parts/b')
  })

  test.each(['', '.', '..'])(
    'refuses %j for a part of the path: it would be another route’s',
    async (part) => {
      const { client, seen } = answering(ok)

      await expect(client.get({ params: { thing: 'a', part } }, call)).rejects.toThrow(TypeError)
      expect(seen).toEqual([])
    },
  )

  test('sends the body as JSON, and the headers, the request id and what is left of the time', async () => {
    const clock = { now: () => Date.now() }
    const { client, seen } = answering(ok)

    await client.make(
      { body: { name: 'é' }, headers: { authorization: 'Bearer x' } },
      within(call, 5_000, clock),
    )

    const [request] = seen
    expect(await request?.json()).toEqual({ name: 'é' })
    expect(request?.headers.get('content-type')).toBe('application/json')
    expect(request?.headers.get('authorization')).toBe('Bearer x')
    expect(request?.headers.get(callHeaders.requestId)).toBe('request-1')
    const left = Number(request?.headers.get(callHeaders.deadline))
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(5_000)
  })

  test('names no deadline when there is none', async () => {
    const { client, seen } = answering(ok)

    await client.get({ params }, call)

    expect(seen[0]?.headers.has(callHeaders.deadline)).toBe(false)
  })

  test('gives only what the contract names', async () => {
    expect(await answering(ok).client.get({ params }, call)).toEqual({ id: 'a', count: 1 })
  })

  test('gives nothing for 204', async () => {
    const { client } = answering(() => new Response(null, { status: 204 }))

    expect(await client.remove({}, call)).toBeUndefined()
  })

  test.each([
    ['another form', () => Response.json({ id: 1 })],
    ['no JSON', () => new Response('<html>')],
    ['nothing', () => new Response('')],
  ])('calls an answer of %s a bad reply', async (_what, answer) => {
    await expect(answering(answer).client.get({ params }, call)).rejects.toMatchObject({
      code: 'bad_reply',
      kind: 'unavailable',
    })
  })

  test('stops waiting when its call ends, with the reason of the call', async () => {
    const clock = manualClock()
    let wasAborted = false
    const silent: Fetcher = (request) =>
      new Promise((_resolve, reject) => {
        request.signal.addEventListener('abort', () => {
          wasAborted = true
          reject(new DOMException('aborted', 'AbortError'))
        })
      })
    const waiting = clientOf(things, silent).get({ params }, within(call, 1_000, clock))

    clock.advance(1_000)

    await expect(waiting).rejects.toThrow(DeadlineExceededError)
    expect(wasAborted).toBe(true)
  })

  test('sends nothing for a call that has ended', async () => {
    const { client, seen } = answering(ok)
    const ended = { ...call, signal: AbortSignal.abort(new Error('hung up')) }

    await expect(client.get({ params }, ended)).rejects.toThrow('hung up')
    expect(seen).toEqual([])
  })

  test('lets through what the fetcher throws', async () => {
    const client = clientOf(things, () => Promise.reject(new Error('no such binding')))

    await expect(client.get({ params }, call)).rejects.toThrow('no such binding')
  })
})

describe('an answer above 399', () => {
  const problem = (status: number, code: string) => () =>
    Response.json({ type: '/problems/x', title: 'x', status, code, detail: 'Cannot.' }, { status })

  test.each([
    [400, 'invalid_argument', false],
    [401, 'unauthenticated', false],
    [403, 'permission_denied', false],
    [404, 'not_found', false],
    [409, 'failed_precondition', false],
    [413, 'invalid_argument', false],
    [422, 'invalid_argument', false],
    [429, 'resource_exhausted', true],
    [500, 'unavailable', true],
    [503, 'unavailable', true],
    [504, 'deadline_exceeded', true],
  ])('%i is a fault of kind %s with the code of the service', async (status, kind, retryable) => {
    const failed = answering(problem(status, 'its_own_word')).client.get({ params }, call)

    const fault = await failed.catch((error: unknown) => error)

    expect(fault).toBeInstanceOf(RemoteFault)
    expect(isFault(fault)).toBe(true)
    expect(fault).toMatchObject({
      status,
      kind,
      retryable,
      code: 'its_own_word',
      message: 'Cannot.',
    })
  })

  test.each([
    ['a page', () => new Response('<html>', { status: 502 })],
    ['nothing', () => new Response(null, { status: 502 })],
    ['other JSON', () => Response.json({ error: 'x' }, { status: 502 })],
  ])('with %s instead of a problem is unavailable', async (_what, answer) => {
    await expect(answering(answer).client.get({ params }, call)).rejects.toMatchObject({
      code: 'unavailable',
      status: 502,
      retryable: true,
    })
  })
})
