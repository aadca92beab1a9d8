import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { qstashVerifier } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { openServiceCache } from '@stoa/http/cache'
import type { QueueVerifier } from '@stoa/kernel'

import type {
  GraphStore,
  PostStore,
  ProfileStore,
  ReplyStore,
  TimelineStore,
} from './domain/ports.ts'
import type { Config } from './env.ts'
import { graphStore } from './store/graph.ts'
import { postStore } from './store/posts.ts'
import { profileStore } from './store/profiles.ts'
import { replyStore } from './store/replies.ts'
import { timelineStore } from './store/timelines.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly profiles: ProfileStore
  readonly posts: PostStore
  readonly replies: ReplyStore
  readonly graph: GraphStore
  readonly timelines: TimelineStore
  readonly verifier: QueueVerifier
}

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('social', config, { defer, report })
  const cache = openServiceCache({ service: 'social' }, config, { defer, report })
  return {
    ids: access.ids,
    clock: access.clock,
    profiles: profileStore(access),
    posts: postStore(access, { cache, defer }),
    replies: replyStore(access),
    graph: graphStore(access),
    timelines: timelineStore(access),
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
  }
}
