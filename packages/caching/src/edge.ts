import type { Clock } from '@stoa/kernel'

import { encodeEntry, type Entry, meets, parseEntry } from './entry.ts'

/**
 * A cache of responses near the reader, with the form of the Workers' Cache API. It cannot be invalidated from
 * elsewhere, so it is asked only under a version: what it gives for one is of that version or later.
 */
export type EdgeCache = {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** A host that never is one: the address is only a name. */
const origin = 'https://cache.stoa.invalid'

function urlOf(key: string, version: number): string {
  return `${origin}/${encodeURIComponent(key)}?v=${version}`
}

/** The fresh entry of `key` at `minVersion` or later, when this place has one. */
export async function matchEdge(
  edge: EdgeCache,
  { key, minVersion }: { readonly key: string; readonly minVersion: number },
  clock: Clock,
): Promise<Entry | undefined> {
  const response = await edge.match(urlOf(key, minVersion))
  const entry = response?.ok === true ? parseEntry(await response.text()) : undefined
  if (entry === undefined || entry.freshUntil <= clock.now()) return undefined
  return meets(entry.version, minVersion) ? entry : undefined
}

/** Keeps `entry` for those who ask for `minVersion`, for whole seconds of its life; less than one is not worth it. */
export async function putEdge(
  edge: EdgeCache,
  {
    key,
    minVersion,
    entry,
  }: { readonly key: string; readonly minVersion: number; readonly entry: Entry },
  clock: Clock,
): Promise<void> {
  const seconds = Math.floor((entry.freshUntil - clock.now()) / 1_000)
  if (seconds < 1) return
  const headers = { 'cache-control': `max-age=${seconds}` }
  await edge.put(urlOf(key, minVersion), new Response(encodeEntry(entry), { headers }))
}
