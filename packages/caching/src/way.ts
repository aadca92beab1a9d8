import type { Call } from '@stoa/kernel'

import { gather, gatherSend, type Send } from './drive.ts'
import type { Load, Loaded, LoadMany, Wanted } from './load.ts'
import type { Tiers } from './tiers.ts'

/** How the fetches of one call reach Redis and the origin. */
export type Way<T> = {
  readonly send: (database: number) => Send
  readonly read: (database: number) => Send
  readonly load: (wanted: Wanted, limits: LoadLimits, call: Call) => Promise<Loaded<T>>
  /** Whether the first question also takes the lease. */
  readonly isEager: boolean
}

export type LoadLimits = {
  readonly isDegraded: boolean
  /** How long to wait for a place among the loads of the isolate. */
  readonly waitMs: number
}

/** The way of one key. */
export function singleWay<T>(
  load: Load<T>,
  { tiers, isEager }: { readonly tiers: Tiers; readonly isEager: boolean },
  call: Call,
): Way<T> {
  return {
    isEager,
    send: (database) => tiers.redis.sendTo(database, call),
    read: (database) => tiers.redis.readFrom(database, call),
    load: (wanted, limits, within) =>
      gated(tiers, { work: () => load(wanted, within), limits }, within),
  }
}

/** The way of many keys: what they ask in one turn goes together, to each database and to the origin. */
export function manyWay<T>(load: LoadMany<T>, tiers: Tiers, call: Call): Way<T> {
  const sends = new Map<number, Send>()
  const reads = new Map<number, Send>()
  type Item = { readonly wanted: Wanted; readonly limits: LoadLimits; readonly within: Call }
  const loadTogether = gather<Item, Loaded<T>>(async (items) => {
    const [first] = items
    if (first === undefined) return []
    const wanted = items.map((item) => item.wanted)
    const work = () => load(wanted, first.within)
    const found = await gated(tiers, { work, limits: first.limits }, first.within)
    return wanted.map(({ key }) => found.get(key) ?? { value: undefined })
  })
  return {
    isEager: false,
    send: (database) => kept(sends, database, () => gatherSend(tiers.redis.sendTo(database, call))),
    read: (database) =>
      kept(reads, database, () => gatherSend(tiers.redis.readFrom(database, call))),
    load: (wanted, limits, within) => loadTogether({ wanted, limits, within }),
  }
}

function gated<O>(
  { gate, limits: { loadsMax, degradedLoadsMax } }: Tiers,
  { work, limits }: { readonly work: () => Promise<O>; readonly limits: LoadLimits },
  call: Call,
): Promise<O> {
  const max = limits.isDegraded ? degradedLoadsMax : loadsMax
  return gate.run(work, { max, waitMs: limits.waitMs }, call)
}

function kept<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
