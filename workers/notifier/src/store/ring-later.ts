import type { QueueMessage, QueuePort } from '@stoa/kernel'
import { inboxUrl } from '@stoa/messaging'

import type { Alarm } from '../domain/delivery.ts'
import type { RingLater } from '../domain/ports.ts'

type Deps = {
  readonly queue: QueuePort
  readonly publicUrl: string
  readonly report: (error: unknown, requestId: string) => void
}

function messageOf({ event, at }: Alarm, publicUrl: string): QueueMessage {
  return {
    url: inboxUrl(publicUrl, 'notifier'),
    body: JSON.stringify({ events: [event] }),
    headers: { 'content-type': 'application/json' },
    deduplicationId: `notifier-alarm-${event.id}`,
    notBefore: at,
    label: 'notifier',
  }
}

/**
 * Gives alarms to the queue for their time. The outbox has them too, a little later: what the queue loses, refuses or
 * gives up is published by its sweep, so that a failure here is only reported.
 */
export function ringLater({ queue, publicUrl, report }: Deps): RingLater {
  return async (alarms, call) => {
    try {
      await queue.publish(
        alarms.map((alarm) => messageOf(alarm, publicUrl)),
        call,
      )
    } catch (error) {
      report(error, call.requestId)
    }
  }
}
