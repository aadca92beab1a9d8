import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import type { Inbox } from '@stoa/messaging'

import type { Counters } from './domain/ports.ts'
import type { Config } from './env.ts'
import { countersOf } from './store/counters.ts'

export type Deps = { readonly counters: Counters; readonly inbox: Inbox }

export function buildDeps(config: Config, { defer }: Links): Deps {
  const access = openServiceKeyspace('stats', config, { defer, report })
  return { counters: countersOf(access), inbox: access.inbox }
}
