import {
  AmbiguousWriteError,
  type Call,
  isFault,
  rootCall,
  type RouteKey,
  type Rows,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import type { StoaEvent } from './event.ts'
import type { Marks } from './marks.ts'
import { insertEvents } from './outbox.ts'
import { publishEvents, type RelayDeps } from './relay.ts'

/** One local transaction: rows and the events that tell of them, in one shard. */
export type Work = {
  /** The keys of the rows, all in one shard. */
  readonly keys: readonly RouteKey[]
  /** What makes a repeat harmless, first in the batch: an inbox or idempotency row. */
  readonly first?: readonly Statement[]
  readonly statements: readonly Statement[]
  /** What happened. A write without its event is impossible by type; `[]` says that nobody need know. */
  readonly events: readonly StoaEvent[]
  /** Events that the statements insert by themselves, when a condition in the database holds. */
  readonly conditional?: readonly StoaEvent[]
  /**
   * Makes the events that the statements insert by themselves under a key or an order number that only the database
   * knows, from the rows that the statements gave. Such statements must be harmless when sent twice.
   */
  readonly eventsOf?: (rows: readonly Rows[]) => readonly StoaEvent[]
}

/** The rows of `statements`; absent when the reply was lost and the batch proved to have happened. */
export type Committed = { readonly rows: readonly Rows[] | undefined }

export type Committer = {
  /**
   * Commits `work` behind the fence, in one round trip, then publishes its events after the answer.
   *
   * When the reply is lost the same batch is sent once more; if that is refused, the row of an event of the work tells
   * whether it happened the first time.
   *
   * @throws SqlConstraintError, ShardFencedError, ShardBusyError, ShardUnavailableError: nothing was written.
   * @throws AmbiguousWriteError when the reply was lost and the second try got none either, or the work has no unique row.
   */
  commit(work: Work, call: Call): Promise<Committed>
}

export type CommitterDeps = RelayDeps & {
  readonly router: Router
  readonly marks: Marks
  /** Keeps the isolate alive for work after the answer. */
  defer(work: Promise<unknown>): void
  report(error: unknown, requestId: string): void
}

export function createCommitter(deps: CommitterDeps): Committer {
  const { router, clock, marks } = deps
  const publish = async (
    events: readonly StoaEvent[],
    key: RouteKey,
    call: Call,
  ): Promise<void> => {
    const { published } = await publishEvents(events, deps, call)
    marks.add(await router.shardOf(key, call), published)
  }
  const announce = (work: Work, rows: readonly Rows[] | undefined, call: Call): void => {
    const conditional = happened(work.conditional ?? [], rows ?? [])
    const returned = rows === undefined ? [] : (work.eventsOf?.(statementRows(work, rows)) ?? [])
    const events = [...work.events, ...conditional, ...returned]
    const [key] = work.keys
    if (events.length === 0 || key === undefined) return
    // The sweep publishes what this could not; that is what it is for.
    const publishing = publish(events, key, rootCall(call.requestId)).catch((error: unknown) =>
      deps.report(error, call.requestId),
    )
    deps.defer(publishing)
  }
  return {
    commit: async (work, call) => {
      const first = work.first ?? []
      const batch = [...first, ...work.statements]
      const events = work.events.length === 0 ? [] : [insertEvents(work.events, clock.now())]
      const send = () => router.writeAll(work.keys, [...batch, ...events], call)
      const rows = await send().catch((error: unknown) =>
        recover(error, { work, send, router }, call),
      )
      announce(work, rows, call)
      return { rows: rows === undefined ? undefined : statementRows(work, rows) }
    },
  }
}

/** The rows of the work's own statements, of all that the batch gave. */
function statementRows({ first = [], statements }: Work, rows: readonly Rows[]): readonly Rows[] {
  return rows.slice(first.length, first.length + statements.length)
}

/** The conditional events that were written: each such statement answers the id of its row. */
function happened(events: readonly StoaEvent[], rows: readonly Rows[]): readonly StoaEvent[] {
  if (events.length === 0) return []
  const ids = new Set(rows.flatMap((each) => each.rows.map(([id]) => id)))
  return events.filter((event) => ids.has(event.id))
}

type Lost = {
  readonly work: Work
  readonly send: () => Promise<readonly Rows[]>
  readonly router: Router
}

/**
 * Sends a batch whose reply was lost once more. When that is refused, by whatever rule, the row of the work's own event
 * tells whether it was the first try that stands in the way: its id is fresh, and an order number is not.
 */
async function recover(
  error: unknown,
  { work, send, router }: Lost,
  call: Call,
): Promise<readonly Rows[] | undefined> {
  if (!(error instanceof AmbiguousWriteError)) throw error
  const hasOwnRow = work.events.length > 0 || (work.first ?? []).length > 0
  if (!hasOwnRow && work.eventsOf === undefined) throw error
  try {
    return await send()
  } catch (again) {
    // Not reached, or not in time: the first try is as unknown as before.
    const isRefused = again instanceof SqlConstraintError || !isFault(again)
    if (!isRefused || call.signal.aborted) throw error
    const isDone = await isThere(work.events, router, call)
    if (isDone === undefined) throw error
    if (isDone) return undefined
    throw again
  }
}

/** Whether the first of `events`, which are written together, was written; `undefined` when that cannot be told now. */
async function isThere(
  [event]: readonly StoaEvent[],
  router: Router,
  call: Call,
): Promise<boolean | undefined> {
  if (event === undefined) return false
  const query = { sql: 'SELECT 1 AS written FROM outbox WHERE id = ?', args: [event.id] }
  try {
    const { rows } = await router.read(event.key, query, call)
    return rows.length === 1
  } catch (error) {
    if (isFault(error) || call.signal.aborted) return undefined
    throw error
  }
}
