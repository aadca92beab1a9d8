import { type Consumer, consumersOf } from '@stoa/contracts'
import { type QueueMessage, xxh32 } from '@stoa/kernel'

import type { StoaEvent } from './event.ts'

/** The most events one message carries. */
export const eventsInMessageMax = 100

/**
 * The most bytes of events in one message, unless one event alone is larger. The queue takes 1 MB on its smallest plan,
 * and an inbox reads as much; a parcel that neither takes would be refused for ever, or lost.
 */
export const eventBytesMax = 500_000

/** Whoever has an inbox: the consumers of events, and the relay, which wakes itself. */
export type InboxName = Consumer | 'relay'

/** Where what is for a consumer is delivered. The signature of a delivery is checked against this very text. */
export function inboxUrl(publicUrl: string, consumer: InboxName): string {
  return `${publicUrl}/_inbox/${consumer}`
}

const encoder = new TextEncoder()

export type Parcel = {
  readonly consumer: Consumer
  readonly events: readonly StoaEvent[]
  readonly message: QueueMessage
}

export type ParcelOptions = {
  readonly publicUrl: string
  /** Tells a second sending from the first, which the queue would drop for ten minutes. */
  readonly again?: string
}

/** Cuts `events` for one consumer into parcels that are neither too many nor too heavy, in their order. */
export function parcelsFor(
  consumer: Consumer,
  events: readonly StoaEvent[],
  options: ParcelOptions,
): readonly Parcel[] {
  const parcels: Parcel[] = []
  let packed: StoaEvent[] = []
  let texts: string[] = []
  let bytes = 0
  const seal = (): void => {
    if (packed.length === 0) return
    const message = messageOf(packed, texts, { ...options, consumer })
    parcels.push({ consumer, events: packed, message })
    packed = []
    texts = []
    bytes = 0
  }
  for (const event of events) {
    const text = JSON.stringify(event)
    const size = encoder.encode(text).length
    if (packed.length === eventsInMessageMax || bytes + size > eventBytesMax) seal()
    packed.push(event)
    texts.push(text)
    bytes += size
  }
  seal()
  return parcels
}

/** The parcels that carry `events` to all their consumers: for each at most 100 events a message, and 500 kB. */
export function parcelsOf(events: readonly StoaEvent[], publicUrl: string): readonly Parcel[] {
  const byConsumer = new Map<Consumer, StoaEvent[]>()
  for (const event of events) {
    for (const consumer of consumersOf(event.type)) {
      const list = byConsumer.get(consumer) ?? []
      list.push(event)
      byConsumer.set(consumer, list)
    }
  }
  return [...byConsumer].flatMap(([consumer, list]) => parcelsFor(consumer, list, { publicUrl }))
}

function messageOf(
  events: readonly StoaEvent[],
  texts: readonly string[],
  { consumer, publicUrl, again }: ParcelOptions & { readonly consumer: Consumer },
): QueueMessage {
  const ids = events.map((event) => event.id)
  const digest = xxh32(ids.join()).toString(16)
  const suffix = again === undefined ? '' : `-${again}`
  return {
    url: inboxUrl(publicUrl, consumer),
    body: `{"events":[${texts.join()}]}`,
    headers: { 'content-type': 'application/json' },
    // Only a saving: the same parcel within ten minutes is dropped by the queue, anything else by the inbox.
    deduplicationId: `${consumer}-${ids[0] ?? ''}-${ids.length}-${digest}${suffix}`,
    label: consumer,
  }
}
