import {
  AmbiguousWriteError,
  type Call,
  isFault,
  type Rows,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import { isWritable, type Router } from '@stoa/sharding'

import {
  discrepanciesFrom,
  type Discrepancy,
  discrepancyColumns,
  type DiscrepancyState,
  StaleDiscrepancyError,
} from './discrepancy.ts'
import { type Action, breakId, canonicalFields, type Finding } from './finding.ts'
import { policyOf } from './policy.ts'

/** How long a break is left after it was first seen: what two looks so far apart agree about is no passing state. */
export const secondLookMs = 60_000
/** How often what waits for a person is looked at: it may have mended itself. */
export const reviewMs = 21_600_000

export type Seen = {
  readonly comparison: string
  /** When the looking began. A break that was closed after that is not opened again by what was seen before. */
  readonly at: number
  readonly actor: string
}

async function rowOf(finding: Finding, { comparison, at }: Seen) {
  const policy = policyOf(finding)
  const isHandwork = !policy.auto && policy.holdMs === 0
  return {
    id: await breakId(comparison, finding),
    class: finding.class,
    key: finding.key,
    state: isHandwork ? 'review' : 'open',
    action: finding.action,
    amount: finding.amount,
    detail: canonicalFields(finding.detail),
    due: at + (isHandwork ? reviewMs : Math.max(policy.holdMs, secondLookMs)),
  }
}

type FindingRow = Awaited<ReturnType<typeof rowOf>>

/**
 * Writes what is new, opens what came back, and leaves the rest as it is: what is known and not closed, and what was
 * dismissed as it stands.
 */
function insertFindings(rows: readonly FindingRow[], { comparison, at, actor }: Seen): Statement {
  return {
    sql: `INSERT INTO discrepancy (id, comparison, class, key, state, action, amount, detail, first_seen_at, changed_at, due_at, actor)
SELECT value ->> 'id', ?, value ->> 'class', value ->> 'key', value ->> 'state', value ->> 'action', value ->> 'amount',
  value ->> 'detail', ?, ?, value ->> 'due', ? FROM json_each(?) WHERE TRUE
ON CONFLICT (id) DO UPDATE SET state = excluded.state, action = excluded.action, amount = excluded.amount,
  detail = excluded.detail, occurrence = occurrence + 1, version = version + 1, first_seen_at = excluded.first_seen_at,
  changed_at = excluded.changed_at, due_at = excluded.due_at, closed_at = NULL, attempts = 0, lease_owner = NULL,
  lease_until = 0, assignee = NULL, proposed = NULL, maker = NULL, checker = NULL, actor = excluded.actor, note = 'came back'
WHERE excluded.first_seen_at > closed_at AND (state = 'resolved' OR (state = 'dismissed' AND detail <> excluded.detail))
RETURNING id`,
    args: [comparison, at, at, actor, JSON.stringify(rows)],
  }
}

type Keyspace = Pick<Router, 'groups' | 'writeAll'>

/** The most findings that are written in one batch. */
const findingsMax = 500

/**
 * Records findings, each once however often it is found; gives how many are new or came back. One round trip for each
 * shard touched and 500 findings.
 */
export async function recordFindings(
  keyspace: Keyspace,
  [findings, seen]: readonly [readonly Finding[], Seen],
  call: Call,
): Promise<number> {
  const rows = await Promise.all(findings.map((finding) => rowOf(finding, seen)))
  // Two breaks of one class under one key are one: an id may come once in a statement.
  const distinct = [...new Map(rows.map((row) => [row.id, row])).values()]
  let recorded = 0
  for (let start = 0; start < distinct.length; start += findingsMax) {
    const part = distinct.slice(start, start + findingsMax)
    for (const group of await keyspace.groups(part, ({ id }) => id, call)) {
      const keys = group.map(({ id }) => id)
      const [answer] = await keyspace.writeAll(keys, [insertFindings(group, seen)], call)
      recorded += answer?.rows.length ?? 0
    }
  }
  return recorded
}

/** A change of a discrepancy. What is not named stays, but for the lease, which ends. */
export type Move = {
  readonly to: DiscrepancyState
  readonly actor: string
  readonly at: number
  readonly note: string
  /** When somebody looks at it again; absent: nobody does. */
  readonly dueAt?: number
  readonly action?: Action
  readonly amount?: number
  readonly detail?: string
  readonly assignee?: string | null
  readonly proposed?: Action | 'dismiss' | null
  readonly maker?: string | null
  readonly checker?: string | null
  /** Who must hold the lease, and goes on holding it. */
  readonly lease?: string
}

const closed: ReadonlySet<DiscrepancyState> = new Set(['resolved', 'dismissed'])
const noteMax = 500

/** Moves a discrepancy if it is at `version`, and leased to whom the move says; else the batch aborts. */
export function updateDiscrepancy({ id, version }: Discrepancy, move: Move): Statement {
  const sets: [string, string | number | null][] = [
    ['actor = ?', move.actor],
    ['note = ?', move.note.slice(0, noteMax)],
    ['changed_at = ?', move.at],
    ['due_at = ?', move.dueAt ?? null],
    ['closed_at = ?', closed.has(move.to) ? move.at : null],
  ]
  for (const name of [
    'action',
    'amount',
    'detail',
    'assignee',
    'proposed',
    'maker',
    'checker',
  ] as const) {
    const value = move[name]
    if (value !== undefined) sets.push([`${name} = ?`, value])
  }
  const lease = move.lease ?? null
  const kept = move.to === 'repairing' ? '' : 'lease_owner = NULL, lease_until = 0, '
  return {
    sql: `UPDATE discrepancy SET state = CASE WHEN version = ? AND CASE WHEN ? IS NULL THEN lease_until <= ? ELSE lease_owner IS ? END THEN ? END,
  version = version + 1, attempts = 0, ${kept}${sets.map(([set]) => set).join(', ')} WHERE id = ? RETURNING ${discrepancyColumns}`,
    args: [version, lease, move.at, lease, move.to, ...sets.map(([, value]) => value), id],
  }
}

function isStale(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint === 'discrepancy.state'
}

/**
 * Commits a move, and finds out what became of it when the reply is lost. One round trip; two more then.
 *
 * @throws StaleDiscrepancyError when the discrepancy has moved on, or another repairer holds it.
 */
export async function moveDiscrepancy(
  keyspace: Pick<Router, 'read' | 'write'>,
  [discrepancy, move]: readonly [Discrepancy, Move],
  call: Call,
): Promise<Discrepancy> {
  const { id, version } = discrepancy
  const send = () => keyspace.write(id, [updateDiscrepancy(discrepancy, move)], call)
  let lost: AmbiguousWriteError | undefined
  try {
    const answers = await send().catch((error: unknown) => {
      if (!(error instanceof AmbiguousWriteError)) throw error
      lost = error
      return send()
    })
    return firstOf(answers[0], discrepancy)
  } catch (error) {
    if (!isStale(error)) throw lost !== undefined && isFault(error) ? lost : error
    const stale = new StaleDiscrepancyError(id, version, { cause: error })
    if (lost === undefined) throw stale
    const entry = await keyspace.read(id, selectEntry(id, version + 1), call)
    const [state, actor, at] = entry.rows[0] ?? []
    if (state !== move.to || actor !== move.actor || at !== move.at) throw stale
    return firstOf(await keyspace.read(id, selectDiscrepancy(id), call), discrepancy)
  }
}

function firstOf(rows: Rows | undefined, { id, version }: Discrepancy): Discrepancy {
  const [first] = rows === undefined ? [] : discrepanciesFrom(rows)
  if (first === undefined) throw new StaleDiscrepancyError(id, version)
  return first
}

function selectEntry(id: string, version: number): Statement {
  return {
    sql: 'SELECT state, actor, at FROM discrepancy_journal WHERE discrepancy = ? AND version = ?',
    args: [id, version],
  }
}

export function selectDiscrepancy(id: string): Statement {
  return { sql: `SELECT ${discrepancyColumns} FROM discrepancy WHERE id = ?`, args: [id] }
}

export type Lease = { readonly owner: string; readonly now: number; readonly leaseMs: number }

/** Takes discrepancies that are due and nobody's, oldest first, and answers them. */
export function claimDiscrepancies({ owner, now, leaseMs }: Lease, limit: number): Statement {
  return {
    sql: `UPDATE discrepancy SET lease_owner = ?, lease_until = ?, attempts = attempts + 1
WHERE id IN (SELECT id FROM discrepancy
  WHERE due_at <= ? AND lease_until <= ? AND ${isWritable('id')} ORDER BY due_at, id LIMIT ?)
RETURNING ${discrepancyColumns}`,
    args: [owner, now + leaseMs, now, now, limit],
  }
}

/** A discrepancy that is given back unchanged, to be looked at again at `dueAt`. */
export type Release = { readonly id: string; readonly dueAt: number }

/** Gives back what `owner` has leased; the rest has found another, and stays his. */
export function releaseDiscrepancies(releases: readonly Release[], owner: string): Statement {
  return {
    sql: `UPDATE discrepancy SET lease_owner = NULL, lease_until = 0, due_at = w.due
FROM (SELECT value ->> 'id' AS discrepancy, value ->> 'dueAt' AS due FROM json_each(?)) AS w
WHERE id = w.discrepancy AND lease_owner = ?`,
    args: [JSON.stringify(releases), owner],
  }
}
