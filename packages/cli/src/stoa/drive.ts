import { type Call, isFault, rootCall, sleep, systemClock } from '@stoa/kernel'
import { defaultLimits, isAtRest, type Move, type MoveProgress, type Mover } from '@stoa/resharding'

import { MoveTakenBackError } from './faults.ts'
import { planIdOf } from './jobs.ts'
import { exitCodes, type Output } from './output.ts'
import { followMove, movePasses, type Progress, progressOf, rowsOf } from './progress.ts'
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

function tellMove(
  { output, isOneOfMany }: { readonly output: Output; readonly isOneOfMany: boolean },
  move: Move,
  pauseMs: number | undefined,
): void {
  const { id, phase, spec, note } = move
  const { source, target } = spec
  const pause = pauseMs === undefined ? '' : `; writes waited ${pauseMs} ms`
  const name = isOneOfMany ? planIdOf(id) : id
  const next =
    phase === 'holding'
      ? `\nThe source follows. End it with "complete ${name}", or go back with "reverse ${name}".`
      : ''
  const event = { event: 'move', job: id, phase, source, target, pauseMs, note }
  output.tell(event, `${id}: ${phase}: ${source} -> ${target}${pause}${next}`)
}

/** Where a move stands in what is driven, and what of it is shown. */
type Place = {
  readonly move: Move
  readonly name: string
  readonly before: number
  readonly progress: Progress
}

async function driveOne(
  { system, stopper, maxRate }: DriveOptions,
  { progress, ...place }: Place,
): Promise<{ readonly move: Move; readonly pauseMs: number | undefined }> {
  const { id, phase } = place.move
  const call = rootCall(`stoa ${id}`)
  const copied = phase === 'copying' ? await copiedOf(system, place.move, call) : 0
  const follow = followMove(progress, { ...place, copied })
  let pauseMs: number | undefined
  const hear = (event: MoveProgress) => {
    pauseMs = event.pauseMs ?? pauseMs
    follow(event)
  }
  const mover = moverOf(system, { limits: limitsAt(maxRate), progress: hear })
  const move = await advanceAll(mover, id, stopper)
  return { move, pauseMs }
}

async function readMoves(system: System, ids: readonly string[]): Promise<readonly Move[]> {
  const mover = moverOf(system)
  const moves: Move[] = []
  for (const id of ids) moves.push(await mover.read(id, rootCall(`stoa ${id}`)))
  return moves
}

/**
 * Brings moves to their ends, one after the other, under one bar; answers the exit code. Stopped between two steps, or
 * killed anywhere, they go on where they were.
 *
 * @throws MoveTakenBackError when one was taken back that was not to be.
 */
export async function drive(options: DriveOptions, ids: readonly string[]): Promise<number> {
  const { system, output } = options
  const progress = progressOf(output)
  const isOneOfMany = ids.length > 1
  const moves = await readMoves(system, ids)
  const rows = moves.map(rowsOf)
  const total = rows.reduce((sum, count) => sum + count, 0)
  // Said when the bar is gone; programs hear it at once.
  const said: (() => void)[] = []
  const say = (text: () => void) => (output.isJson ? text() : said.push(text))
  let before = 0
  if (moves.length > 0) progress.begin('moving', { total, passes: movePasses })
  try {
    for (const [at, known] of moves.entries()) {
      const { id, phase } = known
      const name = isOneOfMany ? `${id} (${at + 1} of ${ids.length})` : id
      const { move, pauseMs } = await driveOne(options, { move: known, name, before, progress })
      before += (rows[at] ?? 0) * movePasses
      progress.endPart()
      if (!isAtRest(move)) {
        const text = `Stopped: ${id} is ${move.phase}. It goes on with: npm run stoa -- resume`
        const event = { event: 'stopped', job: id, phase: move.phase }
        say(() => output.tell(event, text))
        return exitCodes.stopped
      }
      say(() => tellMove({ output, isOneOfMany }, move, pauseMs))
      const wasAsked = phase === 'aborting' || phase === 'aborted'
      if (move.phase === 'aborted' && !wasAsked) throw new MoveTakenBackError(id, move.note)
    }
    return exitCodes.done
  } finally {
    progress.stop()
    for (const text of said) text()
  }
}
