import { type Consumer, consumersOf, type EventType, isEventType } from '@stoa/contracts'
import {
  type Call,
  type Clock,
  type QueueMessage,
  type QueuePort,
  type Rows,
  type SqlShard,
  xxh32,
} from '@stoa/kernel'

import type { StoaEvent } from './event.ts'
import { claimEvents, markSent, releaseEvents } from './outbox.ts'

/** The most events one message carries. */
export const eventsInMessageMax = 100

/**
 * The most bytes of events in one message, unless one event alone is larger. The queue takes 1 MB on its smallest plan,
 * and an inbox reads as much; a parcel that neither takes would be refused for ever, or lost.
 */
export const eventBytesMax = 500_000

/** How long a sweep keeps what it claimed, and the first wait after a failure. */
const leaseMs = 30_000
const retryMs = 5_000

/** The most rounds of one sweep of one database: a bound, so that a busy shard cannot starve the others. */
const roundsMax = 20

export type RelayDeps = {
  readonly queue: QueuePort
  /** The public address of the gateway, to which every delivery goes. */
  readonly publicUrl: string
  readonly clock: Clock
}

/** Where the events for a consumer are delivered. The signature of a delivery is checked against this very text. */
export function inboxUrl(publicUrl: string, consumer: Consumer): string {
  return `${publicUrl}/_inbox/${consumer}`
}

const encoder = new TextEncoder()

type Parcel = { readonly events: readonly StoaEvent[]; readonly message: QueueMessage }

/** Cuts `events` into parcels that are neither too many nor too heavy, in their order. */
function parcelsFor(
  consumer: Consumer,
  events: readonly StoaEvent[],
  publicUrl: string,
): readonly Parcel[] {
  const parcels: Parcel[] = []
  let packed: StoaEvent[] = []
  let texts: string[] = []
  let bytes = 0
  const seal = (): void => {
    if (packed.length === 0) return
    parcels.push({ events: packed, message: messageOf({ consumer, publicUrl }, packed, texts) })
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

/** The messages that carry `events` to all their consumers: for each at most 100 events a message, and 500 kB. */
export function parcelsOf(events: readonly StoaEvent[], publicUrl: string): readonly Parcel[] {
  const byConsumer = new Map<Consumer, StoaEvent[]>()
  for (const event of events) {
    for (const consumer of consumersOf(event.type)) {
      const list = byConsumer.get(consumer) ?? []
      list.push(event)
      byConsumer.set(consumer, list)
    }
  }
  return [...byConsumer].flatMap(([consumer, list]) => parcelsFor(consumer, list, publicUrl))
}

function messageOf(
  { consumer, publicUrl }: { readonly consumer: Consumer; readonly publicUrl: string },
  events: readonly StoaEvent[],
  texts: readonly string[],
): QueueMessage {
  const ids = events.map((event) => event.id)
  const digest = xxh32(ids.join()).toString(16)
  return {
    url: inboxUrl(publicUrl, consumer),
    body: `{"events":[${texts.join()}]}`,
    headers: { 'content-type': 'application/json' },
    // Only a saving: the same parcel within ten minutes is dropped by the queue, anything else by the inbox.
    deduplicationId: `${consumer}-${ids[0] ?? ''}-${ids.length}-${digest}`,
    label: consumer,
  }
}

export type Outcome = {
  /** Events that every consumer's message was taken for; events without consumers among them. */
  readonly published: readonly string[]
  readonly failed: readonly { readonly id: string; readonly error: string }[]
}

/** Publishes `events`. One round trip. @throws as {@link QueuePort.publish} */
export async function publishEvents(
  events: readonly StoaEvent[],
  { queue, publicUrl }: Pick<RelayDeps, 'queue' | 'publicUrl'>,
  call: Call,
): Promise<Outcome> {
  const parcels = parcelsOf(events, publicUrl)
  const answers = await queue.publish(
    parcels.map((parcel) => parcel.message),
    call,
  )
  const errors = new Map<string, string>()
  for (const { id, type } of events) {
    // Written by a newer version: whoever is told of it, this one cannot know, and must not call it published.
    if (!isEventType(type)) errors.set(id, `no event is of type "${String(type)}" here`)
  }
  for (const [index, parcel] of parcels.entries()) {
    const reply = answers[index]
    if (reply !== undefined && 'messageId' in reply) continue
    for (const event of parcel.events)
      errors.set(event.id, reply?.error ?? 'the queue gave no answer')
  }
  return {
    published: events.map((event) => event.id).filter((id) => !errors.has(id)),
    failed: [...errors].map(([id, error]) => ({ id, error })),
  }
}

function eventOf(row: Rows['rows'][number]): StoaEvent {
  const [id, type, key, seq, payload, cause, at] = row
  return {
    id: String(id),
    type: String(type) as EventType,
    key: String(key),
    seq: Number(seq),
    cause: String(cause),
    at: Number(at),
    // The row was written by insertEvents, whose events were typed.
    data: JSON.parse(String(payload)) as StoaEvent['data'],
  }
}

export type SweepReport = { readonly published: number; readonly failed: number }

/**
 * Publishes what the fast path left in one database: claims due events, publishes, marks, until none is left.
 *
 * Dying between any two steps loses nothing: an unmarked event is claimed again when its lease ends.
 */
export async function sweepOutbox(
  shard: SqlShard,
  deps: RelayDeps & { readonly worker: string },
  call: Call,
): Promise<SweepReport> {
  let published = 0
  let failed = 0
  for (let round = 0; round < roundsMax; round += 1) {
    const claim = { worker: deps.worker, now: deps.clock.now(), leaseMs, limit: eventsInMessageMax }
    const [rows] = await shard.batch([claimEvents(claim)], 'write', call)
    const events = (rows?.rows ?? []).map(eventOf)
    if (events.length === 0) break
    const outcome = await publishEvents(events, deps, call)
    const now = deps.clock.now()
    const statements = [markSent(outcome.published, now)]
    const [firstFailed] = outcome.failed
    if (firstFailed !== undefined) {
      const ids = outcome.failed.map(({ id }) => id)
      statements.push(
        releaseEvents(ids, {
          worker: deps.worker,
          nextAt: now + retryMs,
          error: firstFailed.error,
        }),
      )
    }
    await shard.batch(statements, 'write', call)
    published += outcome.published.length
    failed += outcome.failed.length
    if (events.length < eventsInMessageMax) break
  }
  return { published, failed }
}
