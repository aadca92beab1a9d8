import { utf8 } from './utf8.ts'

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)
  return crc
})

/** CRC16/XMODEM of the UTF-8 bytes of `text`, as Redis Cluster computes it. O(bytes). */
export function crc16(text: string): number {
  let crc = 0
  for (const byte of utf8(text)) {
    crc = ((crc << 8) & 0xffff) ^ (table[(crc >>> 8) ^ byte] ?? 0)
  }
  return crc
}

/**
 * The slot of `key` in Redis Cluster, 0 to 16,383: of what stands between its first `{` and the next `}`, when that
 * is not empty, so that keys with one tag share a slot.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
export function redisSlot(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) & 0x3fff
}
