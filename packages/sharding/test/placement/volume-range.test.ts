import { describe, expect, test } from 'vitest'

import { volumeRange, type VolumeRangeOptions } from '../../src/placement/volume-range.ts'
import { namedNodes } from './arbitraries.ts'
import { invalid } from './refusals.ts'

describe('volumeRange', () => {
  // ShardingSphere's own example: 10 to 45 in volumes of 10 are six ranges, the fifth cut short.
  test('cuts the numbers as ShardingSphere does', () => {
    const locate = volumeRange({ from: 10, below: 45, volume: 10 })(namedNodes(6))

    expect([0, 9, 10, 19, 20, 39, 40, 44, 45, 99].map((key) => locate(key).name)).toEqual(
      [0, 0, 1, 1, 2, 3, 4, 4, 5, 5].map((range) => `node-${range}`),
    )
  })

  test.each<VolumeRangeOptions>([
    { from: 10, below: 10, volume: 1 },
    { from: 10, below: 0, volume: 1 },
    { from: 0, below: 10, volume: 0 },
    { from: 0, below: 10, volume: -1 },
    { from: 0, below: 1, volume: 0.1 },
    { from: 0, below: Infinity, volume: 1 },
    { from: 0, below: 1_000_000, volume: 1 },
    { from: Number.NaN, below: 1, volume: 1 },
  ])('refuses %j', (options) => {
    expect(() => volumeRange(options)).toThrow(invalid)
  })
})
