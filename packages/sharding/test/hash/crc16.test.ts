import { expect, test } from 'vitest'

import { crc16, redisSlot } from '../../src/hash/crc16.ts'

test('crc16 is XMODEM: its check value is 31C3', () => {
  expect(crc16('123456789')).toBe(0x31c3)
})

// CLUSTER KEYSLOT of Redis, and the examples of its specification.
test.for<[string, number]>([
  ['123456789', 12739],
  ['foo', 12182],
  ['hello', 866],
  ['aga', 609],
  ['bar', 5061],
  ['foo{bar}', 5061],
  ['user1000', 3443],
  ['{user1000}.following', 3443],
  ['{user1000}.followers', 3443],
  ['foo{}{bar}', 8363],
  ['foo{{bar}}zap', 4015],
  ['{bar', 4015],
  ['foo{bar}{zap}', 5061],
  ['', 0],
  ['{}', 15257],
  ['somekey', 11058],
])('redisSlot puts %j where Redis Cluster does', ([key, slot]) => {
  expect(redisSlot(key)).toBe(slot)
})
