import type { Clock } from '@stoa/kernel'

/** Failures in a row after which a database is left alone. */
const failuresMax = 3

/** How long it is left alone first, doubled while it goes on failing, and the longest. */
const openMs = 60_000
const openMsMax = 15 * 60_000

type State = { readonly failures: number; readonly openUntil: number }

/** Which databases are worth asking: one that failed three times in a row is left alone for a while, then tried once. */
export type Circuits = {
  isClosed(name: string): boolean
  succeeded(name: string): void
  failed(name: string): void
}

/** Kept in memory: an isolate that is new knows of no failure, and finds out at the cost of three calls. */
export function createCircuits(clock: Clock): Circuits {
  const states = new Map<string, State>()
  return {
    isClosed: (name) => (states.get(name)?.openUntil ?? 0) <= clock.now(),
    succeeded: (name) => {
      states.delete(name)
    },
    failed: (name) => {
      const failures = (states.get(name)?.failures ?? 0) + 1
      const over = failures - failuresMax
      const wait = over < 0 ? 0 : Math.min(openMs * 2 ** over, openMsMax)
      states.set(name, { failures, openUntil: wait === 0 ? 0 : clock.now() + wait })
    },
  }
}
