import type { Call } from '@stoa/kernel'
import type { Answered, Effect, Once, StoaEvent } from '@stoa/messaging'

import type { Alarm, Attempt, Delivery, DueDelivery, NewDelivery } from './delivery.ts'
import type { Endpoint, ListedEndpoint } from './endpoint.ts'
import type { MerchantEvent, NewMerchantEvent } from './merchant-event.ts'
import type { NewNotice, Notice } from './notice.ts'
import type { Answer, Outcome } from './outcome.ts'
import type { Debt, Owed, Rearm } from './rearm.ts'
import type { ReplayItem } from './replay.ts'

/** A stretch of a list, newest first: what is older than `before`, at most `limit` of them. */
export type Stretch = { readonly before: string | undefined; readonly limit: number }

export type Rotation = {
  readonly endpoint: string
  readonly member: string
  readonly secret: string
  /** Until when the secret before it signs too. */
  readonly previousUntil: number
}

export type EndpointStore = {
  /** Writes the endpoint, once for a key. @throws KeyReusedError, EndpointsFullError */
  add(
    entry: { readonly once: Once; readonly endpoint: Endpoint },
    call: Call,
  ): Promise<Answered<Endpoint>>
  /** All of a member's, oldest first. One round trip. */
  ofMember(member: string, call: Call): Promise<readonly ListedEndpoint[]>
  /** The endpoints of each member that want to be called. One round trip for each shard. */
  activeOf(
    members: readonly string[],
    call: Call,
  ): Promise<ReadonlyMap<string, readonly Endpoint[]>>
  /** One round trip. */
  find(endpoint: string, call: Call): Promise<ListedEndpoint | undefined>
  /** Gives the endpoint a new secret, once for a key. @throws KeyReusedError */
  rotate(once: Once, rotation: Rotation, call: Call): Promise<Answered<Rotation>>
  /** Writes down that a replay was asked for, once for a key. @throws KeyReusedError */
  askReplay(once: Once, event: StoaEvent<'endpoint.replay_asked'>, call: Call): Promise<boolean>
}

/** A delivery that somebody wants sent again. */
export type Resend = { readonly id: string; readonly asked: number }

export type DeliveryStore = {
  /**
   * Takes the attempts at `ids` that may be made now, at most one of each endpoint, and answers all that are there. No
   * more than an endpoint's health and pace allow are under way. One round trip for each shard. Safe to repeat.
   */
  claim(
    ids: readonly string[],
    lease: { readonly name: string; readonly now: number },
    call: Call,
  ): Promise<readonly DueDelivery[]>
  /** Writes down what became of an attempt, and the alarm of the next; nothing when the lease was lost. Safe to repeat. */
  record(
    delivery: DueDelivery,
    made: { readonly answer: Answer; readonly outcome: Outcome; readonly alarm: Alarm | undefined },
    call: Call,
  ): Promise<void>
  /** Ends a delivery that may not be attempted any more. */
  giveUp(delivery: DueDelivery, at: number, call: Call): Promise<void>
  /** Puts deliveries off, with the alarms that bring them back; what was mine is nobody's then. One shard's. */
  postpone(
    entries: readonly { readonly delivery: DueDelivery; readonly alarm: Alarm }[],
    call: Call,
  ): Promise<void>
  /** The owner of the endpoint with its newest deliveries. One round trip. */
  list(
    endpoint: string,
    stretch: Stretch,
    call: Call,
  ): Promise<{ readonly member: string; readonly deliveries: readonly Delivery[] } | undefined>
  /** The owner of a delivery, how it is, and its newest attempts. One round trip. */
  find(
    id: string,
    call: Call,
  ): Promise<
    | {
        readonly member: string
        readonly asked: number
        readonly isActive: boolean
        readonly attempts: readonly Attempt[]
      }
    | undefined
  >
  /** False when the member has no such delivery. One round trip. */
  acknowledge(
    entry: { readonly id: string; readonly member: string; readonly at: number },
    call: Call,
  ): Promise<boolean>
  /** Begins a new round of attempts, once for a key. @throws KeyReusedError */
  resend(
    once: Once,
    entry: { readonly resend: Resend; readonly event: StoaEvent<'delivery.due'> },
    call: Call,
  ): Promise<boolean>
  /** What an endpoint lacks, or all it should have, of its member's events from one on. One round trip. */
  replayItems(
    from: { readonly endpoint: Endpoint; readonly since: number; readonly after: number },
    call: Call,
  ): Promise<readonly ReplayItem[]>
  /** What an endpoint is owed of an event; nothing when it is owed none. One round trip. */
  owed(debt: Debt, call: Call): Promise<Owed | undefined>
  /** Pays a debt; answers whether this very call did. One round trip. Safe to repeat. */
  rearm(rearm: Rearm, call: Call): Promise<boolean>
  /** Deliveries whose attempt is overdue since `before`, in all shards, with the number of the event that asked. */
  overdue(before: number, call: Call): Promise<readonly Resend[]>
  /** Asks for attempts anew, each unless somebody else has asked since. One round trip for each shard. */
  askAgain(alarms: readonly Alarm[], call: Call): Promise<void>
}

export type EventStore = {
  /** What `event` does in the slot of a merchant: its number, the deliveries, and the events that ask for them. */
  effectOf(
    event: StoaEvent,
    made: {
      readonly merchant: NewMerchantEvent
      readonly deliveries: readonly NewDelivery[]
      readonly due: readonly StoaEvent<'delivery.due'>[]
    },
  ): Effect
  /** What a chunk of a replay does: new deliveries, old ones begun anew, and the event of the next chunk. */
  replayEffect(
    event: StoaEvent<'endpoint.replay_asked'>,
    made: {
      readonly deliveries: readonly NewDelivery[]
      readonly due: readonly StoaEvent<'delivery.due'>[]
      readonly again: readonly StoaEvent<'delivery.due'>[]
      readonly next: readonly StoaEvent<'endpoint.replay_asked'>[]
    },
  ): Effect
  /** A member's events after a number, and not before a time; with the newest number. One round trip. */
  after(
    from: {
      readonly member: string
      readonly after: number
      readonly since: number
      readonly limit: number
    },
    call: Call,
  ): Promise<{ readonly events: readonly MerchantEvent[]; readonly latest: number }>
}

export type NoticeStore = {
  effectOf(event: StoaEvent, notice: NewNotice): Effect
  /** Newest first. One round trip. */
  list(member: string, stretch: Stretch, call: Call): Promise<readonly Notice[]>
  /** How many are unread, counted up to `most`. One round trip. */
  countUnread(member: string, most: number, call: Call): Promise<number>
  /** False when the member has no such notice. One round trip. */
  read(
    entry: {
      readonly member: string
      readonly id: string
      readonly at: number
      readonly older: boolean
    },
    call: Call,
  ): Promise<boolean>
}

/** Hands alarms to the queue. What it does not take is rung by the sweep of the outbox. One round trip. */
export type RingLater = (alarms: readonly Alarm[], call: Call) => Promise<void>

export type Webhook = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Posts a webhook; answers also when no answer came in time. @throws the reason of `call.signal` */
export type PostWebhook = (webhook: Webhook, call: Call) => Promise<Answer>
