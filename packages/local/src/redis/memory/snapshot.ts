import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import type { Keyspace } from './keyspace.ts'
import { formatG } from './numbers.ts'
import { idText, type Stream } from './stream.ts'
import type { Value } from './values.ts'

/** Elements a command: long enough to be cheap, short enough not to be one huge record. */
const chunk = 128

/** The commands that make the keyspace again from nothing. */
export function* snapshotOf(keys: Keyspace): Generator<Argv> {
  for (const key of keys.keys()) {
    const value = keys.get(key)
    if (!value) continue
    yield* valueCommands(key, value)
    const deadline = keys.deadline(key)
    if (deadline !== undefined) yield ['PEXPIREAT', key, String(deadline)]
  }
}

function* valueCommands(key: Bytes, value: Value): Generator<Argv> {
  switch (value.type) {
    case 'string':
      yield ['SET', key, value.bytes]
      return
    case 'hash':
      yield* chunked(['HSET', key], [...value.fields].flat())
      return
    case 'list':
      yield* chunked(['RPUSH', key], value.items)
      return
    case 'set':
      yield* chunked(['SADD', key], [...value.members])
      return
    case 'zset':
      yield* chunked(
        ['ZADD', key],
        value.scores.entries().flatMap(({ member, score }) => [formatG(score, 17), member]),
      )
      return
    case 'stream':
      yield* streamCommands(key, value.stream)
  }
}

function* chunked(head: Argv, words: readonly Bytes[]): Generator<Argv> {
  for (let at = 0; at < words.length; at += 2 * chunk) {
    yield [...head, ...words.slice(at, at + 2 * chunk)]
  }
}

function* streamCommands(key: Bytes, stream: Stream): Generator<Argv> {
  for (const { id, fields } of stream.entries) yield ['XADD', key, idText(id), ...fields]
  if (stream.entries.length === 0) yield ['XADD', key, 'MAXLEN', '0', idText(stream.last), 'f', 'v']
  const { last, added, maxDeleted } = stream
  yield [
    'XSETID',
    key,
    idText(last),
    'ENTRIESADDED',
    String(added),
    'MAXDELETEDID',
    idText(maxDeleted),
  ]
}
