import { request } from 'node:http'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { PortTakenError } from '../../src/control/front.ts'
import { type Echo, openEcho } from './harness.ts'

let echo: Echo

beforeEach(async () => {
  echo = await openEcho()
})

afterEach(() => echo.front.close())

/** A raw request, for what `fetch` would refuse to send or would normalise. */
function raw(options: { path?: string; headers?: Record<string, string> }): Promise<{
  readonly status: number | undefined
  readonly target: string | string[] | undefined
}> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: echo.front.port, method: 'GET', path: '/', ...options },
      (response) => {
        response.resume()
        response.on('end', () => {
          resolve({ status: response.statusCode, target: response.headers['x-target'] })
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

describe('the front of a local server', () => {
  test('gives the engine the request-target as it was sent', async () => {
    const target = '/v2/publish/https://example.com//a/../b?x=%2F&y=1'

    expect((await raw({ path: target })).target).toBe(target)
  })

  test.each(['evil.example', '127.0.0.1.evil.example', '10.0.0.1', '0.0.0.0'])(
    'answers 403 to the host %s, so that no web page can rebind a name to it',
    async (host) => {
      expect((await raw({ headers: { host } })).status).toBe(403)
      expect(echo.effects).toEqual([])
    },
  )

  test('answers 403 to a control request from a browser', async () => {
    const response = await fetch(`${echo.url}/_local/meter`, {
      headers: { origin: 'http://localhost' },
    })

    expect(response.status).toBe(403)
  })

  test('says which port is taken', async () => {
    const { openFront } = await import('../../src/control/front.ts')
    const { Faults } = await import('../../src/control/faults.ts')
    const { Meter } = await import('../../src/control/meter.ts')
    const engine = {
      name: 'redis',
      handle: () => ({ status: 200 }),
      databaseOf: () => undefined,
      close: async () => undefined,
    } as const

    const opening = openFront({
      engine,
      meter: new Meter(),
      faults: new Faults(),
      port: echo.front.port,
    })

    await expect(opening).rejects.toThrow(PortTakenError)
    await expect(opening).rejects.toThrow(`port ${echo.front.port} is taken`)
  })

  test('counts by server, by database and by request id, and forgets on DELETE', async () => {
    await (await echo.post('a', { 'x-request-id': 'r1' })).text()
    await (await echo.post('b', { 'x-request-id': 'r1' })).text()
    await (await echo.post('c')).text()

    const all = (await (await fetch(`${echo.url}/_local/meter`)).json()) as Record<string, never>
    const one = (await (await fetch(`${echo.url}/_local/meter?request=r1`)).json()) as {
      counts: object
      spans: { startMs: number; endMs: number }[]
    }
    expect(all).toMatchObject({
      totals: { roundTrips: 3, statements: 6 },
      databases: { db1: { roundTrips: 3 } },
      requestIds: 1,
    })
    expect(one.counts).toMatchObject({ roundTrips: 2, statements: 4 })
    expect(one.spans).toHaveLength(2)
    expect(one.spans.every(({ startMs, endMs }) => endMs >= startMs)).toBe(true)

    await fetch(`${echo.url}/_local/meter`, { method: 'DELETE' })
    const after = (await (await fetch(`${echo.url}/_local/meter`)).json()) as { totals: object }
    expect(after.totals).toMatchObject({ roundTrips: 0 })
  })

  test('answers 404 to a control route that is none', async () => {
    expect((await fetch(`${echo.url}/_local/nothing`)).status).toBe(404)
  })
})
