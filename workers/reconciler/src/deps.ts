import { type KeyspaceAccess, openServiceKeyspace } from '@stoa/adapters/keyspace'
import { qstashQueue } from '@stoa/adapters/qstash'
import { upstashRedis } from '@stoa/adapters/upstash-redis'
import type { Links } from '@stoa/contracts'
import { report } from '@stoa/http'
import { type Clock, type RedisPort, secureRandom, systemClock } from '@stoa/kernel'
import {
  type Budget,
  createDesk,
  createReconciler,
  createRepairer,
  type Desk,
  differingSpans,
  digestsOf,
} from '@stoa/reconciliation'

import type { Statements } from './domain/feeds.ts'
import type { Source } from './domain/money.ts'
import type { Plan } from './domain/plan.ts'
import type { DiscrepancyList, RunList } from './domain/ports.ts'
import { repair, type Repairs } from './domain/repairs.ts'
import type { StartDeps } from './domain/start-run.ts'
import type { TickDeps } from './domain/tick.ts'
import type { Config } from './env.ts'
import { changesOf } from './store/changes.ts'
import { discrepancyList } from './store/discrepancies.ts'
import { feedStore } from './store/feeds.ts'
import { ledgerOf } from './store/ledger.ts'
import { moneyRepairs } from './store/money-repairs.ts'
import type { ReaderOf } from './store/pages.ts'
import { plansOf } from './store/plans.ts'
import { remember } from './store/remember.ts'
import { serviceRepairs } from './store/repairs.ts'
import { runStore } from './store/runs.ts'
import { providerStatements } from './store/statements.ts'

export type ReconcilerOptions = {
  /** Where the provider's statements come from. Default: the payments service. */
  readonly statements?: Statements
  /** Repairs beside those that the services' routes can do, or in their place, by `comparison/action`. */
  readonly repairs?: Repairs
  /** What an hour may repair of a class by itself; 100 and 100,000 minor units where it says nothing. */
  readonly budgets?: Partial<Readonly<Record<string, Budget>>>
  /** Names of what is compared, where not all services are there. Default: everything. */
  readonly comparisons?: readonly string[]
  /** Default: the system's. */
  readonly clock?: Clock
}

export type Deps = StartDeps & {
  readonly desk: Desk
  readonly discrepancies: DiscrepancyList
  readonly runs: RunList
  readonly clock: Clock
  readonly tick: TickDeps
}

/** Keyspaces of the services, each opened when it is first read. */
function readersOf(config: Config, defer: Links['defer']): ReaderOf {
  const opened = new Map<string, KeyspaceAccess>()
  return (keyspace) => {
    const access = opened.get(keyspace) ?? openServiceKeyspace(keyspace, config, { defer, report })
    opened.set(keyspace, access)
    return access.router
  }
}

/** Where the stats service shows what it has counted. */
function hotViewOf({
  CACHE_DATABASES: caches,
  REDIS_URL: url,
  REDIS_TOKEN: token,
}: Config): RedisPort {
  return upstashRedis({ name: 'hot', ...(caches?.[0] ?? { url, token }) })
}

function plansWith(
  config: Config,
  {
    readerOf,
    access,
    clock,
  }: { readonly readerOf: ReaderOf; readonly access: KeyspaceAccess; readonly clock: Clock },
): readonly Plan[] {
  const feeds = feedStore(access)
  const completeTo = async (source: Source, call: Parameters<typeof feeds.read>[1]) =>
    (await feeds.read(source, call))?.completeTo ?? 0
  return plansOf({ readerOf, own: access.router, hot: hotViewOf(config), clock, completeTo })
}

export function buildDeps(config: Config, links: Links, options: ReconcilerOptions): Deps {
  const { clock = systemClock, budgets = {} } = options
  const access = openServiceKeyspace('reconciler', config, { defer: links.defer, report })
  const { router: keyspace, ids } = access
  const readerOf = readersOf(config, links.defer)
  const plans = plansWith(config, { readerOf, access, clock }).filter(
    ({ comparison }) => options.comparisons?.includes(comparison.name) ?? true,
  )
  const reconciler = createReconciler({ keyspace, clock })
  const desk = createDesk({ keyspace, clock })
  const queue = qstashQueue({ url: config.QSTASH_URL, token: config.QSTASH_TOKEN })
  const operatorToken = config.OPERATOR_TOKEN
  const publishing = { queue, publicUrl: config.PUBLIC_URL, readerOf, clock, operatorToken }
  const repairs = {
    ...serviceRepairs(links, publishing),
    ...moneyRepairs(links, config),
    ...options.repairs,
  }
  const runs = runStore(access)
  return {
    plans,
    reconciler,
    ids,
    clock,
    desk,
    runs,
    remember: remember(access),
    discrepancies: discrepancyList(access, desk),
    tick: {
      plans,
      reconciler,
      runs,
      clock,
      report,
      feeds: feedStore(access),
      statements: options.statements ?? providerStatements(config, links),
      ledger: ledgerOf(readerOf('payments')),
      changes: changesOf(readerOf),
      differing: async (day, call) => {
        const sources = (['ledger', 'provider'] as const).map((entity) =>
          digestsOf(keyspace, { entity, day }),
        ) as [ReturnType<typeof digestsOf>, ReturnType<typeof digestsOf>]
        return (await differingSpans(sources, call)).spans
      },
      shards: (call) => keyspace.shards(call),
      repairer: createRepairer({
        keyspace,
        comparisons: plans.map(({ comparison }) => comparison),
        repair: (order, call) => repair(repairs, order, call),
        budgets,
        clock,
        random: secureRandom,
        report,
      }),
    },
  }
}
