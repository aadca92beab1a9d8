import { Fault } from '@stoa/kernel'

export type DeliveryState = 'pending' | 'delivered' | 'failed'

/** One event for one endpoint, as its merchant sees it. */
export type Delivery = {
  readonly id: string
  readonly type: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly lastStatus: number | null
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

/** A delivery and where it goes, for an attempt. */
export type DueDelivery = {
  readonly id: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly payload: string
  readonly endpoint: string
  readonly url: string
  readonly secret: string
  readonly isActive: boolean
}

/**
 * Attempts at one delivery. The queue delivers a message once and retries it three times, over 33 minutes, and then
 * gives it up: nobody would make a fifth, so the fourth failure is the last.
 */
export const attemptsMax = 4

/** Some webhooks are still to be delivered; the queue tries them again, after waits of its own. */
export class WebhooksPendingError extends Fault {
  override readonly name = 'WebhooksPendingError'
  override readonly code = 'webhooks_pending'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(count: number) {
    super(`Cannot deliver ${count} webhooks now: they are tried again`)
  }
}

/** What became of an attempt: an HTTP status, or nothing when no answer came in time. */
export type Outcome = {
  readonly state: DeliveryState
  readonly status: number | undefined
  /** The receiver never wants to be called again. */
  readonly isGone: boolean
}

const goneStatus = 410

/** Judges the answer to the attempt that followed `attempts` others. */
export function outcomeOf(status: number | undefined, attempts: number): Outcome {
  const isGone = status === goneStatus
  if (status !== undefined && status >= 200 && status < 300) {
    return { state: 'delivered', status, isGone }
  }
  const isLast = isGone || attempts + 1 >= attemptsMax
  return { state: isLast ? 'failed' : 'pending', status, isGone }
}
