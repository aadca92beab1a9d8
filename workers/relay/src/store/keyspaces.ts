import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import { services } from '@stoa/contracts'
import { type PlatformEnv, report } from '@stoa/http'
import { type Call, isFault, type Rows, type Statement, systemClock } from '@stoa/kernel'
import { reviveEvents } from '@stoa/messaging'
import type { Query, Router } from '@stoa/sharding'

/** A service without a keyspace of its own, or one that is not provisioned here. */
function isAbsent(error: unknown): boolean {
  return isFault(error) && error.code === 'invalid_topology'
}

export type Keyspaces = {
  readonly router: (keyspace: string) => Router
  /** The rows that a query finds under a key, in whichever keyspaces have them. One round trip for each keyspace. */
  readonly find: (key: string, query: Statement, call: Call) => Promise<Rows['rows']>
  /** As `find`, of many queries. */
  readonly findMany: (queries: readonly Query[], call: Call) => Promise<Rows['rows']>
  /** Makes events ready again that were given up, wherever they lie; answers how many. */
  readonly revive: (ids: readonly string[], call: Call) => Promise<number>
}

/** The services that may own a keyspace: the relay, which asks, owns none. */
const owners = Object.keys(services).filter((name) => name !== 'relay')

/** Every keyspace that a service may own, each opened when it is first asked for. */
export function openKeyspaces(config: PlatformEnv): Keyspaces {
  const opened = new Map<string, Router>()
  const router = (name: string): Router => {
    const known = opened.get(name)
    if (known !== undefined) return known
    // Nothing is committed through these but what the relay itself writes: there is no event to publish afterwards.
    const access = openServiceKeyspace(name, config, { defer: () => undefined, report })
    opened.set(name, access.router)
    return access.router
  }
  const findMany: Keyspaces['findMany'] = async (queries, call) => {
    const rows: Rows['rows'][number][] = []
    for (const name of owners) {
      const answers = await router(name)
        .readMany(queries, call)
        .catch((error: unknown) => {
          if (isAbsent(error)) return []
          throw error
        })
      rows.push(...answers.flatMap((answer) => answer.rows))
    }
    return rows
  }
  const revive: Keyspaces['revive'] = async (ids, call) => {
    let revived = 0
    for (const name of owners) {
      for (const id of ids) {
        // An event's id carries the place of its aggregate.
        const statement = reviveEvents([id], systemClock.now())
        const [rows] = await router(name)
          .write(id, [statement], call)
          .catch((error: unknown) => {
            if (isAbsent(error)) return []
            throw error
          })
        revived += rows?.rowsAffected ?? 0
      }
    }
    return revived
  }
  return {
    router,
    findMany,
    revive,
    find: (key, statement, call) => findMany([{ key, statement }], call),
  }
}
