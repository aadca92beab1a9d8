import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import type { Reply } from '../reply.ts'
import type { Clock, Keyspace } from './keyspace.ts'
import type { Scripts } from './scripting.ts'

/** What a command may touch. */
export type Context = {
  readonly keys: Keyspace
  readonly clock: Clock
  readonly random: () => number
  readonly scripts: Scripts
  /**
   * Says that the database changed, and how to make the same change again: with absolute times and with the
   * choices of chance already made.
   */
  readonly log: (argv: Argv) => void
  /** Delivers to subscribers; returns how many heard it. */
  readonly publish: (channel: Bytes, message: Bytes) => number
}

/** A command of the in-process engine. */
export type Command = {
  /** As in Redis: the number of words with the name; negative means at least that many. */
  readonly arity: number
  readonly writes: boolean
  /** Refused inside scripts. */
  readonly noScript: boolean
  readonly run: (context: Context, argv: Argv) => Reply
}

export type Run = Command['run']

export const reads = (arity: number, run: Run): Command => ({
  arity,
  writes: false,
  noScript: false,
  run,
})
export const writes = (arity: number, run: Run): Command => ({
  arity,
  writes: true,
  noScript: false,
  run,
})

/** The word at `position`; the arity check has made sure that the required ones are there. */
export function word(argv: Argv, position: number): Bytes {
  return argv[position] ?? ''
}

/** The word at `position` as an option name. */
export function option(argv: Argv, position: number): string {
  return word(argv, position).toUpperCase()
}

export function matchesArity(arity: number, length: number): boolean {
  return arity >= 0 ? length === arity : length >= -arity
}

/** The words from `start` on, two at a time. */
export function pairs(argv: Argv, start: number): (readonly [Bytes, Bytes])[] {
  const found: (readonly [Bytes, Bytes])[] = []
  for (let at = start; at < argv.length; at += 2) found.push([word(argv, at), word(argv, at + 1)])
  return found
}

/** The half-open range of an inclusive pair of indexes that may count from the end. */
export function span(start: number, stop: number, length: number): readonly [number, number] {
  const from = Math.max(0, start < 0 ? start + length : start)
  const to = Math.min(length - 1, stop < 0 ? stop + length : stop)
  return from > to ? [0, 0] : [from, to + 1]
}
