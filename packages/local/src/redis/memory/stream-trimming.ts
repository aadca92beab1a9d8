import type { Argv } from '../engine.ts'
import { ReplyError } from '../reply.ts'
import { option, word } from './command.ts'
import { syntaxError } from './errors.ts'
import { index } from './numbers.ts'
import { compareIds, idOf, positionOf, type Stream, type StreamId } from './stream.ts'

/** `MAXLEN | MINID [= | ~] threshold [LIMIT n]`, and how many words it took. */
export type Trimming = {
  readonly threshold:
    | { readonly kind: 'length'; readonly most: number }
    | { readonly kind: 'id'; readonly least: StreamId }
  readonly approximate: boolean
  readonly limit: number
  readonly words: number
}

/** What `~` removes at most when LIMIT does not say: 100 nodes of 100 entries. */
const defaultLimit = 10_000

/** Reads a trimming at `position`; undefined when there is none. @throws ReplyError when it is malformed. */
export function trimmingAt(argv: Argv, position: number): Trimming | undefined {
  const name = option(argv, position)
  if (name !== 'MAXLEN' && name !== 'MINID') return undefined
  const sign = word(argv, position + 1)
  const signed = sign === '~' || sign === '='
  const at = position + (signed ? 2 : 1)
  if (at >= argv.length) throw syntaxError()
  const threshold =
    name === 'MAXLEN'
      ? ({ kind: 'length', most: lengthOf(word(argv, at)) } as const)
      : ({ kind: 'id', least: idOf(word(argv, at), 0n) } as const)
  const limited = option(argv, at + 1) === 'LIMIT' && at + 2 < argv.length
  const limit = limited ? index(word(argv, at + 2)) : defaultLimit
  if (limit < 0) throw new ReplyError('ERR The LIMIT argument must be >= 0.')
  if (limited && sign !== '~') {
    throw new ReplyError('ERR syntax error, LIMIT cannot be used without the special ~ option')
  }
  const words = at + (limited ? 3 : 1) - position
  return { threshold, approximate: sign === '~', limit, words }
}

function lengthOf(text: string): number {
  const most = index(text)
  if (most < 0) throw new ReplyError('ERR The MAXLEN argument must be >= 0.')
  return most
}

/** Removes what the trimming says and returns how many entries went. */
export function trimmed(stream: Stream, trimming: Trimming): number {
  const wanted = trimming.approximate ? wholeNodes(stream, trimming) : excessOf(stream, trimming)
  stream.entries.splice(0, wanted)
  return wanted
}

function excessOf(stream: Stream, { threshold }: Trimming): number {
  return threshold.kind === 'length'
    ? Math.max(0, stream.entries.length - threshold.most)
    : positionOf(stream, threshold.least)
}

/** The entries of the oldest nodes that lie wholly beyond the threshold; a limit of 0 is none. */
function wholeNodes({ entries }: Stream, { threshold, limit }: Trimming): number {
  const bound = limit === 0 ? Infinity : limit
  let removed = 0
  for (;;) {
    const node = entries[removed]?.node
    let end = removed
    while (end < entries.length && entries[end]?.node === node) end++
    if (!node || end > bound) return removed
    const isBeyond =
      threshold.kind === 'length'
        ? entries.length - end >= threshold.most
        : compareIds(node.last, threshold.least) < 0
    if (!isBeyond) return removed
    removed = end
  }
}
