import type { Call, Clock, Ids, QueuePort } from '@stoa/kernel'
import { inboxUrl, newEvent } from '@stoa/messaging'

/** All isolates of a deployment wake the drainer together, once in so long. */
export const wakeEveryMs = 10_000

export type WakerDeps = {
  readonly queue: QueuePort
  readonly publicUrl: string
  readonly ids: Ids
  readonly clock: Clock
}

/**
 * Sends the drainer a message that says nothing: due at the end of the present window, after every flush that asked for
 * it, and one for all of them. A lost one loses no count: the cron drains too. One round trip.
 */
export function createWaker({ queue, publicUrl, ids, clock }: WakerDeps) {
  return async (call: Call): Promise<void> => {
    const now = clock.now()
    const notBefore = (Math.floor(now / wakeEveryMs) + 1) * wakeEveryMs
    const source = { key: ids.root('counts.waiting'), seq: 1, at: now, cause: call.requestId }
    const event = newEvent(ids, 'counts.waiting', { ...source, data: {} })
    const [published] = await queue.publish(
      [
        {
          url: inboxUrl(publicUrl, 'stats'),
          body: JSON.stringify({ events: [event] }),
          headers: { 'content-type': 'application/json' },
          deduplicationId: `counts-waiting-${notBefore}`,
          notBefore,
        },
      ],
      call,
    )
    if (published !== undefined && 'error' in published)
      throw new Error(`Cannot wake the drainer: ${published.error}`)
  }
}
