import { rootCall } from '@stoa/kernel'

import { hintKey, type Tiers } from './tiers.ts'

/** Where an entry is asked for. */
export type Place = {
  /** The database of the entry itself. */
  readonly home: number
  /** Which copy to ask; 0 is the entry itself. */
  readonly copy: number
  readonly database: number
  /** Where it would be written that the entry is hot. */
  readonly hint: string | undefined
}

/** How an entry is asked for. */
export type Use = {
  readonly uses: number
  /** A copy has no tags, and is a step behind: who must see a write asks the entry itself. */
  readonly mayCopy: boolean
}

/** Counts uses of an entry, and tells the other isolates when it has become hot. */
export function countUses(full: string, { uses, mayCopy }: Use, tiers: Tiers): void {
  const isNews = tiers.hot.record(full, uses)
  if (isNews && tiers.copies > 1 && mayCopy) tell(full, tiers.redis.rank(full)[0] ?? 0, tiers)
}

/** Counts uses of an entry, and chooses one of the copies of a hot one by chance. */
export function placeOf(full: string, use: Use, tiers: Tiers): Place {
  const ranks = tiers.redis.rank(full)
  const home = ranks[0] ?? 0
  countUses(full, use, tiers)
  if (tiers.copies < 2 || !use.mayCopy) return { home, copy: 0, database: home, hint: undefined }
  const copy = tiers.hot.isHot(full) ? tiers.random.uint32() % tiers.copies : 0
  return { home, copy, database: ranks[copy] ?? home, hint: hintKey(full) }
}

function tell(full: string, home: number, tiers: Tiers): void {
  const call = rootCall('cache-hot-key')
  const telling = tiers.redis
    .sendTo(
      home,
      call,
    )([['SET', hintKey(full), 1, 'PX', tiers.hotForMs]])
    .catch((error: unknown) => tiers.report(error, call.requestId))
  tiers.defer(telling)
}
