import type { Argv } from '../engine.ts'
import { deadlineOf } from '../memory/deadlines.ts'
import { setOptions, type SetOptions } from '../memory/set-command.ts'
import { ReplyError } from '../reply.ts'

/**
 * `SET … IFEQ` and `IFNE` for servers older than Redis 8.4: the comparison and the write as one script.
 *
 * ARGV: the value, `eq` or `ne`, the value compared with, `get` or not, then the options that SET understands.
 */
const script = `
local before = redis.pcall('GET', KEYS[1])
if type(before) == 'table' then return before end
local matches = before == ARGV[3]
if ARGV[2] == 'ne' then matches = before ~= ARGV[3] end
if not matches then
  if ARGV[4] == 'get' then return before end
  return false
end
local written = redis.pcall('SET', KEYS[1], ARGV[1], unpack(ARGV, 5))
if written.err or ARGV[4] ~= 'get' then return written end
return before
`

/**
 * The EVAL that stands for a SET with a comparison; undefined for any other SET.
 *
 * The options are checked here, because a comparison that fails must not hide that they are wrong.
 */
export function conditionalSet(argv: Argv): Argv | undefined {
  if (!argv.slice(3).some((word) => /^if(?:eq|ne)$/i.test(word))) return undefined
  try {
    return evalOf(argv, setOptions(argv))
  } catch (error) {
    if (error instanceof ReplyError) return ['EVAL', 'return {err = ARGV[1]}', '0', error.message]
    throw error
  }
}

function evalOf(argv: Argv, { condition, lifetime, get }: SetOptions): Argv | undefined {
  if (!('to' in condition)) return undefined
  const [, key = '', value = ''] = argv
  const words = [value, condition.kind === 'equal' ? 'eq' : 'ne', condition.to, get ? 'get' : '']
  if (lifetime.kind === 'keep') words.push('KEEPTTL')
  if (lifetime.kind === 'until') {
    const { unit, amount } = lifetime
    deadlineOf(unit, amount, { clock: { now: Date.now() }, command: 'set' })
    words.push(unit, amount)
  }
  return ['EVAL', script, '1', key, ...words]
}
