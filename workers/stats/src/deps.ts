import { openKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import type { Links } from '@stoa/contracts'
import type { Inbox } from '@stoa/messaging'

import type { Counters } from './domain/ports.ts'
import type { Config } from './env.ts'
import { report } from './report.ts'
import { countersOf } from './store/counters.ts'

export type Deps = { readonly counters: Counters; readonly inbox: Inbox }

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openKeyspace({
    keyspace: 'stats',
    database: { metaUrl: config.META_URL, token: config.LIBSQL_TOKEN },
    queue: qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN }),
    publicUrl: config.PUBLIC_URL,
    defer,
    report,
  })
  return { counters: countersOf(access), inbox: access.inbox }
}
