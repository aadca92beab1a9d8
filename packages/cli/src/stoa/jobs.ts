import { type Call, xxh32 } from '@stoa/kernel'
import { isAtRest, isOver, type MovePhase } from '@stoa/resharding'

import { type Output, table } from './output.ts'
import type { System } from './system.ts'
import type { Wish } from './wish.ts'

/** A move as `meta` has it, without its long specification. */
export type Job = {
  readonly id: string
  readonly keyspace: string
  readonly phase: MovePhase
  readonly source: string
  readonly target: string
  readonly rows: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly note: string | undefined
}

/** The most jobs that are listed: the newest. */
const jobsMax = 1_000

/** The moves, newest first. One round trip. */
export async function readJobs(
  { meta }: Pick<System, 'meta'>,
  call: Call,
): Promise<readonly Job[]> {
  const query = {
    sql: `SELECT id, keyspace, phase, spec ->> '$.source', spec ->> '$.target',
  (SELECT sum(value) FROM json_each(spec -> '$.rows')), created_at, updated_at, note
FROM reshard_job ORDER BY created_at DESC, id DESC LIMIT ?`,
    args: [jobsMax],
  }
  const [found] = await meta.batch([query], 'read', call)
  return (found?.rows ?? []).map((row) => {
    const [id, keyspace, phase, source, target, rows, createdAt, updatedAt, note] = row
    return {
      id: String(id),
      keyspace: String(keyspace),
      // Written by the mover.
      phase: String(phase) as MovePhase,
      source: String(source),
      target: String(target),
      rows: Number(rows ?? 0),
      createdAt: Number(createdAt),
      updatedAt: Number(updatedAt),
      note: typeof note === 'string' ? note : undefined,
    }
  })
}

/** A move that somebody has to go on with. */
export function isUnfinished(job: Job): boolean {
  return !isAtRest(job)
}

/** What the ids of a command's moves begin with: the same words give the same. */
export function stemOf(wish: Wish): string {
  const { verb, keyspace, to, weights, ...rest } = wish
  const words = JSON.stringify([
    rest.from,
    to,
    rest.slots,
    rest.owner,
    rest.range,
    rest.at,
    weights,
  ])
  return `${verb}-${keyspace.slice(0, 24)}-${xxh32(words).toString(16).padStart(8, '0')}`
}

/** The ids of a next round of a command's moves: two that are given at once start the same ones. */
export function nextIds(stem: string, jobs: readonly Job[], count: number): readonly string[] {
  const rounds = jobs.flatMap(({ id }) => {
    const [, round] = id.startsWith(`${stem}-`) ? (/-(\d+)\.\d+$/.exec(id) ?? []) : []
    return round === undefined ? [] : [Number(round)]
  })
  const round = Math.max(0, ...rounds) + 1
  return Array.from({ length: count }, (_, at) => `${stem}-${round}.${at + 1}`)
}

/** The order in which the moves of a command were written down. */
export function inOrder(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true })
}

/** The plan that a move belongs to, when it belongs to one; its own id when that names a plan. */
export function planIdOf(job: string): string {
  return job.replace(/-\d+\.\d+$/, '')
}

function when(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}

/** Lists moves: those that are not over, or all. */
export function tellJobs(output: Output, jobs: readonly Job[], isAll: boolean): void {
  const shown = jobs.filter((job) => isAll || !isOver(job))
  if (output.isJson) {
    for (const job of shown) output.tell({ event: 'job', ...job }, '')
    return
  }
  if (shown.length === 0) {
    output.tell({}, isAll ? 'No jobs.' : 'No unfinished jobs.')
    return
  }
  const rows = shown.map((job) => [
    job.id,
    job.phase,
    `${job.source} -> ${job.target}`,
    job.rows,
    when(job.updatedAt),
    job.note ?? '',
  ])
  output.tell({}, table([['job', 'phase', 'move', 'rows', 'changed', 'note'], ...rows]))
}
