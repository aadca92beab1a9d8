import type { Clock } from '@stoa/kernel'

import { SpaceSaving } from './space-saving.ts'

export type HotOptions = {
  /** Uses of a key in one isolate and window that make it hot. */
  readonly hits: number
  readonly windowMs: number
  /** How long it then counts as hot, here and in every isolate that learns of it. */
  readonly forMs: number
}

/** Counters of the detector: it finds every key with more than 1/256 of the uses. */
const countersMax = 256
/** Hot keys remembered: with 256 counters no more can be hot in a window. */
const hotMax = 256

/** Which keys are used so much that one database must not bear them alone. */
export type HotKeys = {
  isHot(key: string): boolean
  /** Counts uses; true when they have just made the key hot, so that the others should learn it. */
  record(key: string, uses: number): boolean
  /** Another isolate found it hot. */
  learn(key: string): void
}

export function createHotKeys(options: HotOptions, clock: Clock): HotKeys {
  const counted = new SpaceSaving(countersMax)
  const hot = new Map<string, number>()
  let windowEnds = 0
  const heat = (key: string, now: number) => {
    hot.delete(key)
    hot.set(key, now + options.forMs)
    if (hot.size <= hotMax) return
    const oldest = hot.keys().next()
    if (oldest.done !== true) hot.delete(oldest.value)
  }
  return {
    isHot: (key) => (hot.get(key) ?? 0) > clock.now(),
    learn: (key) => heat(key, clock.now()),
    record: (key, uses) => {
      const now = clock.now()
      if (now >= windowEnds) {
        counted.clear()
        windowEnds = now + options.windowMs
      }
      if (counted.add(key, uses) < options.hits) return false
      // At most once in a half life: each telling is a command.
      const isNews = (hot.get(key) ?? 0) < now + options.forMs / 2
      if (isNews) heat(key, now)
      return isNews
    },
  }
}
