import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { noSuchKey, syntaxError, wrongArity } from './errors.ts'
import { index, integer } from './numbers.ts'
import { trimmingAt, trimmed, type Trimming } from './stream-trimming.ts'
import {
  append,
  compareIds,
  emptyStream,
  firstId,
  idOf,
  idText,
  invalidId,
  lastId,
  maxPart,
  positionOf,
  predecessor,
  successor,
  type Stream,
  type StreamEntry,
  type StreamId,
} from './stream.ts'

function streamAt({ keys }: Context, key: Bytes): Stream | undefined {
  return keys.find(key, 'stream')?.stream
}

type Addition = {
  readonly create: boolean
  readonly trimming: Trimming | undefined
  readonly id: Bytes
  readonly fields: Argv
}

function parseAdd(argv: Argv): Addition {
  let create = true
  let trimming: Trimming | undefined
  let at = 2
  for (; at < argv.length; at++) {
    const found = trimmingAt(argv, at)
    if (found) {
      trimming = found
      at += found.words - 1
    } else if (option(argv, at) === 'NOMKSTREAM') create = false
    else break
  }
  const fields = argv.slice(at + 1)
  const id = word(argv, at)
  if (id !== '*' && !/^\d+-\*$/.test(id)) idOf(id, 0n)
  if (fields.length < 2 || fields.length % 2 === 1) throw wrongArity('xadd')
  return { create, trimming, id, fields }
}

const exhausted = () =>
  new ReplyError('ERR The stream has exhausted the last possible ID, unable to add more items')
const tooSmall = () =>
  new ReplyError('ERR The ID specified in XADD is equal or smaller than the target stream top item')

function nextId({ last }: Stream, text: Bytes, now: number): StreamId {
  if (text === '*') {
    const ms = BigInt(Math.trunc(now))
    const next = ms > last.ms ? { ms, seq: 0n } : successor(last)
    if (!next) throw exhausted()
    return next
  }
  if (text.endsWith('-*')) {
    const { ms } = idOf(text.slice(0, -2), 0n)
    if (ms < last.ms || (ms === last.ms && last.seq === maxPart)) throw tooSmall()
    return { ms, seq: ms === last.ms ? last.seq + 1n : 0n }
  }
  const id = idOf(text, 0n)
  if (compareIds(id, last) <= 0) throw tooSmall()
  return id
}

function add(context: Context, argv: Argv): Reply {
  const { create, trimming, id: text, fields } = parseAdd(argv)
  const isZero = /^0+-?0*$/.test(text)
  if (isZero) throw new ReplyError('ERR The ID specified in XADD must be greater than 0-0')
  const key = word(argv, 1)
  const found = streamAt(context, key)
  if (!found && !create) return null
  const stream = found ?? emptyStream()
  if (compareIds(stream.last, lastId) === 0) throw exhausted()
  const id = nextId(stream, text, context.clock.now)
  if (!found) context.keys.set(key, { type: 'stream', stream })
  append(stream, id, fields)
  context.log(['XADD', key, idText(id), ...fields])
  if (trimming) trim(context, key, stream, trimming)
  return idText(id)
}

function trim(context: Context, key: Bytes, ...rest: readonly [Stream, Trimming]): number {
  const [stream, trimming] = rest
  const removed = trimmed(stream, trimming)
  if (removed > 0) context.log(['XTRIM', key, 'MAXLEN', String(stream.entries.length)])
  return removed
}

function trimCommand(context: Context, argv: Argv): Reply {
  const trimming = trimmingAt(argv, 2)
  if (!trimming || trimming.words !== argv.length - 2) throw syntaxError()
  const stream = streamAt(context, word(argv, 1))
  return stream ? trim(context, word(argv, 1), stream, trimming) : 0
}

function remove(context: Context, argv: Argv): Reply {
  const ids = argv.slice(2).map((text) => idOf(text, 0n))
  const stream = streamAt(context, word(argv, 1))
  if (!stream) return 0
  let removed = 0
  for (const id of ids) {
    const at = positionOf(stream, id)
    const entry = stream.entries[at]
    if (!entry || compareIds(entry.id, id) !== 0) continue
    stream.entries.splice(at, 1)
    if (compareIds(id, stream.maxDeleted) > 0) stream.maxDeleted = id
    removed++
  }
  if (removed > 0) context.log(argv)
  return removed
}

function rangeStart(text: Bytes): StreamId {
  if (text === '-') return firstId
  if (text === '+') return lastId
  if (!text.startsWith('(')) return idOf(text, 0n)
  const next = successor(idOf(text.slice(1), 0n))
  if (!next) throw new ReplyError('ERR invalid start ID for the interval')
  return next
}

function rangeEnd(text: Bytes): StreamId {
  if (text === '-') return firstId
  if (text === '+') return lastId
  if (!text.startsWith('(')) return idOf(text, maxPart)
  const before = predecessor(idOf(text.slice(1), maxPart))
  if (!before) throw new ReplyError('ERR invalid end ID for the interval')
  return before
}

function entryReply({ id, fields }: StreamEntry): Reply {
  return [idText(id), fields]
}

function range(reverse: boolean) {
  return (context: Context, argv: Argv): Reply => {
    const start = rangeStart(word(argv, reverse ? 3 : 2))
    const end = rangeEnd(word(argv, reverse ? 2 : 3))
    let wanted = -1
    for (let at = 4; at < argv.length; at += 2) {
      if (option(argv, at) !== 'COUNT' || at + 1 >= argv.length) throw syntaxError()
      wanted = Math.max(0, index(word(argv, at + 1)))
    }
    const stream = streamAt(context, word(argv, 1))
    if (!stream) return []
    if (wanted === 0) return null
    const past = successor(end)
    const stop = past ? positionOf(stream, past) : stream.entries.length
    const inside = stream.entries.slice(positionOf(stream, start), stop)
    const ordered = reverse ? inside.toReversed() : inside
    return (wanted < 0 ? ordered : ordered.slice(0, wanted)).map(entryReply)
  }
}

function read(context: Context, argv: Argv): Reply {
  let wanted = 0
  let at = 1
  for (; at < argv.length && option(argv, at) !== 'STREAMS'; at += 2) {
    const name = option(argv, at)
    if (at + 1 >= argv.length) throw syntaxError()
    if (name === 'COUNT') wanted = Math.max(0, index(word(argv, at + 1)))
    else if (name === 'BLOCK') blockTime(word(argv, at + 1))
    else throw syntaxError()
  }
  const rest = argv.slice(at + 1)
  if (rest.length === 0) throw syntaxError()
  if (rest.length % 2 === 1) {
    throw new ReplyError(
      "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
    )
  }
  const half = rest.length / 2
  const keys = rest.slice(0, half)
  const after = rest.slice(half).map((text, each) => {
    const stream = streamAt(context, word(keys, each))
    return text === '$' ? (stream?.last ?? firstId) : idOf(text, 0n)
  })
  const found = keys.flatMap((key, each) => {
    const entries = entriesAfter(streamAt(context, key), after[each] ?? firstId, wanted)
    return entries.length > 0 ? [[key, entries.map(entryReply)]] : []
  })
  return found.length > 0 ? found : null
}

function blockTime(text: Bytes): void {
  const timeout = index(text)
  if (timeout < 0) throw new ReplyError('ERR timeout is negative')
}

function entriesAfter(
  stream: Stream | undefined,
  id: StreamId,
  wanted: number,
): readonly StreamEntry[] {
  const next = successor(id)
  if (!stream || !next) return []
  const from = positionOf(stream, next)
  return stream.entries.slice(from, wanted > 0 ? from + wanted : undefined)
}

function info(context: Context, argv: Argv): Reply {
  const asked = option(argv, 1)
  if ((asked !== 'STREAM' && asked !== 'GROUPS') || argv.length !== 3) {
    throw new ReplyError(`ERR unknown subcommand '${word(argv, 1)}'. Try XINFO HELP.`)
  }
  const stream = streamAt(context, word(argv, 2))
  if (!stream) throw noSuchKey()
  // No stream of this engine has any.
  if (asked === 'GROUPS') return []
  const [first] = stream.entries
  const last = stream.entries.at(-1)
  return [
    'length',
    stream.entries.length,
    'radix-tree-keys',
    stream.entries.length === 0 ? 0 : 1,
    'radix-tree-nodes',
    stream.entries.length === 0 ? 1 : 2,
    'last-generated-id',
    idText(stream.last),
    'max-deleted-entry-id',
    idText(stream.maxDeleted),
    'entries-added',
    stream.added,
    'recorded-first-entry-id',
    idText(first?.id ?? firstId),
    'groups',
    0,
    'first-entry',
    first ? entryReply(first) : null,
    'last-entry',
    last ? entryReply(last) : null,
  ]
}

/** `XSETID key last [ENTRIESADDED n MAXDELETEDID id]`: how a snapshot restores what the entries do not say. */
function setId(context: Context, argv: Argv): Reply {
  const last = idOf(word(argv, 2), 0n)
  const counted = argv.length === 7
  if (argv.length !== 3 && !counted) throw syntaxError()
  const stream = streamAt(context, word(argv, 1))
  if (!stream) throw noSuchKey()
  const top = stream.entries.at(-1)
  if (top && compareIds(last, top.id) < 0) {
    throw new ReplyError(
      'ERR The ID specified in XSETID is smaller than the target stream top item',
    )
  }
  stream.last = last
  if (counted) {
    if (option(argv, 3) !== 'ENTRIESADDED' || option(argv, 5) !== 'MAXDELETEDID') throw invalidId()
    stream.added = Number(integer(word(argv, 4)))
    stream.maxDeleted = idOf(word(argv, 6), 0n)
  }
  context.log(argv)
  return ok
}

export const streams: Readonly<Record<string, Command>> = {
  XADD: writes(-5, add),
  XLEN: reads(2, (context, argv) => streamAt(context, word(argv, 1))?.entries.length ?? 0),
  XRANGE: reads(-4, range(false)),
  XREVRANGE: reads(-4, range(true)),
  XDEL: writes(-3, remove),
  XTRIM: writes(-4, trimCommand),
  XREAD: reads(-4, read),
  XINFO: reads(-2, info),
  XSETID: writes(-3, setId),
}
