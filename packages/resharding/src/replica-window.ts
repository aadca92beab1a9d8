import type { Rows, Statement } from '@stoa/kernel'

import { type Changes, readChanges } from './captured.ts'
import { asMover, attempt, gate } from './gate.ts'
import type { Span } from './job.ts'
import { type PrimaryPiece, turnMirror } from './replica-pieces.ts'
import {
  type FeedContext,
  feedJob,
  type Head,
  headOf,
  insertMirror,
  isVersion,
  mirrorPieces,
  piecesOf,
  primaryPieces,
  type ReplicaState,
  selectHead,
  selectState,
  stateOf,
} from './replica-state.ts'
import {
  deleteKeys,
  insertRows,
  listed,
  packedKey,
  quoted,
  type Table,
  unpackedKey,
} from './tables.ts'

/** What a replica lacks, as one snapshot of its primary. */
export type Window = {
  readonly head: Head
  readonly changes: Changes
  /** Slots in which the ownership changed, all their pieces as they are, and where rows may have changed unseen. */
  readonly slots: readonly string[]
  readonly pieces: readonly PrimaryPiece[]
  readonly gaps: readonly Span[]
  /** Just before the snapshot. */
  readonly readAt: number
}

const ownership = "seq > ? AND seq <= ? AND tbl = '_slot_owner'"

/** The current rows of the keys that were captured. */
function selectRows(table: Table): string {
  const { name, primaryKey, columns } = table
  return `SELECT ${packedKey(table)}, ${listed(columns)} FROM ${quoted(name)}
WHERE (${listed(primaryKey)}) IN (SELECT ${unpackedKey(table, 'c.pk')} FROM _cdc AS c WHERE c.seq > ? AND c.seq <= ? AND c.tbl = ?)`
}

function gapsOf(rows: Rows | undefined): readonly Span[] {
  return (rows?.rows ?? []).flatMap(([pk]) => {
    // The primary's own triggers made it.
    const [lo, hi, isGap] = JSON.parse(String(pk)) as readonly [string, string, number]
    return isGap === 1 ? [{ lo, hi }] : []
  })
}

/** What changed after what the replica has. One round trip. */
export async function readReplicaWindow(
  context: FeedContext,
  { applied, owners }: ReplicaState,
): Promise<Window> {
  const { primary, replica, tables, limits, safeguards, clock, call } = context
  const size = limits.window
  const ownersTo = safeguards.ownersAhead ? Number.MAX_SAFE_INTEGER : applied + size
  const within = [applied, applied + size]
  const readAt = clock.now()
  const statements: readonly Statement[] = [
    { sql: `SELECT pk FROM _cdc WHERE ${ownership}`, args: [owners, ownersTo] },
    {
      sql: piecesOf(`SELECT DISTINCT substr(key, 1, 3) AS slot FROM _cdc WHERE ${ownership}`),
      args: [owners, ownersTo],
    },
    { sql: 'SELECT seq, tbl, pk FROM _cdc WHERE seq > ? AND seq <= ? ORDER BY seq', args: within },
    ...tables.map((table) => ({
      sql: selectRows(table),
      args: [...within, table.name],
    })),
  ]
  const selects = [...statements, selectHead(replica.name)]
  const answers = [...(await primary.batch(selects, 'read', call))]
  const head = safeguards.oneSnapshot
    ? headOf(answers.pop())
    : headOf((await primary.batch([selectHead(replica.name)], 'read', call))[0])
  const [entries, pieces, ...changed] = answers
  const { newest } = head
  const changes = readChanges(
    tables,
    { after: applied, size, newest },
    { answers: changed, bytes: limits.bytes },
  )
  const found = primaryPieces(pieces)
  const gaps = safeguards.gaps ? gapsOf(entries) : []
  const touched = (entries?.rows ?? []).map(([pk]) => String(pk).slice(2, 5))
  return { head, changes, slots: [...new Set(touched)], pieces: found, gaps, readAt }
}

/** The statements that bring the replica's pieces to where the window says they are. One round trip when some moved. */
async function turning(context: FeedContext, window: Window): Promise<readonly Statement[]> {
  const { replica, call } = context
  const { slots, pieces, gaps } = window
  if (slots.length === 0) return []
  const names = JSON.stringify(slots)
  const select = { sql: piecesOf('SELECT value AS slot FROM json_each(?)'), args: [names] }
  const [rows] = await replica.batch([select], 'read', call)
  const mirror = mirrorPieces(rows)
  return [
    {
      sql: 'DELETE FROM _slot_owner WHERE lo IN (SELECT value FROM json_each(?))',
      args: [JSON.stringify(mirror.map(({ lo }) => lo))],
    },
    insertMirror(turnMirror({ pieces, mirror, gaps })),
  ]
}

/**
 * Brings what a window holds into the replica. Answers how far it is then; `undefined` when somebody else has fed it.
 * One round trip, two when ownership changed.
 */
export async function applyWindow(
  context: FeedContext,
  state: ReplicaState,
  window: Window,
): Promise<ReplicaState | undefined> {
  const { replica, call } = context
  const { changes, head, readAt } = window
  const turn = await turning(context, window)
  const deletes = [...changes.keys].map(([table, keys]) => deleteKeys(table, keys))
  const inserts = [...changes.rows].flatMap(([table, rows]) => insertRows(table, rows, 'replace'))
  const isLevel = changes.upTo >= head.newest
  const owners = Math.max(state.owners, context.safeguards.ownersAhead ? head.newest : changes.upTo)
  const progress = {
    sql: 'UPDATE _replica SET version = version + 1, applied = ?, owners = ?, at = ? WHERE id = 1',
    args: [changes.upTo, owners, isLevel ? Math.max(state.at, readAt) : state.at],
  }
  const statements = [
    gate(isVersion(context, state.version)),
    ...asMover(feedJob, [...turn, ...deletes, ...inserts, progress]),
    selectState,
  ]
  const answers = await attempt(replica, statements, call)
  return stateOf(answers?.at(-1))
}
