import { type Call, isFault, rootCall, sleep, systemClock } from '@stoa/kernel'
import { defaultLimits, isAtRest, type Move, type MoveProgress, type Mover } from '@stoa/resharding'

import { MoveTakenBackError } from './faults.ts'
import { exitCodes, type Output } from './output.ts'
import { followMove, type Progress, progressOf } from './progress.ts'
import type { Stopper } from './stopper.ts'
import { moverOf, readTopology, type System } from './system.ts'

/** Failures in a row after which it gives up; each is waited for longer. */
const failuresMax = 20
/** Batches in one advance: between two of them Ctrl-C is heard, so they take about a second. */
const batchesMax = 40

export type DriveOptions = {
  readonly system: System
  readonly output: Output
  readonly stopper: Stopper
  readonly maxRate: number | undefined
}

function limitsAt(maxRate: number | undefined) {
  if (maxRate === undefined) return { batches: batchesMax }
  const rows = Math.min(defaultLimits.rows, maxRate)
  const batches = Math.min(batchesMax, Math.max(1, Math.floor(maxRate / rows)))
  return { rows, batches, maxRowsPerSecond: maxRate }
}

/** Phases in which keys may be frozen: nobody stops there. */
function isCritical({ phase }: Move): boolean {
  return phase === 'cutover' || phase === 'reversing'
}

/** Advances a move until it rests, or somebody stops it between two steps. */
async function advanceAll(mover: Mover, id: string, stopper: Stopper): Promise<Move> {
  const call = rootCall(`stoa ${id}`)
  let failures = 0
  let turnsBack = 0
  let move = await mover.read(id, call)
  const rest = (count: number) =>
    sleep(defaultLimits.retryMs * Math.min(count, 8), systemClock, call.signal)
  while (!isAtRest(move) && (!stopper.isStopped || isCritical(move))) {
    try {
      const { phase } = move
      move = await mover.advance(id, call)
      failures = 0
      if (phase === 'cutover' && move.phase === 'checking') {
        turnsBack += 1
        await rest(turnsBack)
      }
    } catch (error) {
      failures += 1
      if (!isFault(error) || !error.retryable || failures > failuresMax) throw error
      await rest(failures)
    }
  }
  return move
}

/** Rows that the target has of a move already. Two round trips. */
async function copiedOf(system: System, { id, keyspace, spec }: Move, call: Call): Promise<number> {
  const { keyspaces } = await readTopology(system, call)
  const target = keyspaces[keyspace]?.shards.find(({ name }) => name === spec.target)
  if (target === undefined) return 0
  const query = { sql: 'SELECT sum(rows) FROM _mv_chunk WHERE job = ?', args: [id] }
  const [found] = await system.open(target).batch([query], 'read', call)
  return Number(found?.rows[0]?.[0] ?? 0)
}

function tellMove(output: Output, move: Move, pauseMs: number | undefined): void {
  const { id, phase, spec, note } = move
  const { source, target } = spec
  const pause = pauseMs === undefined ? '' : `; writes waited ${pauseMs} ms`
  const next =
    phase === 'holding'
      ? `\nThe source follows. End it with "complete ${id}", or go back with "reverse ${id}".`
      : ''
  const event = { event: 'move', job: id, phase, source, target, pauseMs, note }
  output.tell(event, `${id}: ${phase}: ${source} -> ${target}${pause}${next}`)
}

async function driveOne(
  { system, output, stopper, maxRate }: DriveOptions,
  id: string,
  progress: Progress,
): Promise<Move> {
  const call = rootCall(`stoa ${id}`)
  const before = await moverOf(system).read(id, call)
  const rows = Object.values(before.spec.rows).reduce((sum, count) => sum + count, 0)
  const copied = before.phase === 'copying' ? await copiedOf(system, before, call) : 0
  const follow = followMove(progress, { id, rows, copied })
  let pauseMs: number | undefined
  const hear = (event: MoveProgress) => {
    pauseMs = event.pauseMs ?? pauseMs
    follow(event)
  }
  const mover = moverOf(system, { limits: limitsAt(maxRate), progress: hear })
  try {
    const move = await advanceAll(mover, id, stopper)
    progress.stop()
    if (isAtRest(move)) tellMove(output, move, pauseMs)
    const wasAsked = before.phase === 'aborting' || before.phase === 'aborted'
    if (move.phase === 'aborted' && !wasAsked) throw new MoveTakenBackError(id, move.note)
    return move
  } finally {
    progress.stop()
  }
}

/**
 * Brings moves to their ends, one after the other; answers the exit code. Stopped between two steps, or killed anywhere,
 * they go on where they were.
 *
 * @throws MoveTakenBackError when one was taken back that was not to be.
 */
export async function drive(options: DriveOptions, ids: readonly string[]): Promise<number> {
  const progress = progressOf(options.output)
  for (const id of ids) {
    const move = await driveOne(options, id, progress)
    if (!isAtRest(move)) {
      const text = `Stopped: ${id} is ${move.phase}. It goes on with: npm run stoa -- resume`
      options.output.tell({ event: 'stopped', job: id, phase: move.phase }, text)
      return exitCodes.stopped
    }
  }
  return exitCodes.done
}
