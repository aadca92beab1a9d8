import type { Bytes } from '../bytes.ts'
import { ReplyError } from '../reply.ts'

const flags = new Set([
  'no-writes',
  'allow-oom',
  'allow-stale',
  'no-cluster',
  'allow-cross-slot-keys',
])

/**
 * What the first line of a script says when it is `#!lua [flags=…]`, and the script with that line emptied.
 *
 * Upstash's own `allow-key-locking` is refused, as Redis refuses it.
 *
 * @throws ReplyError for another engine or an unknown flag.
 */
export function flagsOf(source: Bytes): { readonly body: Bytes; readonly readOnly: boolean } {
  if (!source.startsWith('#!')) return { body: source, readOnly: false }
  const end = source.indexOf('\n')
  if (end < 0) throw new ReplyError('ERR Invalid script shebang')
  const [engine, ...options] = source.slice(2, end).trim().split(/\s+/)
  if (engine !== 'lua') throw new ReplyError(`ERR Unexpected engine in script shebang: #!${engine}`)
  const given: string[] = []
  for (const each of options) {
    if (!each.startsWith('flags=')) {
      throw new ReplyError(`ERR Unknown lua shebang option: ${each}`)
    }
    given.push(...each.slice('flags='.length).split(',').filter(Boolean))
  }
  const unknown = given.find((flag) => !flags.has(flag))
  if (unknown !== undefined) {
    throw new ReplyError(`ERR Unexpected flag in script shebang: ${unknown}`)
  }
  return { body: source.slice(end), readOnly: given.includes('no-writes') }
}
