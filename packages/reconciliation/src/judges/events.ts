import type { Judge } from '../finding.ts'
import { wholeOf } from '../tolerance.ts'

/**
 * The last `seq` that a producer wrote and a consumer has applied, keyed by consumer and aggregate. A consumer that is
 * ahead has what nobody sent: for a person.
 */
export const judgeEvents: Judge = ({ key, entries: [produced = [], consumed = []] }) => {
  const [sent, applied] = [wholeOf(produced[0], 'seq'), wholeOf(consumed[0], 'seq')]
  if (BigInt(sent) === BigInt(applied)) return []
  return [
    {
      class: 'event_gap',
      key,
      action: applied < sent ? 'resend_events' : 'investigate',
      amount: 0,
      detail: { sent, applied },
    },
  ]
}

/**
 * Events that a merchant must hear of and their deliveries, keyed by event and endpoint. A delivery has `state` (acked,
 * scheduled, exhausted), `nextAt` and `rearmed`, how often this repair has begun it anew: it does so once.
 */
export const judgeDeliveries: Judge = ({ key, entries: [events = [], deliveries = []] }, look) => {
  const [delivery] = deliveries
  if (events.length === 0) return []
  const state = delivery?.fields['state'] ?? null
  const isDue = state === 'scheduled' && Number(delivery?.fields['nextAt'] ?? 0) > look.horizon
  if (state === 'acked' || isDue) return []
  return [
    {
      class: 'undelivered_webhook',
      key,
      action: Number(delivery?.fields['rearmed'] ?? 0) > 0 ? 'investigate' : 'rearm_delivery',
      amount: 0,
      detail: { state },
    },
  ]
}
