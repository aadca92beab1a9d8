import type { Call, Clock, Ids, Random } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'

import type { Acknowledgement, Endpoint } from './endpoint.ts'
import type { EndpointStore } from './ports.ts'
import { newSecret, type Signature } from './sign.ts'
import { acceptUrl, type UrlPolicy } from './webhook-url.ts'

export type EndpointRequest = {
  readonly once: Once
  readonly member: string
  readonly url: string
  readonly types: readonly string[]
  readonly acknowledgement: Acknowledgement
  readonly signature: Signature
}

type Deps = {
  readonly endpoints: EndpointStore
  readonly urlPolicy: UrlPolicy
  readonly ids: Ids
  readonly clock: Clock
  readonly random: Random
}

/**
 * Makes an endpoint with a secret of its own, once for a key: a repeat is given the first secret.
 *
 * @throws WebhookUrlRefusedError, EndpointsFullError, KeyReusedError.
 */
export async function createEndpoint(
  { endpoints, urlPolicy, ids, clock, random }: Deps,
  request: EndpointRequest,
  call: Call,
): Promise<Answered<Endpoint>> {
  const { once, member, acknowledgement } = request
  const endpoint = {
    id: ids.child(member),
    member,
    url: acceptUrl(request.url, urlPolicy),
    types: [...new Set(request.types)],
    acknowledgement,
    secret: await newSecret(request.signature, random),
    createdAt: clock.now(),
  }
  return endpoints.add({ once, endpoint }, call)
}
