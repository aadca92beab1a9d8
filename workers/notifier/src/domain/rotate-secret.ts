import type { Call, Clock, Random } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'

import { EndpointNotFoundError } from './endpoint.ts'
import type { EndpointStore, Rotation } from './ports.ts'
import { newSecret, type Signature, signatureOf } from './sign.ts'

export type RotationRequest = {
  readonly once: Once
  readonly member: string
  readonly endpoint: string
  /** The one it has, when absent. */
  readonly signature: Signature | undefined
  /** How long the secret that it has signs beside the new one. */
  readonly overlapMs: number
}

/**
 * Gives an endpoint a new secret, once for a key. A rotation during an overlap ends it for the oldest: two sign at most.
 *
 * @throws EndpointNotFoundError, KeyReusedError.
 */
export async function rotateSecret(
  {
    endpoints,
    clock,
    random,
  }: { readonly endpoints: EndpointStore; readonly clock: Clock; readonly random: Random },
  { once, member, endpoint, signature, overlapMs }: RotationRequest,
  call: Call,
): Promise<Answered<Rotation>> {
  const found = await endpoints.find(endpoint, call)
  if (found === undefined || found.member !== member) throw new EndpointNotFoundError()
  const secret = await newSecret(signature ?? signatureOf(found.secret), random)
  const previousUntil = clock.now() + overlapMs
  return endpoints.rotate(once, { endpoint, member, secret, previousUntil }, call)
}
