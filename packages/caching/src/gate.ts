import { type Call, type Clock, type Random, sleep } from '@stoa/kernel'

import { CacheOverloadedError } from './faults.ts'

/** Bounds how many loads an isolate runs at once, whoever asked for them. */
export type Gate = {
  /**
   * Runs `work` when fewer than `max` others run, waiting up to `waitMs` for that.
   *
   * @throws CacheOverloadedError when there was no room in time.
   */
  run<T>(work: () => Promise<T>, limits: GateLimits, call: Call): Promise<T>
}

export type GateLimits = { readonly max: number; readonly waitMs: number }

/** Milliseconds between two looks: a place that another request leaves cannot be awaited, for that request may be gone. */
const lookMs = 10

/** A gate whose places fall free by themselves after `lifeMs`: the request that held one may have died. */
export function createGate(lifeMs: number, clock: Clock, random: Random): Gate {
  const running = new Map<symbol, number>()
  const enter = (max: number): symbol | undefined => {
    const now = clock.now()
    if (running.size >= max) {
      for (const [place, until] of running) if (until <= now) running.delete(place)
    }
    if (running.size >= max) return undefined
    const place = Symbol('load')
    running.set(place, now + lifeMs)
    return place
  }
  return {
    run: async (work, { max, waitMs }, call) => {
      const giveUp = clock.now() + waitMs
      let place = enter(max)
      while (place === undefined) {
        if (clock.now() >= giveUp) throw new CacheOverloadedError(running.size)
        await sleep(lookMs + (random.uint32() % lookMs), clock, call.signal)
        place = enter(max)
      }
      try {
        return await work()
      } finally {
        running.delete(place)
      }
    },
  }
}
