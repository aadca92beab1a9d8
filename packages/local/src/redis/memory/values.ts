import type { Bytes } from '../bytes.ts'
import { SortedSet } from './sorted-set.ts'
import { copyStream, type Stream } from './stream.ts'

type StringValue = { readonly type: 'string'; bytes: Bytes }
type HashValue = { readonly type: 'hash'; readonly fields: Map<Bytes, Bytes> }
type ListValue = { readonly type: 'list'; items: Bytes[] }
type SetValue = { readonly type: 'set'; readonly members: Set<Bytes> }
type SortedSetValue = { readonly type: 'zset'; readonly scores: SortedSet }
type StreamValue = { readonly type: 'stream'; readonly stream: Stream }

export type Value = StringValue | HashValue | ListValue | SetValue | SortedSetValue | StreamValue
export type Type = Value['type']

/** A copy that shares nothing that can change. */
export function copyValue(value: Value): Value {
  switch (value.type) {
    case 'string':
      return { type: 'string', bytes: value.bytes }
    case 'hash':
      return { type: 'hash', fields: new Map(value.fields) }
    case 'list':
      return { type: 'list', items: [...value.items] }
    case 'set':
      return { type: 'set', members: new Set(value.members) }
    case 'zset':
      return { type: 'zset', scores: new SortedSet(value.scores.entries()) }
    case 'stream':
      return { type: 'stream', stream: copyStream(value.stream) }
  }
}
