import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, writes, type Command, type Context } from './command.ts'
import { noSuchKey, syntaxError } from './errors.ts'
import { globOf } from './glob.ts'
import { index } from './numbers.ts'
import { copyValue } from './values.ts'

function remove(context: Context, argv: Argv): Reply {
  const gone = argv.slice(1).filter((key) => context.keys.delete(key))
  if (gone.length > 0) context.log(['DEL', ...gone])
  return gone.length
}

function countExisting({ keys }: Context, argv: Argv): Reply {
  return argv.slice(1).filter((key) => keys.has(key)).length
}

function typeOf({ keys }: Context, argv: Argv): Reply {
  return { status: keys.get(word(argv, 1))?.type ?? 'none' }
}

/** Moves the value and its deadline over whatever is at `target`. */
function move({ keys }: Context, source: Bytes, target: Bytes): void {
  const value = keys.get(source)
  const deadline = keys.deadline(source)
  if (!value) return
  keys.delete(source)
  keys.delete(target)
  keys.set(target, value)
  keys.setDeadline(target, deadline)
}

function rename(context: Context, argv: Argv): Reply {
  if (!context.keys.has(word(argv, 1))) throw noSuchKey()
  if (word(argv, 1) === word(argv, 2)) return ok
  move(context, word(argv, 1), word(argv, 2))
  context.log(argv)
  return ok
}

function renameIfAbsent(context: Context, argv: Argv): Reply {
  if (!context.keys.has(word(argv, 1))) throw noSuchKey()
  if (context.keys.has(word(argv, 2))) return 0
  move(context, word(argv, 1), word(argv, 2))
  context.log(argv)
  return 1
}

function copy(context: Context, argv: Argv): Reply {
  let replace = false
  let database = '0'
  for (let at = 3; at < argv.length; at++) {
    if (option(argv, at) === 'REPLACE') replace = true
    else if (option(argv, at) === 'DB' && at + 1 < argv.length) {
      database = word(argv, ++at)
    } else throw syntaxError()
  }
  if (index(database) !== 0) throw new ReplyError('ERR DB index is out of range')
  const source = word(argv, 1)
  const target = word(argv, 2)
  // Upstash copies nothing where Redis objects; its client's own tests hold it to that.
  if (source === target) return 0
  const value = context.keys.get(source)
  if (!value || (!replace && context.keys.has(target))) return 0
  context.keys.delete(target)
  context.keys.set(target, copyValue(value))
  context.keys.setDeadline(target, context.keys.deadline(source))
  context.log(argv)
  return 1
}

function list({ keys }: Context, argv: Argv): Reply {
  return keys.keys().filter(globOf(word(argv, 1)))
}

type ScanOptions = {
  readonly matches: (text: Bytes) => boolean
  readonly count: number
  readonly type: string | undefined
  readonly withTypes: boolean
}

const cursorPattern = /^\d{1,20}$/

/** Reads a SCAN cursor. @throws ReplyError when it is no number. */
export function cursorOf(text: Bytes): number {
  if (!cursorPattern.test(text)) throw new ReplyError('ERR invalid cursor')
  return Number(text)
}

/** Reads `[MATCH pattern] [COUNT n]` from `position` on, and Upstash's `[TYPE type] [WITHTYPE]` of SCAN too. */
export function scanOptions(argv: Argv, position: number): ScanOptions {
  let matches = globOf('*')
  let count = 10
  let type: string | undefined
  let withTypes = false
  for (let at = position; at < argv.length; at += 2) {
    const name = option(argv, at)
    if (name === 'WITHTYPE' && position === 2) {
      withTypes = true
      at--
      continue
    }
    if (at + 1 >= argv.length) throw syntaxError()
    if (name === 'MATCH') matches = globOf(word(argv, at + 1))
    else if (name === 'COUNT') count = index(word(argv, at + 1))
    else if (name === 'TYPE' && position === 2) type = word(argv, at + 1).toLowerCase()
    else throw syntaxError()
    if (count < 1) throw syntaxError()
  }
  return { matches, count, type, withTypes }
}

function scan({ keys }: Context, argv: Argv): Reply {
  const cursor = cursorOf(word(argv, 1))
  const { matches, count, type, withTypes } = scanOptions(argv, 2)
  const page = keys.scan(cursor, count)
  const found = page.keys.filter(
    (key) => matches(key) && (type === undefined || keys.get(key)?.type === type),
  )
  const listed = withTypes ? found.flatMap((key) => [key, keys.get(key)?.type ?? 'none']) : found
  return [String(page.cursor), listed]
}

function flush(context: Context, argv: Argv): Reply {
  const mode = option(argv, 1)
  if (argv.length > 2 || (argv.length === 2 && mode !== 'ASYNC' && mode !== 'SYNC')) {
    throw syntaxError()
  }
  context.keys.clear()
  context.log(['FLUSHDB'])
  return ok
}

export const keyCommands: Readonly<Record<string, Command>> = {
  DEL: writes(-2, remove),
  UNLINK: writes(-2, remove),
  EXISTS: reads(-2, countExisting),
  TOUCH: reads(-2, countExisting),
  TYPE: reads(2, typeOf),
  RENAME: writes(3, rename),
  RENAMENX: writes(3, renameIfAbsent),
  COPY: writes(-3, copy),
  KEYS: reads(2, list),
  SCAN: reads(-2, scan),
  RANDOMKEY: reads(1, ({ keys, random }) => keys.random(random) ?? null),
  DBSIZE: reads(1, ({ keys }) => keys.size),
  FLUSHDB: writes(-1, flush),
  FLUSHALL: writes(-1, flush),
}
