import type { RedisCommand } from '@stoa/kernel'

import type { Send } from './drive.ts'

/** The version of each tag, as far as it has one. */
export type TagVersions = Readonly<Record<string, string>>

/** How long a tag's version lives unless it changes: losing one costs loads, never a stale value. 30 days. */
const tagMs = 30 * 24 * 60 * 60 * 1_000

/** Whether every tag still has the version that the entry was loaded under. A tag without a version proves nothing. */
export function tagsHold(then: TagVersions, now: TagVersions, tags: readonly string[]): boolean {
  return tags.every((tag) => now[tag] !== undefined && then[tag] === now[tag])
}

/**
 * The versions of all `tags`, giving one to those without, before anything is loaded. No round trip when all are known.
 */
export async function ensureTags(
  tags: readonly string[],
  known: TagVersions,
  { send, nonce }: { readonly send: Send; readonly nonce: () => string },
): Promise<TagVersions> {
  const missing = tags.filter((tag) => known[tag] === undefined)
  if (missing.length === 0) return known
  const replies = await send([
    ...missing.map((tag): RedisCommand => ['SET', tag, nonce(), 'NX', 'PX', tagMs]),
    ['MGET', ...missing],
  ])
  const values = replies.at(-1)
  const read = missing.map((tag, at) => [tag, Array.isArray(values) ? values[at] : null] as const)
  return {
    ...known,
    ...Object.fromEntries(
      read.flatMap(([tag, value]) => (typeof value === 'string' ? [[tag, value]] : [])),
    ),
  }
}

/** Gives a tag a version it never had: every entry loaded under another is void. The same command twice does no harm. */
export function retag(tag: string, nonce: string): RedisCommand {
  return ['SET', tag, nonce, 'PX', tagMs]
}
