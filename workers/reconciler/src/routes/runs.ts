import { reconciler as routes } from '@stoa/contracts/reconciler'
import { formatCursor, InvalidCursorError, readCursor, type Service } from '@stoa/http'
import { type Call, parseTypedId } from '@stoa/kernel'
import { canonicalFields } from '@stoa/reconciliation'

import type { Deps } from '../deps.ts'
import { RunNotFoundError } from '../domain/desk.ts'
import { startRun, tryRun } from '../domain/start-run.ts'
import { presentRun, readDetail } from './present.ts'

async function lastOf({ runs }: Deps, cursor: string | undefined, call: Call) {
  if (cursor === undefined) return undefined
  const last = await runs.get(readCursor(cursor), call)
  if (last === undefined) throw new InvalidCursorError()
  return last
}

export function serveRuns(service: Service, deps: Deps): void {
  service.serve(routes.startReconciliation, async ({ body }, context) => {
    const once = await context.once()
    const { run, replayed } = await startRun(deps, { once, ...body }, context.call)
    if (replayed) context.replayed()
    return presentRun(run)
  })

  service.serve(routes.tryReconciliation, async ({ body }, { call, principal }) => {
    await principal()
    const { items, compared, young, found } = await tryRun(deps, body, call)
    return {
      compared,
      young,
      found: { ...found },
      items: items.map(({ amount, detail, ...finding }) => ({
        ...finding,
        amountMinor: amount,
        detail: readDetail(canonicalFields(detail)),
      })),
    }
  })

  service.serve(routes.listReconciliations, async ({ query }, { call, principal }) => {
    await principal()
    const before = await lastOf(deps, query.cursor, call)
    const found = await deps.runs.list({ before, limit: query.limit + 1 }, call)
    const items = found.slice(0, query.limit)
    const last = items.at(-1)
    return {
      items: items.map(presentRun),
      ...(found.length > query.limit && last !== undefined ? { next: formatCursor(last.id) } : {}),
    }
  })

  service.serve(routes.getReconciliation, async ({ params }, { call, principal }) => {
    await principal()
    const run = await deps.runs.get(parseTypedId('rcn', params.run), call)
    if (run === undefined) throw new RunNotFoundError()
    return presentRun(run)
  })
}
