import { type Call, isFault } from '@stoa/kernel'
import type { ShardInfo } from '@stoa/sharding'

import { advanceMove } from './advance.ts'
import { backward, type Context, forward } from './context.ts'
import { InvalidMoveError, MoveNotFoundError, MovePhaseError } from './faults.ts'
import {
  isAtRest,
  type Move,
  type MovePhase,
  type MovePlan,
  type MoveRequest,
  type MoveScope,
  type Verification,
} from './job.ts'
import { defaultLimits, type MoveLimits, type MoverOptions } from './options.ts'
import { planMove, sidesOf } from './plan.ts'
import { allSafeguards, type Safeguards } from './safeguards.ts'
import { bytesIn } from './schema.ts'
import { insertMove, readMove, readTopology, turnMove } from './store.ts'
import { compareAll } from './verify.ts'

/** Failures in a row after which `run` gives up, and how many times the first wait the longest is. */
const failuresMax = 20
const waitGrowthMax = 8

/** Starts moves and carries them on. It keeps nothing: any number of them, anywhere, may work at one move at once. */
export type Mover = {
  /**
   * What a move would do. Changes nothing. Three round trips, and the source counts the rows in the scope.
   *
   * @throws InvalidMoveError, MoveConflictError, TargetNotEmptyError, SchemaMismatchError, WrongIncarnationError, or
   *   what a database answers.
   */
  plan(request: MoveRequest, call: Call): Promise<MovePlan>
  /** Writes the move down; the same request again answers the same move. Nothing moves yet. @throws as `plan` */
  start(request: MoveRequest, call: Call): Promise<Move>
  /** One round trip. @throws MoveNotFoundError */
  read(id: string, call: Call): Promise<Move>
  /**
   * Does what is next, as the databases say: a step, or as many batches as the limits allow. Whatever it was when it
   * died, the next call goes on. A failure leaves the move as it is.
   */
  advance(id: string, call: Call): Promise<Move>
  /** Advances until the move has ended, or holds; waits out failures that may pass. */
  run(id: string, call: Call): Promise<Move>
  /** Asks for the move to be taken back; then advance or run it. Ends as `done` when it was too late. @throws MovePhaseError */
  abort(id: string, call: Call): Promise<Move>
  /** Ends the holding: the old copy is to be deleted; then advance or run it. @throws MovePhaseError */
  complete(id: string, call: Call): Promise<Move>
  /** Hands back to the source, while it holds; then advance or run it. @throws MovePhaseError */
  reverse(id: string, call: Call): Promise<Move>
  /** Compares both copies, row by row, while writes go on. Two round trips for each 500 rows. @throws MovePhaseError */
  verify(id: string, call: Call): Promise<Verification>
}

/** Spends rows at a rate, over all workers of one `advance`. */
function paceOf(options: MoverOptions, rowsPerSecond: number, call: Call): Context['pace'] {
  let freeAt = options.clock.now()
  return async (rows) => {
    if (!Number.isFinite(rowsPerSecond)) return
    const now = options.clock.now()
    freeAt = Math.max(now, freeAt) + (rows * 1000) / rowsPerSecond
    if (freeAt > now) await options.sleep(freeAt - now, call)
  }
}

/** What every method works with. */
type Engine = {
  readonly options: MoverOptions
  readonly limits: MoveLimits
  readonly safeguards: Safeguards
}

async function contextOf(
  { options, limits, safeguards }: Engine,
  id: string,
  call: Call,
): Promise<Context> {
  const { move, topology } = await readMove(options.meta, id, call)
  const { source, target } = sidesOf({ ...move, ...move.spec }, topology)
  const { shapes, columns, schema } = move.spec
  return {
    move,
    topology,
    source: options.open(source),
    target: options.open(target),
    tables: shapes.map((shape) => ({
      ...shape,
      columns: columns[shape.name] ?? [],
      bytes: bytesIn(schema, shape),
    })),
    options,
    limits,
    safeguards,
    pace: paceOf(options, limits.maxRowsPerSecond, call),
    call,
  }
}

async function plan(
  { options, limits, safeguards }: Engine,
  request: MoveRequest,
  call: Call,
): Promise<MovePlan> {
  const topology = await readTopology(options.meta, call)
  const world = {
    topology,
    open: (shard: ShardInfo) => options.open(shard),
    emptyTarget: safeguards.emptyTarget,
    slotsMax: limits.slots,
  }
  return planMove(request, world, call)
}

function scopeText(scope: MoveScope): string {
  if (scope.kind === 'range') return `${scope.lo}-${scope.hi}`
  return scope.slots.toSorted((a, b) => a - b).join()
}

function sameOrThrow(move: Move, { id, keyspace, scope, source, target }: MoveRequest): Move {
  const { spec } = move
  const asked = [keyspace, scopeText(scope), source, target].join()
  const known = [move.keyspace, scopeText(spec.scope), spec.source, spec.target].join()
  if (asked !== known) throw new InvalidMoveError(id, 'its id belongs to another move')
  return move
}

/** The move that `request` asks for, when somebody has begun it. @throws InvalidMoveError when its id is another's. */
async function begun(
  { options }: Engine,
  request: MoveRequest,
  call: Call,
): Promise<Move | undefined> {
  try {
    const { move } = await readMove(options.meta, request.id, call)
    return sameOrThrow(move, request)
  } catch (error) {
    if (error instanceof MoveNotFoundError) return undefined
    throw error
  }
}

async function start(engine: Engine, request: MoveRequest, call: Call): Promise<Move> {
  const known = await begun(engine, request, call)
  if (known !== undefined) return known
  const { meta, clock } = engine.options
  const { id, keyspace } = request
  try {
    const { spec } = await plan(engine, request, call)
    const move = await insertMove(meta, { id, keyspace, spec, createdAt: clock.now() }, call)
    return sameOrThrow(move, request)
  } catch (error) {
    // What stands in the way may be this very move, which another coordinator has begun meanwhile.
    const other = await begun(engine, request, call)
    if (other === undefined) throw error
    return other
  }
}

type Wish = {
  readonly what: string
  readonly phase: MovePhase
  readonly from: readonly MovePhase[]
}

const toAbort: Wish = {
  what: 'abort',
  phase: 'aborting',
  from: ['planned', 'copying', 'checking', 'cutover'],
}
const toComplete: Wish = { what: 'complete', phase: 'cleaning', from: ['holding'] }
const toReverse: Wish = { what: 'reverse', phase: 'reversing', from: ['holding'] }

/** How often a move that others carry on meanwhile is asked again. */
const wishesMax = 20

/** Brings a move into a phase from one of those in which that can be wished. */
async function wish(
  { options: { meta, clock } }: Engine,
  { id, what, phase, from }: Wish & { readonly id: string },
  call: Call,
): Promise<Move> {
  let { move } = await readMove(meta, id, call)
  for (let tries = 0; tries < wishesMax && move.phase !== phase; tries += 1) {
    if (!from.includes(move.phase)) throw new MovePhaseError(id, what, move.phase)
    const turn = { phase, note: undefined, at: clock.now() }
    move = await turnMove(meta, { move, turn }, call)
  }
  return move
}

async function advance(engine: Engine, id: string, call: Call): Promise<Move> {
  return advanceMove(await contextOf(engine, id, call))
}

async function run(engine: Engine, id: string, call: Call): Promise<Move> {
  const { options, limits } = engine
  const wait = (times: number) =>
    options.sleep(limits.retryMs * Math.min(times, waitGrowthMax), call)
  let failures = 0
  let lifted = 0
  let before: MovePhase | undefined
  for (;;) {
    call.signal.throwIfAborted()
    try {
      const move = await advance(engine, id, call)
      failures = 0
      if (isAtRest(move)) return move
      // A freeze that was lifted is not tried again at once: writers have waited.
      if (before === 'cutover' && move.phase === 'checking') await wait((lifted += 1))
      before = move.phase
    } catch (error) {
      failures += 1
      if (!isFault(error) || !error.retryable || failures > failuresMax) throw error
      await wait(failures)
    }
  }
}

async function verify(engine: Engine, id: string, call: Call): Promise<Verification> {
  const context = await contextOf(engine, id, call)
  const { phase } = context.move
  if (phase === 'checking') return compareAll(context, forward(context))
  if (phase === 'holding') return compareAll(context, backward(context))
  throw new MovePhaseError(id, 'verify', phase)
}

/** As {@link createMover}, with some safeguards taken away. */
export function createUnsafeMover(options: MoverOptions, safeguards: Safeguards): Mover {
  const engine = { options, limits: { ...defaultLimits, ...options.limits }, safeguards }
  return {
    plan: (request, call) => plan(engine, request, call),
    start: (request, call) => start(engine, request, call),
    read: async (id, call) => (await readMove(options.meta, id, call)).move,
    advance: (id, call) => advance(engine, id, call),
    run: (id, call) => run(engine, id, call),
    abort: (id, call) => wish(engine, { ...toAbort, id }, call),
    complete: (id, call) => wish(engine, { ...toComplete, id }, call),
    reverse: (id, call) => wish(engine, { ...toReverse, id }, call),
    verify: (id, call) => verify(engine, id, call),
  }
}

/** A mover with all its safeguards. */
export function createMover(options: MoverOptions): Mover {
  return createUnsafeMover(options, allSafeguards)
}
