import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ReplyError } from '../reply.ts'
import { option, word, type Context } from './command.ts'
import { syntaxError } from './errors.ts'
import { integer, maxInt64 } from './numbers.ts'

export type Unit = 'EX' | 'PX' | 'EXAT' | 'PXAT'

const units = new Set(['EX', 'PX', 'EXAT', 'PXAT'])

function isUnit(name: string): name is Unit {
  return units.has(name)
}

/**
 * The absolute deadline, in milliseconds since 1970, that `amount` of `unit` means.
 *
 * @throws ReplyError when it is not a positive integer or overflows.
 */
export function deadlineOf(
  unit: Unit,
  amount: Bytes,
  { clock, command }: { readonly clock: { readonly now: number }; readonly command: string },
): number {
  const value = BigInt(integer(amount))
  const invalid = new ReplyError(`ERR invalid expire time in '${command}' command`)
  if (value <= 0n) throw invalid
  const milliseconds = unit === 'EX' || unit === 'EXAT' ? value * 1000n : value
  const deadline =
    unit === 'EX' || unit === 'PX' ? milliseconds + BigInt(Math.trunc(clock.now)) : milliseconds
  if (deadline > maxInt64) throw invalid
  return Number(deadline)
}

/** How SET and GETEX were told to treat the deadline. */
export type Lifetime =
  | { readonly kind: 'none' | 'keep' | 'persist' }
  | { readonly kind: 'until'; readonly unit: Unit; readonly amount: Bytes }

/** Reads one lifetime option at `position`; undefined when there is none. @throws ReplyError when it lacks its amount. */
export function lifetimeAt(argv: Argv, position: number): Lifetime | undefined {
  const name = option(argv, position)
  if (name === 'KEEPTTL') return { kind: 'keep' }
  if (name === 'PERSIST') return { kind: 'persist' }
  if (!isUnit(name)) return undefined
  if (position + 1 >= argv.length) throw syntaxError()
  return { kind: 'until', unit: name, amount: word(argv, position + 1) }
}

/** Deletes a key whose deadline has passed, else notes the deadline; and logs which. */
export function expireAt(context: Context, key: Bytes, deadline: number): void {
  if (deadline <= context.clock.now) {
    context.keys.delete(key)
    context.log(['DEL', key])
    return
  }
  context.keys.setDeadline(key, deadline)
  context.log(['PEXPIREAT', key, String(deadline)])
}
