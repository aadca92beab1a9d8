import type { Clock } from '@stoa/kernel'

import type { Outcome } from './fetch.ts'
import { race } from './race.ts'

/** A fetch under way in this isolate. */
type Flight = { readonly outcome: Promise<Outcome>; readonly startedAt: number }

/** Whether an outcome will do for one who joined when its flight was `ageMs` old: it may be of a moment that much earlier. */
type Accepts = (outcome: Outcome, ageMs: number) => boolean

/** One fetch for each key of an isolate, however many ask: single flight, of which none waits for ever. */
export type Flights = {
  /**
   * The outcome of the flight of `key`, if there is one and the caller accepts what it brings; `undefined` when the
   * caller has to fly by itself.
   */
  join(key: string, accepts: Accepts): Promise<Outcome | undefined> | undefined
  /** Begins a flight, which the next callers join. */
  start(key: string, fly: () => Promise<Outcome>): Promise<Outcome>
  /** Lets nobody else join the flight of `key`. */
  abandon(key: string): void
  abandonAll(): void
}

export function createFlights(joinMs: number, clock: Clock): Flights {
  const flights = new Map<string, Flight>()
  const joined = async (key: string, { outcome, startedAt }: Flight, accepts: Accepts) => {
    const ageMs = clock.now() - startedAt
    const raced = await race(outcome, joinMs, clock)
    if (!raced.isLate) return accepts(raced.value, ageMs) ? raced.value : undefined
    // Its request may be gone. The first to notice takes its place, and the others join that one.
    if (flights.get(key)?.outcome === outcome) flights.delete(key)
    return undefined
  }
  return {
    join: (key, accepts) => {
      const flight = flights.get(key)
      return flight === undefined ? undefined : joined(key, flight, accepts)
    },
    start: (key, fly) => {
      const outcome = fly().finally(() => {
        if (flights.get(key) === flight) flights.delete(key)
      })
      const flight: Flight = { outcome, startedAt: clock.now() }
      flights.set(key, flight)
      return outcome
    },
    abandon: (key) => {
      flights.delete(key)
    },
    abandonAll: () => flights.clear(),
  }
}
