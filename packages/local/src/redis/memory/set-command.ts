import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { ok, type Reply } from '../reply.ts'
import { option, word, type Context } from './command.ts'
import { deadlineOf, lifetimeAt, type Lifetime } from './deadlines.ts'
import { syntaxError } from './errors.ts'

/** What must hold of the present value for SET to write. */
type Condition =
  | { readonly kind: 'always' | 'absent' | 'present' }
  | { readonly kind: 'equal' | 'different'; readonly to: Bytes }

export type SetOptions = {
  readonly condition: Condition
  readonly lifetime: Lifetime
  /** Answer the value that was there before, written over or not. */
  readonly get: boolean
}

/** The options after `SET key value`. @throws ReplyError when they contradict each other. */
export function setOptions(argv: Argv): SetOptions {
  let condition: Condition = { kind: 'always' }
  let lifetime: Lifetime = { kind: 'none' }
  let get = false
  for (let at = 3; at < argv.length; at++) {
    const foundCondition = conditionAt(argv, at)
    const foundLifetime = foundCondition ? undefined : lifetimeAt(argv, at)
    if (
      foundCondition &&
      (condition.kind === 'always' || sameCondition(condition, foundCondition))
    ) {
      condition = foundCondition
      if ('to' in foundCondition) at++
    } else if (foundLifetime && mayFollow(lifetime, foundLifetime)) {
      lifetime = foundLifetime
      if (foundLifetime.kind === 'until') at++
    } else if (option(argv, at) === 'GET') get = true
    else throw syntaxError()
  }
  return { condition, lifetime, get }
}

function mayFollow(before: Lifetime, next: Lifetime): boolean {
  if (next.kind === 'persist') return false
  return before.kind === 'none' || (before.kind === 'keep' && next.kind === 'keep')
}

function sameCondition(left: Condition, right: Condition): boolean {
  return left.kind === right.kind && !('to' in left)
}

function conditionAt(argv: Argv, position: number): Condition | undefined {
  const name = option(argv, position)
  if (name === 'NX') return { kind: 'absent' }
  if (name === 'XX') return { kind: 'present' }
  if (name !== 'IFEQ' && name !== 'IFNE') return undefined
  if (position + 1 >= argv.length) throw syntaxError()
  return { kind: name === 'IFEQ' ? 'equal' : 'different', to: word(argv, position + 1) }
}

/**
 * SET with every option. `IFEQ` needs the key to exist and to be equal; `IFNE` also writes where there is no key.
 *
 * @see https://upstash.com/docs/redis/commands/string/set
 */
export function set(context: Context, argv: Argv): Reply {
  const { condition, lifetime, get } = setOptions(argv)
  const key = word(argv, 1)
  const value = word(argv, 2)
  const deadline =
    lifetime.kind === 'until'
      ? deadlineOf(lifetime.unit, lifetime.amount, { clock: context.clock, command: 'set' })
      : undefined
  const compares = 'to' in condition
  const before = get || compares ? context.keys.find(key, 'string')?.bytes : undefined
  const answer = get ? (before ?? null) : ok
  if (!holds(context, key, { condition, before })) return get ? answer : null
  store(context, key, { value, deadline, keep: lifetime.kind === 'keep' })
  return answer
}

function holds(
  context: Context,
  key: Bytes,
  { condition, before }: { readonly condition: Condition; readonly before: Bytes | undefined },
): boolean {
  switch (condition.kind) {
    case 'always':
      return true
    case 'absent':
      return !context.keys.has(key)
    case 'present':
      return context.keys.has(key)
    case 'equal':
      return before === condition.to
    case 'different':
      return before !== condition.to
  }
}

/** Writes a string over whatever is at `key`, with its deadline, and logs it. */
export function store(
  context: Context,
  key: Bytes,
  written: {
    readonly value: Bytes
    readonly deadline?: number | undefined
    readonly keep?: boolean
  },
): void {
  const { value, deadline, keep = false } = written
  if (deadline !== undefined && deadline <= context.clock.now) {
    context.keys.delete(key)
    context.log(['DEL', key])
    return
  }
  context.keys.set(key, { type: 'string', bytes: value })
  if (!keep) context.keys.setDeadline(key, deadline)
  if (deadline !== undefined) context.log(['SET', key, value, 'PXAT', String(deadline)])
  else context.log(keep ? ['SET', key, value, 'KEEPTTL'] : ['SET', key, value])
}
