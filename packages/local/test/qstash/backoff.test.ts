import { describe, expect, test } from 'vitest'

import { defaultBackoffMs, requestedDelayMs, retryDelayMs } from '../../src/qstash/backoff.ts'
import { parseDuration } from '../../src/qstash/duration.ts'

describe('defaultBackoffMs', () => {
  test.each([
    [1, '12s'],
    [2, '2m28s'],
    [3, '30m8s'],
    [4, '6h7m6s'],
    [5, '24h'],
    [6, '24h'],
    [50, '24h'],
  ])('waits before retry %i what the documentation lists: %s', (n, listed) => {
    expect(Math.floor(defaultBackoffMs(n) / 1000) * 1000).toBe(parseDuration(listed))
  })
})

describe('requestedDelayMs', () => {
  const now = Date.UTC(2026, 0, 1)

  test.each([
    ['0', 0],
    ['10', 10_000],
    ['1.5', 1500],
    ['6m5s', 365_000],
    ['1h', 3_600_000],
    ['500ms', 500],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['86400', 86_400_000],
  ])('reads Retry-After: %s', (value, expected) => {
    expect(requestedDelayMs({ 'Retry-After': [value] }, now)).toBe(expected)
  })

  test.each(['86401', '25h', 'Sat, 03 Jan 2026 00:00:00 GMT', 'soon', '-5', ''])(
    'ignores Retry-After: %s',
    (value) => {
      expect(requestedDelayMs({ 'Retry-After': [value] }, now)).toBeUndefined()
    },
  )

  test.each(['X-Ratelimit-Reset', 'X-Ratelimit-Reset-Requests', 'X-Ratelimit-Reset-Tokens'])(
    'honours %s',
    (name) => {
      expect(requestedDelayMs({ [name]: ['7s'] }, now)).toBe(7000)
    },
  )

  test('takes the next header when the first asks for more than a day', () => {
    const header = { 'Retry-After': ['90000'], 'X-Ratelimit-Reset': ['5'] }

    expect(requestedDelayMs(header, now)).toBe(5000)
  })
})

describe('retryDelayMs', () => {
  const question = { retried: 0, expression: '100', header: {}, now: 0, maxDelayMs: 1e9 }

  test('where the documents are silent: a response header wins over the expression', () => {
    const header = { 'Retry-After': ['3'] }

    expect(retryDelayMs({ ...question, header })).toBe(3000)
  })

  test('where the documents are silent: an endless or undefined result falls back to the default', () => {
    expect(retryDelayMs({ ...question, expression: '1/0' })).toBe(defaultBackoffMs(1))
    expect(retryDelayMs({ ...question, expression: '0/0' })).toBe(defaultBackoffMs(1))
  })

  test('where the documents are silent: a negative result means now, a huge one the plan limit', () => {
    expect(retryDelayMs({ ...question, expression: '-5' })).toBe(0)
    expect(retryDelayMs({ ...question, expression: 'pow(10, 20)' })).toBe(1e9)
  })
})
