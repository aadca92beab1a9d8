import { type KeyspaceAccess, openKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue, qstashVerifier } from '@stoa/adapters/qstash'
import { clientOf, type Links } from '@stoa/contracts'
import { users } from '@stoa/contracts/users'
import type { Authenticate } from '@stoa/http'
import { parseTypedId, type QueueVerifier } from '@stoa/kernel'

import type { GraphStore, PostStore, ProfileStore, TimelineStore } from './domain/ports.ts'
import type { Config } from './env.ts'
import { report } from './report.ts'
import { graphStore } from './store/graph.ts'
import { postStore } from './store/posts.ts'
import { profileStore } from './store/profiles.ts'
import { timelineStore } from './store/timelines.ts'

export type Deps = Pick<KeyspaceAccess, 'ids' | 'clock'> & {
  readonly profiles: ProfileStore
  readonly posts: PostStore
  readonly graph: GraphStore
  readonly timelines: TimelineStore
  readonly authenticate: Authenticate
  readonly verifier: QueueVerifier
}

export function buildDeps(config: Config, { defer, fetcher }: Links): Deps {
  const access = openKeyspace({
    keyspace: 'social',
    database: { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN },
    queue: qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN }),
    publicUrl: config.PUBLIC_URL,
    defer,
    report,
  })
  const members = clientOf(users, fetcher('users'))
  return {
    ids: access.ids,
    clock: access.clock,
    profiles: profileStore(access),
    posts: postStore(access),
    graph: graphStore(access),
    timelines: timelineStore(access),
    authenticate: async (token, call) => {
      const headers = { authorization: `Bearer ${token}` }
      const session = await members.currentSession({ headers }, call)
      return parseTypedId('usr', session.member)
    },
    verifier: qstashVerifier({
      current: config.QSTASH_CURRENT_SIGNING_KEY,
      next: config.QSTASH_NEXT_SIGNING_KEY,
    }),
  }
}
