import { Fault } from '@stoa/kernel'

import type { Health } from './health.ts'

/** How a receiver says that it has a delivery: by its status, by the words of its body too, or by a call of its own. */
export type Acknowledgement = 'status' | 'body' | 'call'

/** Where a member is told of events. */
export type Endpoint = {
  readonly id: string
  readonly member: string
  readonly url: string
  readonly types: readonly string[]
  readonly acknowledgement: Acknowledgement
  /** `whsec_` and 256 random bits in base64, or `whsk_` and an Ed25519 key pair. */
  readonly secret: string
  readonly createdAt: number
}

/** An endpoint as its member sees it. */
export type ListedEndpoint = Endpoint & { readonly isActive: boolean; readonly health: Health }

/** There is no such endpoint, or it is another member's. */
export class EndpointNotFoundError extends Fault {
  override readonly name = 'EndpointNotFoundError'
  override readonly code = 'endpoint_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the webhook endpoint: you have none of this id')
  }
}

/** The endpoint answered 410, and is called no more. */
export class EndpointGoneError extends Fault {
  override readonly name = 'EndpointGoneError'
  override readonly code = 'webhook_endpoint_gone'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot send to the webhook endpoint: it answered 410, and is called no more')
  }
}

/** The member has as many endpoints as one may have. */
export class EndpointsFullError extends Fault {
  override readonly name = 'EndpointsFullError'
  override readonly code = 'webhook_endpoints_full'
  override readonly kind = 'failed_precondition'

  constructor(options?: ErrorOptions) {
    super('Cannot add the webhook endpoint: you have twenty, the most there may be', options)
  }
}
