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

/** Chooses one of the copies of a hot entry by chance, and tells the other isolates when an entry has become hot. */
export function placeOf(
  full: string,
  { uses, mayCopy }: { readonly uses: number; readonly mayCopy: boolean },
  tiers: Tiers,
): Place {
  const ranks = tiers.redis.rank(full)
  const home = ranks[0] ?? 0
  const isNews = tiers.hot.record(full, uses)
  if (tiers.copies < 2 || !mayCopy) return { home, copy: 0, database: home, hint: undefined }
  if (isNews) tell(full, home, tiers)
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
