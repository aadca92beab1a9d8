import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { type Random, secureRandom } from '@stoa/kernel'

import type { DeliveryStore, EndpointStore, PostWebhook } from './domain/ports.ts'
import type { UrlPolicy } from './domain/webhook-url.ts'
import type { Config } from './env.ts'
import { deliveryStore } from './store/deliveries.ts'
import { endpointStore } from './store/endpoints.ts'
import { postWebhook } from './store/post-webhook.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock' | 'inbox'> & {
  readonly endpoints: EndpointStore
  readonly deliveries: DeliveryStore
  readonly post: PostWebhook
  readonly random: Random
  readonly urlPolicy: UrlPolicy
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('notifier', config, { defer, report })
  return {
    ids: access.ids,
    clock: access.clock,
    inbox: access.inbox,
    endpoints: endpointStore(access),
    deliveries: deliveryStore(access),
    post: postWebhook((request) => fetch(request), access.clock),
    random: secureRandom,
    urlPolicy: {
      ownHost: new URL(config.PUBLIC_URL).hostname,
      allowLoopback: config.ALLOW_LOOPBACK_WEBHOOKS,
    },
  }
}
