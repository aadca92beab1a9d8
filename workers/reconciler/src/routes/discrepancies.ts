import { reconciler as routes } from '@stoa/contracts/reconciler'
import { formatCursor, InvalidCursorError, readCursor, type Service } from '@stoa/http'
import { type Call, parseTypedId } from '@stoa/kernel'
import type { Discrepancy } from '@stoa/reconciliation'

import type { Deps } from '../deps.ts'
import { DiscrepancyNotFoundError, doOnce } from '../domain/desk.ts'
import { presentDiscrepancy, presentEntry } from './present.ts'

const hourMs = 3_600_000

/** A person's deed, and whether a row is what it left behind. */
type Asked = {
  readonly id: string
  readonly version: number
  readonly by: string
  readonly note: string
}

function deedOf({ id, version, by, note }: Asked) {
  return { id, version, actor: by, note }
}

async function lastOf({ desk }: Deps, cursor: string | undefined, call: Call) {
  if (cursor === undefined) return undefined
  const last = await desk.read(readCursor(cursor), call)
  if (last === undefined) throw new InvalidCursorError()
  return last
}

function serveReads(service: Service, deps: Deps): void {
  service.serve(routes.listDiscrepancies, async ({ query }, { call, principal }) => {
    await principal()
    const { limit, cursor, olderThanHours, ...filter } = query
    const seenBefore =
      olderThanHours === undefined ? undefined : deps.clock.now() - olderThanHours * hourMs
    const after = await lastOf(deps, cursor, call)
    const page = { after, limit: limit + 1 }
    const found = await deps.discrepancies.list({ ...filter, seenBefore }, page, call)
    const items = found.slice(0, limit)
    const last = items.at(-1)
    return {
      items: items.map(presentDiscrepancy),
      ...(found.length > limit && last !== undefined ? { next: formatCursor(last.id) } : {}),
    }
  })

  service.serve(routes.getDiscrepancy, async ({ params }, { call, principal }) => {
    await principal()
    const id = parseTypedId('dsc', params.discrepancy)
    const [row, journal] = await Promise.all([
      deps.desk.read(id, call),
      deps.desk.journal(id, call),
    ])
    if (row === undefined) throw new DiscrepancyNotFoundError()
    return { ...presentDiscrepancy(row), journal: journal.map(presentEntry) }
  })

  service.serve(routes.ageDiscrepancies, async (_input, { call, principal }) => {
    await principal()
    const items = await deps.discrepancies.ageing(call)
    return { items: items.map(({ amount, ...age }) => ({ ...age, amountMinor: amount })) }
  })
}

export function serveDiscrepancies(service: Service, deps: Deps): void {
  const { desk } = deps
  serveReads(service, deps)
  const once = async (
    asked: Asked,
    {
      isDone,
      work,
    }: {
      readonly isDone: (row: Discrepancy) => boolean
      readonly work: () => Promise<Discrepancy>
    },
    call: Call,
  ) => {
    const isOurs = (row: Discrepancy) => row.note === asked.note && isDone(row)
    return presentDiscrepancy(await doOnce(desk, { ...asked, isDone: isOurs, work }, call))
  }

  service.serve(routes.assignDiscrepancy, async ({ params, body }, { call, principal }) => {
    await principal()
    const asked = { id: parseTypedId('dsc', params.discrepancy), ...body }
    const { assignee } = body
    const isDone = (row: Discrepancy) => (row.assignee ?? null) === assignee
    const work = () => desk.assign({ ...deedOf(asked), assignee }, call)
    return once(asked, { isDone, work }, call)
  })

  service.serve(routes.proposeRepair, async ({ params, body }, { call, principal }) => {
    await principal()
    const asked = { id: parseTypedId('dsc', params.discrepancy), ...body }
    const { action, by } = body
    const isDone = (row: Discrepancy) => row.proposed === action && row.maker === by
    return once(
      asked,
      { isDone, work: () => desk.propose({ ...deedOf(asked), action }, call) },
      call,
    )
  })

  service.serve(routes.decideRepair, async ({ params, body }, { call, principal }) => {
    await principal()
    const asked = { id: parseTypedId('dsc', params.discrepancy), ...body }
    const { approved, by } = body
    const isDone = (row: Discrepancy) =>
      approved ? row.checker === by : row.state === 'review' && row.proposed === undefined
    return once(
      asked,
      { isDone, work: () => desk.decide({ ...deedOf(asked), approved }, call) },
      call,
    )
  })
}
