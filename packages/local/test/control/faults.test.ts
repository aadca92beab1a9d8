import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type Echo, openEcho } from './harness.ts'

let echo: Echo

beforeEach(async () => {
  echo = await openEcho()
})

afterEach(() => echo.front.close())

describe('a fault rule', () => {
  test('that drops the request leaves no effect, once', async () => {
    await echo.addFault({ action: 'drop-request' })

    await expect(echo.post('a')).rejects.toThrow('fetch failed')
    expect(await (await echo.post('b')).text()).toBe('1:b')
    expect(echo.effects).toEqual(['b'])
  })

  test('that drops the reply leaves the effect', async () => {
    await echo.addFault({ action: 'drop-reply' })

    await expect(echo.post('a')).rejects.toThrow('fetch failed')
    expect(echo.effects).toEqual(['a'])
  })

  test('that duplicates has the effect twice and the first answer', async () => {
    await echo.addFault({ action: 'duplicate' })

    expect(await (await echo.post('a')).text()).toBe('1:a')
    expect(echo.effects).toEqual(['a', 'a'])
  })

  test('that reorders lets the next match overtake', async () => {
    await echo.addFault({ action: 'reorder', delayMs: 5_000 })

    const first = echo.post('first')
    // The second is sent when the first waits, which the list of rules shows.
    await expect
      .poll(async () => {
        const { faults } = (await (await fetch(`${echo.url}/_local/faults`)).json()) as {
          faults: { times: number }[]
        }
        return faults[0]?.times
      })
      .toBe(0)
    await (await echo.post('second')).text()
    await (await first).text()

    expect(echo.effects).toEqual(['second', 'first'])
  })

  test('that errs answers its status and nothing takes effect', async () => {
    await echo.addFault({ action: 'error', status: 503, times: 2 })

    expect((await echo.post('a')).status).toBe(503)
    expect((await echo.post('b')).status).toBe(503)
    expect((await echo.post('c')).status).toBe(200)
    expect(echo.effects).toEqual(['c'])
  })

  test('that partitions holds until it is deleted', async () => {
    await echo.addFault({ action: 'partition' })

    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(echo.post('a')).rejects.toThrow('fetch failed')
    }
    await fetch(`${echo.url}/_local/faults`, { method: 'DELETE' })
    expect((await echo.post('b')).status).toBe(200)
    expect(echo.effects).toEqual(['b'])
  })

  test('hits only what it matches, after what it skips', async () => {
    await echo.addFault({
      action: 'error',
      skip: 1,
      match: { contains: 'poison', database: 'db1' },
    })

    const statuses: number[] = []
    for (const body of ['fine', 'poison', 'fine', 'poison', 'poison']) {
      statuses.push((await echo.post(body)).status)
    }

    expect(statuses).toEqual([200, 200, 200, 500, 200])
  })

  test.each([
    ['no action', {}, '"action" must be one of'],
    ['an unknown action', { action: 'explode' }, '"action" must be one of'],
    ['a negative count', { action: 'delay', times: -1 }, '"times" is not a whole number'],
    [
      'a path that is no expression',
      { action: 'delay', match: { path: '(' } },
      'regular expression',
    ],
    ['an unknown match', { action: 'delay', match: { host: 'x' } }, 'unknown match "host"'],
    ['a body that is an array', [], 'not a JSON object'],
  ])('is refused with %s', async (_what, rule, words) => {
    const response = await echo.addFault(rule)

    expect(response.status).toBe(400)
    expect(((await response.json()) as { error: string }).error).toContain(words)
  })
})
