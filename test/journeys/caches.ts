import type { System } from '@stoa/testing'

export type CacheDatabase = { readonly url: string; readonly token: string }

/** The Redis databases that the caches of a system lie in. */
export function cachesOf({ env }: Pick<System, 'env'>): readonly CacheDatabase[] {
  const words = env['CACHE_DATABASES']?.split(' ') ?? []
  return words.flatMap((url, at) => (at % 2 === 0 ? [{ url, token: words[at + 1] ?? '' }] : []))
}

/** What Redis itself answers to a command. */
export async function askRedis(
  { url, token }: CacheDatabase,
  ...command: readonly string[]
): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(command),
  })
  if (!response.ok) throw new Error(`Redis answered ${response.status}: ${await response.text()}`)
  return ((await response.json()) as { result: unknown }).result
}

/** An isolate answers by itself for a second. */
const isolateMs = 1_100

/** Waits until no isolate answers from its own memory. */
export function outliveIsolates(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, isolateMs)
  })
}

/** Empties every tier of the caches. */
export async function forgetAll(system: System): Promise<void> {
  await outliveIsolates()
  await Promise.all(cachesOf(system).map((cache) => askRedis(cache, 'FLUSHDB')))
}
