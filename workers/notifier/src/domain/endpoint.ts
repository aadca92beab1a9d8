import { Fault } from '@stoa/kernel'

/** Where a member is told of events. */
export type Endpoint = {
  readonly id: string
  readonly member: string
  readonly url: string
  readonly types: readonly string[]
  /** `whsec_` and 256 random bits in base64. */
  readonly secret: string
  readonly createdAt: number
}

/** There is no such endpoint, or it is another member's. */
export class EndpointNotFoundError extends Fault {
  override readonly name = 'EndpointNotFoundError'
  override readonly code = 'endpoint_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the webhook endpoint: you have none of this id')
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
