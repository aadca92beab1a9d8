import { Fault } from '@stoa/kernel'
import type { StoaEvent } from '@stoa/messaging'

import type { Acknowledgement } from './endpoint.ts'
import type { Health } from './health.ts'

export type DeliveryState = 'pending' | 'delivered' | 'failed'

/** One event for one endpoint, as its merchant sees it. */
export type Delivery = {
  readonly id: string
  readonly type: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly lastStatus: number | null
  /** 0: at once. */
  readonly nextAt: number
  readonly createdAt: number
}

/** A delivery that is to be made, with its bytes. */
export type NewDelivery = {
  readonly id: string
  readonly endpoint: string
  readonly type: string
  readonly eventId: string
  readonly payload: string
  readonly createdAt: number
}

/**
 * Whose an attempt at a delivery is now: `mine` to make, `held` by another, `early` before its time, `over` what its
 * endpoint takes at present, `done` when it is not pending.
 */
export type Turn = 'mine' | 'held' | 'early' | 'over' | 'done'

/** A delivery and where it goes, for an attempt. */
export type DueDelivery = {
  readonly id: string
  readonly turn: Turn
  /** Who may write down what became of the attempt. */
  readonly lease: string
  readonly attempts: number
  /** The attempts of earlier rounds. */
  readonly earlier: number
  /** The order number of the last event that asked for an attempt. */
  readonly asked: number
  readonly payload: string
  /** When its round of attempts began. */
  readonly begunAt: number
  readonly endpoint: string
  readonly url: string
  /** What signs: the secret, and the one before it while both do. */
  readonly secrets: readonly string[]
  readonly acknowledgement: Acknowledgement
  readonly isActive: boolean
  readonly health: Health
  readonly probeAt: number
}

/** One call of a receiver, as it went. */
export type Attempt = {
  readonly number: number
  readonly at: number
  readonly durationMs: number
  readonly status: number | null
  readonly error: string | null
  readonly answer: string
}

/** An event that asks for an attempt, and when. */
export type Alarm = { readonly event: StoaEvent<'delivery.due'>; readonly at: number }

/** Some webhooks are still to be delivered; the queue tries them again, after waits of its own. */
export class WebhooksPendingError extends Fault {
  override readonly name = 'WebhooksPendingError'
  override readonly code = 'webhooks_pending'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(count: number) {
    super(`Cannot deliver ${count} webhooks now: another attempt at each is under way`)
  }
}

/** There is no such delivery, or it is another member's. */
export class DeliveryNotFoundError extends Fault {
  override readonly name = 'DeliveryNotFoundError'
  override readonly code = 'delivery_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the webhook delivery: you have none of this id')
  }
}
