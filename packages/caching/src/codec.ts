import { UnserialisableValueError } from './faults.ts'

/** How a value becomes text and comes back. What `decode` gives is shared by all readers of an isolate. */
export type Codec<T> = {
  encode(value: T): string
  decode(text: string): T
}

/**
 * JSON, for values that come back from it as they were: others are refused, not bent. Decoded values are frozen, since
 * one object answers many requests.
 */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode: (value) => {
      check(value, '$', [])
      return JSON.stringify(value)
    },
    decode: (text) => frozen(JSON.parse(text)) as T,
  }
}

/** @throws UnserialisableValueError at the first part that JSON would lose or bend. */
function check(value: unknown, path: string, above: readonly object[]): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) throw new UnserialisableValueError(path, String(value))
      return
    case 'object':
      if (value !== null) checkObject(value, path, above)
      return
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      throw new UnserialisableValueError(path, `a ${typeof value}`)
  }
}

function checkObject(value: object, path: string, above: readonly object[]): void {
  if (above.includes(value)) throw new UnserialisableValueError(path, 'a cycle')
  const within = [...above, value]
  if (Array.isArray(value)) {
    // By index: `forEach` would pass over holes, which JSON turns into null.
    for (let at = 0; at < value.length; at += 1) check(value[at], `${path}[${at}]`, within)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new UnserialisableValueError(path, `a ${value.constructor.name}`)
  }
  for (const [name, part] of Object.entries(value)) {
    // An absent property and one that is undefined read the same.
    if (part !== undefined) check(part, `${path}.${name}`, within)
  }
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) frozen(part)
  return Object.freeze(value)
}
