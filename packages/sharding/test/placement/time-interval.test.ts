import { describe, expect, test } from 'vitest'

import { timeInterval, type TimeIntervalOptions } from '../../src/placement/time-interval.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid, unplaceable } from './refusals.ts'

describe('timeInterval', () => {
  test('cuts months of UTC, whatever their length', () => {
    const locate = timeInterval({ from: '2026-01-01', below: '2026-04-01', unit: 'month' })(
      namedNodes(5),
    )

    expect(
      [
        '2025-12-31T23:59:59.999Z',
        '2026-01-01',
        '2026-02-28T23:59:59Z',
        '2026-03-01T00:30:00+01:00',
        '2026-03-01T00:00:00Z',
        '2026-03-31',
        '2026-04-01',
        Date.UTC(2026, 1, 14),
      ].map((key) => locate(key).name),
    ).toEqual([0, 1, 2, 2, 3, 3, 4, 2].map((interval) => `node-${interval}`))
  })

  test.each<[TimeIntervalOptions, number]>([
    [{ from: '2026-01-01', below: '2026-01-03', unit: 'hour', every: 6 }, 8],
    [{ from: '2026-01-01', below: '2026-03-01', unit: 'day', every: 7 }, 9],
    [{ from: '2024-02-28', below: '2024-03-01', unit: 'day' }, 2],
    [{ from: '2026-01-28', below: '2027-01-28', unit: 'month', every: 3 }, 4],
    [{ from: '2020-01-01', below: '2030-01-01', unit: 'year', every: 5 }, 2],
  ])('makes of %j %i intervals, and one before and one after', (options, count) => {
    expect(timeInterval(options)(namedNodes(count + 2))(options.from).name).toBe('node-1')
    expect(() => timeInterval(options)(namedNodes(count + 1))).toThrow(invalid)
  })

  test.each<TimeIntervalOptions>([
    { from: '2026-01-01', below: '2026-01-01', unit: 'day' },
    { from: '2026-01-31', below: '2026-06-30', unit: 'month' },
    { from: '2024-02-29', below: '2028-02-29', unit: 'year' },
    { from: '2026-01-01T00:00:00', below: '2027-01-01', unit: 'day' },
    { from: '2026-13-01', below: '2027-01-01', unit: 'day' },
    { from: 'yesterday', below: '2027-01-01', unit: 'day' },
    { from: '2026-01-01', below: '2027-01-01', unit: 'day', every: 0 },
    { from: '2026-01-01', below: '2027-01-01', unit: 'day', every: 0.5 },
    { from: 0, below: '2026-01-01', unit: 'hour' },
  ])('refuses %j', (options) => {
    expect(() => timeInterval(options)).toThrow(invalid)
  })

  test.each(['12:00', '2026-01-01T00:00', '', Number.NaN, Infinity])(
    'refuses the key %j',
    (key) => {
      const locate = timeInterval({ from: 0, below: 86_400_000, unit: 'day' })(namedNodes(3))
      expect(() => locate(key)).toThrow(unplaceable)
    },
  )
})
