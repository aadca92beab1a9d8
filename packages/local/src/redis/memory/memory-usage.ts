import type { Bytes } from '../bytes.ts'
import type { Value } from './values.ts'

/** What Redis 7 takes for a short key with a short value. */
const keyOverhead = 56
/** Of each element of a collection: roughly a hash table entry with its string header. */
const elementOverhead = 32

/**
 * An estimate of the bytes that a key and its value take in Redis, never of what they take in this process: it grows
 * with the data as Redis's does, and is no exact number there either. Cost: one pass over the value.
 */
export function bytesUsed(key: Bytes, value: Value): number {
  let bytes = keyOverhead + key.length
  for (const element of elements(value)) bytes += elementOverhead + element
  return value.type === 'string' ? bytes + value.bytes.length : bytes
}

/** The length of each element. */
function* elements(value: Value): Generator<number> {
  if (value.type === 'hash') {
    for (const [field, content] of value.fields) yield field.length + content.length
  }
  if (value.type === 'list') for (const item of value.items) yield item.length
  if (value.type === 'set') for (const member of value.members) yield member.length
  if (value.type === 'zset') for (const { member } of value.scores.entries()) yield member.length
  if (value.type === 'stream') {
    for (const entry of value.stream.entries) yield entry.fields.join('').length
  }
}
