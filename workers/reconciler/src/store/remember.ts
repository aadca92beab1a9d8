import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { prefixOf } from '@stoa/kernel'

import type { StartDeps } from '../domain/start-run.ts'

/** Keeps under a request's key which run it began. One round trip; two for a repeat. */
export function remember({ once: runner }: Pick<KeyspaceAccess, 'once'>): StartDeps['remember'] {
  return (once, run, call) => {
    const key = prefixOf(run)
    return runner.run(
      once,
      { key, work: { keys: [key], statements: [], events: [] }, reply: run },
      call,
    )
  }
}
