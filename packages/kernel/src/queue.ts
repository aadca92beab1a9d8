import type { Call } from './call.ts'
import { Fault } from './fault.ts'

/** A message for one URL. Delivery is at least once, and in no order. */
export type QueueMessage = {
  readonly url: string
  /** UTF-8 text: the signature covers a string. */
  readonly body: string
  /** Delivered to `url` with the message; `content-type` too. */
  readonly headers?: Readonly<Record<string, string>>
  /** Cuts duplicates within about ten minutes; correctness rests on the consumer's inbox. */
  readonly deduplicationId?: string
  /** Milliseconds to wait before the first delivery; whole seconds, rounded up. Not with `notBefore`. */
  readonly delayMs?: number
  /** Earliest delivery, in milliseconds since 1970; whole seconds, rounded up. */
  readonly notBefore?: number
  /** Deliveries after the first, before the message is given up. */
  readonly retries?: number
  readonly flowControl?: FlowControl
  readonly label?: string
}

/** Bounds what one key may have in flight (`parallelism`) or begin in a period (`rate`). */
export type FlowControl = {
  readonly key: string
  readonly parallelism?: number
  readonly rate?: number
  /** Seconds; 1 when absent. */
  readonly periodSeconds?: number
}

/** What became of one message; `deduplicated` ones were known already and have the old id. */
export type Published =
  | { readonly messageId: string; readonly deduplicated: boolean }
  | { readonly error: string }

export type QueuePort = {
  /**
   * Hands over `messages`, in one round trip. One answer for each, in order: some may be refused while
   * others are taken. An empty list costs nothing.
   *
   * @throws QueueUnavailableError when nothing was handed over.
   * @throws AmbiguousPublishError when the reply was lost: publish again with the same deduplication ids.
   * @throws the reason of `call.signal`, when it aborted before sending.
   */
  publish(messages: readonly QueueMessage[], call: Call): Promise<readonly Published[]>
}

/** What must be proved before a delivery is believed. */
export type SignedDelivery = {
  readonly signature: string
  /** The raw body, untouched. */
  readonly body: string
  /** The public URL to which the message was published; never the one the request claims. */
  readonly url: string
}

export type QueueVerifier = {
  /**
   * Checks that the queue itself sent `delivery`, to this URL, with this body, in the last minutes.
   *
   * @throws BadSignatureError otherwise.
   */
  verify(delivery: SignedDelivery, call: Call): Promise<void>
}

/** The queue took nothing. */
export class QueueUnavailableError extends Fault {
  override readonly name = 'QueueUnavailableError'
  override readonly code = 'queue_unavailable'
  override readonly kind = 'unavailable'
  override readonly retryable: boolean
  readonly reason: QueueRefusal

  constructor(reason: QueueRefusal, options?: ErrorOptions) {
    super(`Cannot publish: ${reason}`, options)
    this.reason = reason
    this.retryable = reason === 'network' || reason === 'rate_limited'
  }
}

export type QueueRefusal = 'network' | 'rate_limited' | 'unauthorized' | 'rejected'

/** The queue's reply was lost: it may have taken the messages. */
export class AmbiguousPublishError extends Fault {
  override readonly name = 'AmbiguousPublishError'
  override readonly code = 'ambiguous_publish'
  override readonly kind = 'unavailable'
  override readonly retryable = true

  constructor(options?: ErrorOptions) {
    super('Cannot tell whether the queue took the messages: its reply was lost', options)
  }
}

/** A delivery is not the queue's own, is for another URL or body, or is too old. */
export class BadSignatureError extends Fault {
  override readonly name = 'BadSignatureError'
  override readonly code = 'bad_signature'
  override readonly kind = 'unauthenticated'

  constructor(options?: ErrorOptions) {
    super('Cannot believe the delivery: its signature does not fit', options)
  }
}
