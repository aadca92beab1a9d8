import { insertChunks, planChunks } from './chunks.ts'
import { cleanCopy, pruneCaptured, pruneFollowed } from './clean.ts'
import { backward, type Context, type Flow, forward } from './context.ts'
import { type Budget, copyChunks } from './copy.ts'
import { cutOver, type Outcome } from './cutover.ts'
import { type Condition, gate } from './gate.ts'
import type { Difference, Move, MovePhase } from './job.ts'
import { changeKeyspace, dissolve } from './publish.ts'
import { replay } from './replay.ts'
import {
  abandon,
  capture,
  follow,
  type Progress,
  readProgress,
  receive,
  refuse,
  release,
  thaw,
} from './steps.ts'
import { turnMove } from './store.ts'
import { selectCount } from './tables.ts'
import { verifyChanged, verifyChunks } from './verify.ts'

/** Replays in one `advance`. */
const replaysMax = 20

async function turn(context: Context, phase: MovePhase, note?: string): Promise<Move> {
  const { move, options, call } = context
  const at = options.clock.now()
  return turnMove(options.meta, { move, turn: { phase, at, note } }, call)
}

function told(differences: readonly Difference[]): string {
  const [first] = differences
  const example = first === undefined ? '' : `: ${first.how} ${first.table} ${first.key}`
  return `${differences.length} rows are not the same in both databases${example}`
}

/** The target holds no row of what comes. */
function isEmpty({ move, tables }: Context): readonly Condition[] {
  return tables.map((table) => {
    const { sql, args } = selectCount(table, move.spec.intervals, 'exists')
    return { sql: `(${sql}) = 0`, args }
  })
}

/** Prepares the target, then has the source capture: in this order, so that a move begins at the source or nowhere. */
async function begin(context: Context): Promise<Move> {
  const { move, source, target, limits, safeguards, call } = context
  const more = [
    ...(safeguards.emptyTarget ? isEmpty(context).map(gate) : []),
    insertChunks(move.id, planChunks(move.spec, limits.chunkRows)),
  ]
  if (!(await receive(context, more))) {
    const progress = await readProgress(target, move.id, call)
    if (progress === undefined) return turn(context, 'aborting', stale(move.spec.target))
    if (progress.step !== 'receiving') return move
  }
  if (safeguards.captureFirst && !(await capture(context))) {
    const progress = await readProgress(source, move.id, call)
    if (progress === undefined) return turn(context, 'aborting', stale(move.spec.source))
    if (progress.step !== 'capturing') return move
  }
  return turn(context, 'copying')
}

function stale(shard: string): string {
  return `shard "${shard}" is no longer as it was when the move was planned`
}

async function copy(context: Context, budget: Budget): Promise<Move> {
  const { move, target, safeguards, call } = context
  const isDone = await copyChunks(context, budget)
  if (!safeguards.replayAfterCopy) {
    const progress = await readProgress(target, move.id, call)
    if (progress?.applied !== undefined) await replay(context, forward(context), progress.applied)
  }
  if (!isDone) return move
  if (!safeguards.captureFirst) await capture(context)
  return turn(context, 'checking')
}

/** Replays until little is left. `undefined` when another coordinator is at it. */
async function catchUp(
  context: Context,
  flow: Flow,
  from: number,
): Promise<{ readonly applied: number; readonly isNear: boolean } | undefined> {
  let applied = from
  for (let replays = 0; replays < replaysMax; replays += 1) {
    const done = await replay(context, flow, applied)
    if (done === undefined) return undefined
    applied = done.applied
    if (done.newest - applied < context.limits.window / 2) return { applied, isNear: true }
  }
  return { applied, isNear: false }
}

type Near =
  | { readonly is: 'near' | 'far' | 'busy' | 'ended' }
  | { readonly is: 'wrong'; readonly differences: readonly Difference[] }

/** Brings the copy near its owner, and compares what changed. `near` when a freeze would have little left to do. */
async function approach(context: Context, flow: Flow, copyOf: Progress): Promise<Near> {
  if (copyOf.step !== 'receiving' || copyOf.applied === undefined) return { is: 'ended' }
  const caught = await catchUp(context, flow, copyOf.applied)
  if (caught === undefined) return { is: 'busy' }
  if (copyOf.verified === undefined) return { is: 'far' }
  let verified = copyOf.verified
  for (let rounds = 0; rounds < replaysMax && verified < caught.applied; rounds += 1) {
    const done = await verifyChanged(context, flow, { verified, applied: caught.applied })
    if (done === undefined) return { is: 'busy' }
    if (done.wrong.length > 0) return { is: 'wrong', differences: done.wrong }
    verified = done.verified
  }
  return { is: caught.isNear && verified === caught.applied ? 'near' : 'far' }
}

/** From here on what was captured is compared as it comes; what was not, once. */
async function beginVerifying({ move, target, call }: Context): Promise<void> {
  const mark = {
    sql: 'UPDATE _mv_progress SET verified = applied WHERE job = ? AND verified IS NULL',
    args: [move.id],
  }
  await target.batch([mark], 'write', call)
}

async function check(context: Context, budget: Budget): Promise<Move> {
  const { move, source, target, call } = context
  const [owner, copyOf] = await Promise.all([
    readProgress(source, move.id, call),
    readProgress(target, move.id, call),
  ])
  if (owner?.step !== 'capturing' || copyOf === undefined) return turn(context, 'cutover')
  const flow = forward(context)
  const near = await approach(context, flow, copyOf)
  if (near.is === 'ended') return turn(context, 'cutover')
  if (near.is === 'wrong') return turn(context, 'aborting', told(near.differences))
  if (near.is === 'busy') return move
  if (copyOf.verified === undefined) {
    await beginVerifying(context)
    return move
  }
  const { isDone, wrong } = await verifyChunks(context, flow, budget)
  if (wrong.length > 0) return turn(context, 'aborting', told(wrong))
  return isDone && near.is === 'near' ? turn(context, 'cutover') : move
}

async function change(context: Context): Promise<Move> {
  const { hold } = context.move.spec
  const outcome = await cutOver(context, forward(context))
  switch (outcome.is) {
    case 'owned':
      return turn(context, hold ? 'holding' : 'cleaning')
    case 'later':
      return turn(context, 'checking', outcome.why)
    case 'wrong':
      return turn(context, 'aborting', told(outcome.differences))
    case 'changed':
      return turn(context, 'aborting', stale(context.move.spec.source))
    case 'ended':
      return turn(context, 'aborting')
  }
}

/** Keeps the old copy near the new owner, so that a reversal has little to do. */
async function keep(context: Context): Promise<Move> {
  const { move, source, target, call } = context
  let copyOf = await readProgress(source, move.id, call)
  if (copyOf?.step === 'handed_off') {
    await follow(context)
    copyOf = await readProgress(source, move.id, call)
  }
  if (copyOf === undefined) return move
  const near = await approach(context, backward(context), copyOf)
  if (near.is === 'wrong') return turn(context, 'holding', told(near.differences))
  if (near.is === 'near' && copyOf.verified !== undefined)
    await pruneFollowed(context, target, copyOf.verified)
  return move
}

async function goBack(context: Context): Promise<Move> {
  const { move, source, target, call } = context
  const [owner, copyOf] = await Promise.all([
    readProgress(target, move.id, call),
    readProgress(source, move.id, call),
  ])
  if (copyOf?.step === 'handed_off') {
    await follow(context)
    return move
  }
  const flow = backward(context)
  if (owner?.step === 'capturing' && copyOf !== undefined) {
    const near = await approach(context, flow, copyOf)
    if (near.is === 'wrong') return turn(context, 'holding', told(near.differences))
    if (near.is === 'far' || near.is === 'busy') return move
  }
  const outcome: Outcome = await cutOver(context, flow)
  switch (outcome.is) {
    case 'owned':
      return turn(context, 'withdrawing')
    case 'later':
      return move
    case 'wrong':
      return turn(context, 'holding', told(outcome.differences))
    case 'changed':
      return turn(context, 'holding', stale(move.spec.target))
    case 'ended':
      return turn(context, 'withdrawing')
  }
}

/** A range that came home is a part of its slot again. */
async function goHome(context: Context): Promise<void> {
  const { move, target, call } = context
  const { isHome, scope, epoch, pieces, target: shard } = move.spec
  if (!isHome || scope.kind !== 'range') return
  const remove = {
    sql: `DELETE FROM _slot_owner WHERE lo = ? AND hi = ? AND epoch = ? AND state = 'serving' AND job IS NULL
AND (SELECT state = 'serving' AND job IS NULL FROM _slot_owner AS outer
  WHERE outer.lo >= ? AND outer.lo < ? AND outer.hi >= ? ORDER BY outer.lo DESC LIMIT 1)`,
    args: [scope.lo, scope.hi, epoch, scope.lo.slice(0, 3), scope.lo, scope.hi],
  }
  const still = { sql: 'SELECT 1 FROM _slot_owner WHERE lo = ?', args: [scope.lo] }
  const [, left] = await target.batch([remove, still], 'write', call)
  if (left?.rows.length !== 0) return
  const piece = pieces.filter(({ lo }) => lo === scope.lo)
  await changeKeyspace(context, (keyspace) => dissolve(keyspace, { pieces: piece, shard, epoch }))
}

async function finish(context: Context, budget: Budget): Promise<Move> {
  const { move, source, target, call } = context
  const owner = await readProgress(target, move.id, call)
  if (owner?.step === 'handed_off') return turn(context, 'reversing')
  if (owner?.step === 'frozen') {
    await thaw(context, target, owner.version)
    return move
  }
  if (owner?.step === 'capturing' && !(await release(context, target))) return move
  if (!(await cleanCopy(context, source, { from: ['handed_off', 'receiving'], budget })))
    return move
  if (!(await pruneCaptured(context, target, budget))) return move
  await target.batch(
    [{ sql: 'DELETE FROM _mv_chunk WHERE job = ?', args: [move.id] }],
    'write',
    call,
  )
  await goHome(context)
  return turn(context, 'done')
}

async function withdraw(context: Context, budget: Budget): Promise<Move> {
  const { move, source, target } = context
  if (!(await cleanCopy(context, target, { from: ['handed_off'], budget }))) return move
  if (!(await pruneCaptured(context, source, budget))) return move
  return turn(context, 'reversed')
}

/** Takes a move back. The source is asked first: whether it has handed off already is decided there alone. */
async function takeBack(context: Context, budget: Budget): Promise<Move> {
  const { move, source, target, call } = context
  const isRefused = (await refuse(context, source)) || (await abandon(context))
  if (!isRefused) {
    const progress = await readProgress(source, move.id, call)
    if (progress === undefined) return move
    if (progress.step === 'capturing' || progress.step === 'frozen') return move
    if (progress.step !== 'closed') return turn(context, 'cutover', 'it was too late to abort')
  }
  if (!(await refuse(context, target))) {
    if (!(await cleanCopy(context, target, { from: ['receiving'], budget }))) return move
  }
  if (!(await pruneCaptured(context, source, budget))) return move
  return turn(context, 'aborted')
}

/** Does what is next for a move. Answers it as it is then. */
export async function advanceMove(context: Context): Promise<Move> {
  const budget: Budget = { left: context.limits.batches }
  switch (context.move.phase) {
    case 'planned':
      return begin(context)
    case 'copying':
      return copy(context, budget)
    case 'checking':
      return check(context, budget)
    case 'cutover':
      return change(context)
    case 'holding':
      return keep(context)
    case 'reversing':
      return goBack(context)
    case 'withdrawing':
      return withdraw(context, budget)
    case 'cleaning':
      return finish(context, budget)
    case 'aborting':
      return takeBack(context, budget)
    case 'done':
    case 'aborted':
    case 'reversed':
      return context.move
  }
}
