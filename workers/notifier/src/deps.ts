import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { type Random, secureRandom } from '@stoa/kernel'

import type {
  DeliveryStore,
  EndpointStore,
  EventStore,
  NoticeStore,
  PostWebhook,
  RingLater,
} from './domain/ports.ts'
import type { UrlPolicy } from './domain/webhook-url.ts'
import type { Config } from './env.ts'
import { deliveryStore } from './store/deliveries.ts'
import { endpointStore } from './store/endpoints.ts'
import { eventStore } from './store/events.ts'
import { noticeStore } from './store/notices.ts'
import { postWebhook } from './store/post-webhook.ts'
import { ringLater } from './store/ring-later.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock' | 'inbox'> & {
  readonly endpoints: EndpointStore
  readonly deliveries: DeliveryStore
  readonly events: EventStore
  readonly notices: NoticeStore
  readonly post: PostWebhook
  readonly ringLater: RingLater
  readonly random: Random
  readonly urlPolicy: UrlPolicy
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('notifier', config, { defer, report })
  const queue = qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN })
  return {
    ids: access.ids,
    clock: access.clock,
    inbox: access.inbox,
    endpoints: endpointStore(access),
    deliveries: deliveryStore(access),
    events: eventStore(access),
    notices: noticeStore(access),
    post: postWebhook((request) => fetch(request), access.clock),
    ringLater: ringLater({ queue, publicUrl: config.PUBLIC_URL, report }),
    random: secureRandom,
    urlPolicy: {
      ownHost: new URL(config.PUBLIC_URL).hostname,
      allowLoopback: config.ALLOW_LOOPBACK_WEBHOOKS,
    },
  }
}
