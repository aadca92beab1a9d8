import type { Call, Clock, Ids, Random } from '@stoa/kernel'
import type { Answered, Once } from '@stoa/messaging'

import type { Endpoint } from './endpoint.ts'
import type { EndpointStore } from './ports.ts'
import { formatSecret } from './sign.ts'
import { acceptUrl, type UrlPolicy } from './webhook-url.ts'

/** Standard Webhooks ask for 24 to 64. */
const secretBytes = 32

export type EndpointRequest = {
  readonly once: Once
  readonly member: string
  readonly url: string
  readonly types: readonly string[]
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
  { once, member, url, types }: EndpointRequest,
  call: Call,
): Promise<Answered<Endpoint>> {
  const endpoint = {
    id: ids.child(member),
    member,
    url: acceptUrl(url, urlPolicy),
    types: [...new Set(types)],
    secret: formatSecret(random.bytes(secretBytes)),
    createdAt: clock.now(),
  }
  return endpoints.add({ once, endpoint }, call)
}
