import type { Clock, Random } from '@stoa/kernel'

import type { EdgeCache } from './edge.ts'
import { CacheKeyTooLongError } from './faults.ts'
import type { FetchDeps } from './fetch.ts'
import type { Gate } from './gate.ts'
import type { HotKeys } from './hot-keys.ts'
import { byteLength, type LoadDeps } from './load.ts'
import type { RedisTier } from './redis-tier.ts'
import type { TinyLfu } from './tiny-lfu.ts'

/** What all spaces of a cache share. */
export type Tiers = FetchDeps &
  LoadDeps & {
    readonly clock: Clock
    readonly random: Random
    readonly root: string
    readonly isolate: TinyLfu
    readonly edge: EdgeCache | undefined
    readonly redis: RedisTier
    readonly hot: HotKeys
    /** On how many databases a hot key lies. */
    readonly copies: number
    readonly hotForMs: number
    readonly gate: Gate
    readonly limits: {
      readonly keyBytesMax: number
      readonly loadsMax: number
      readonly degradedLoadsMax: number
      /** How long a reader may lag behind its primary. */
      readonly readerLagMs: number
    }
  }

/**
 * The key of an entry in Redis. A name of a space has no colon, so that no two entries share a key.
 *
 * @throws CacheKeyTooLongError.
 */
export function entryKey(
  { root, limits }: Pick<Tiers, 'root' | 'limits'>,
  space: string,
  key: string,
): string {
  const full = `${root}:c:${space}:${key}`
  // UTF-8 takes at most three bytes for each unit of a string.
  if (full.length * 3 > limits.keyBytesMax) {
    const sizeBytes = byteLength(full)
    if (sizeBytes > limits.keyBytesMax) {
      throw new CacheKeyTooLongError(key, sizeBytes, limits.keyBytesMax)
    }
  }
  return full
}

export function tagKey({ root }: Pick<Tiers, 'root'>, tag: string): string {
  return `${root}:t:${tag}`
}

/** Where the news lies that an entry is hot: beside it, so that it is read with it. */
export function hintKey(entry: string): string {
  return `${entry}!`
}

/** The key of a copy of an entry on another database; copy 0 is the entry itself. */
export function copyKey(entry: string, copy: number): string {
  return copy === 0 ? entry : `${entry}#${copy}`
}
