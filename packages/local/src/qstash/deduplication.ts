import { createHash } from 'node:crypto'

import type { FlatHeaders } from './header-names.ts'
import type { Hub, Remembered } from './hub.ts'
import type { Envelope } from './model.ts'
import { forgetRecord, saveRecord } from './records.ts'

/** How long a deduplication id is remembered. @see https://upstash.com/docs/qstash/features/deduplication */
const deduplicationWindowMs = 600_000

/**
 * The id a publish is deduplicated by: its own, or with content-based deduplication a hash of the
 * destination, the body, the content type and the forwarded headers.
 */
export function deduplicationKey(
  headers: FlatHeaders,
  destination: string,
  envelope: Envelope,
): string | undefined {
  const own = headers['upstash-deduplication-id']
  if (own !== undefined && own !== '') return `id:${own}`
  if (headers['upstash-content-based-deduplication']?.toLowerCase() !== 'true') return undefined
  const sorted = Object.entries(envelope.header).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const hash = createHash('sha256')
  hash
    .update(JSON.stringify([destination, sorted]))
    .update('\0')
    .update(envelope.body)
  return `content:${hash.digest('hex')}`
}

export function recall(hub: Hub, key: string): Remembered | undefined {
  const found = hub.remembered.get(key)
  return found !== undefined && found.expiresAt > hub.now() ? found : undefined
}

export function remember(hub: Hub, key: string, answer: Omit<Remembered, 'expiresAt'>): void {
  const entry: Remembered = { ...answer, expiresAt: hub.now() + deduplicationWindowMs }
  hub.remembered.delete(key)
  hub.remembered.set(key, entry)
  saveRecord(hub, { kind: 'dedup', key }, entry)
  for (const [old, { expiresAt }] of hub.remembered) {
    if (expiresAt > hub.now() && hub.remembered.size <= hub.limits.deduplicationIds) return
    hub.remembered.delete(old)
    forgetRecord(hub, { kind: 'dedup', key: old })
  }
}
