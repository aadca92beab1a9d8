import { stdin, stderr } from 'node:process'
import { createInterface } from 'node:readline/promises'

import { type Call, rootCall } from '@stoa/kernel'
import type { MoveRequest } from '@stoa/resharding'
import { type Keyspace, slotMapOf, type Topology } from '@stoa/sharding'

import { levelReferences } from '../references.ts'
import { drive, type DriveOptions } from './drive.ts'
import { type Estimate, estimate, tellPlan } from './estimate.ts'
import { BadCommandError, NotConfirmedError, PlanDroppedError } from './faults.ts'
import { inOrder, isUnfinished, type Job, nextIds, readJobs, stemOf } from './jobs.ts'
import { addShard, checkNewName } from './new-database.ts'
import { exitCodes } from './output.ts'
import { endPlan, openPlan, readOpenPlans } from './plans.ts'
import { keyspaceIn, moverOf, readTopology, shardIn, type System } from './system.ts'
import { cutFinder, type ShardedTable, tablesOf } from './tables.ts'
import { scopesOfStep } from './units.ts'
import { isFulfilled, type Waves, wavesOf, type Wish } from './wish.ts'

export type ReshapeOptions = DriveOptions & {
  readonly wish: Wish
  readonly isDryRun: boolean
  readonly isAgreed: boolean
  /** The moves rest after the hand-over, until they are completed or reversed. */
  readonly hold: boolean
}

type Plan = {
  readonly keyspace: Keyspace
  readonly tables: readonly ShardedTable[]
  /** The first is made, then the next is planned anew. */
  readonly waves: Waves
  /** Names of shards that are to be made. */
  readonly newShards: readonly string[]
}

function withEmpty(keyspace: Keyspace, names: readonly string[]): Keyspace {
  const shards = names.map((name) => ({ name, url: '', incarnation: '' }))
  return { ...keyspace, shards: [...keyspace.shards, ...shards] }
}

async function planOf(
  { system, wish }: ReshapeOptions,
  topology: Topology,
  call: Call,
): Promise<Plan> {
  const keyspace = keyspaceIn(topology, wish.keyspace)
  // Before anything is asked of a database: a map with a gap means that keys have no owner.
  slotMapOf(wish.keyspace, keyspace)
  const newShards = wish.to.filter((name) => !keyspace.shards.some((shard) => shard.name === name))
  for (const name of newShards) checkNewName(topology, wish.keyspace, name)
  const [first] = keyspace.slots
  if (first === undefined) throw new BadCommandError(`Cannot ${wish.verb}: nobody has a slot`)
  const tables = await tablesOf(system.open(shardIn(keyspace, first.shard)), call)
  const findCuts = cutFinder(system, tables, call)
  if (wish.from !== undefined) shardIn(keyspace, wish.from)
  const stem = `${stemOf(wish)}-`
  const isBegun = (await readJobs(system, call)).some(({ id }) => id.startsWith(stem))
  const isDone = (wish.verb === 'drain' || wish.verb === 'merge') && isFulfilled(wish, keyspace)
  const waves = isDone
    ? []
    : await wavesOf(wish, withEmpty(keyspace, newShards), { findCuts, isBegun })
  return { keyspace, tables, waves, newShards }
}

/** The moves that can be made now, as they are written down: a step of many slots takes several. */
function requestsOf(
  { wish, hold }: ReshapeOptions,
  { keyspace, tables, waves: [wave = []] }: Plan,
  jobs: readonly Job[],
): readonly MoveRequest[] {
  const shapes = tables.map(({ name, key, primaryKey }) => ({ name, key, primaryKey }))
  const moves = wave.flatMap((step) =>
    scopesOfStep(step, keyspace).map((scope) => ({ step, scope })),
  )
  const ids = nextIds(stemOf(wish), jobs, moves.length)
  return moves.map(({ step: { from: source, to: target }, scope }, at) => {
    const id = ids[at] ?? ''
    return { id, keyspace: wish.keyspace, scope, source, target, shapes, hold }
  })
}

/** Asks the databases of every move whether it can be. Changes nothing. @throws as `Mover.plan` */
async function checkAll(
  { system }: ReshapeOptions,
  requests: readonly MoveRequest[],
  call: Call,
): Promise<void> {
  const mover = moverOf(system)
  for (const request of requests) await mover.plan(request, call)
}

async function estimateAll(system: System, plan: Plan, call: Call): Promise<readonly Estimate[]> {
  const { keyspace, tables, waves } = plan
  const estimates: Estimate[] = []
  for (const step of waves.flat())
    estimates.push(await estimate(system, { step, keyspace, tables }, call))
  return estimates
}

/** @throws NotConfirmedError unless somebody says yes. */
async function agree(): Promise<void> {
  if (!stdin.isTTY) throw new NotConfirmedError()
  const asking = createInterface({ input: stdin, output: stderr })
  try {
    const answer = await asking.question('Begin? (yes/no) ')
    if (!/^y(es)?$/i.test(answer.trim())) throw new NotConfirmedError()
  } finally {
    asking.close()
  }
}

/** Makes new databases, and brings to those that take what rows are joined with. */
async function prepare({ system, wish, output }: ReshapeOptions, plan: Plan, call: Call) {
  for (const name of plan.newShards) {
    output.note(`New database ${name} …`)
    await addShard(system, { keyspace: wish.keyspace, name }, call)
  }
  const keyspace = keyspaceIn(await readTopology(system, call), wish.keyspace)
  const targets = new Set(plan.waves.flat().map(({ to }) => to))
  const databases = [...targets].map((name) => system.open(shardIn(keyspace, name)))
  await levelReferences(system.meta, databases, call)
}

/** Writes the moves of the first wave down; answers their ids. */
async function begin(options: ReshapeOptions, plan: Plan, call: Call): Promise<readonly string[]> {
  const { system } = options
  const jobs = await readJobs(system, call)
  const requests = requestsOf(options, plan, jobs)
  // All are looked at before the first is written down: one that cannot be leaves nothing half done.
  await checkAll(options, requests, call)
  const mover = moverOf(system)
  for (const request of requests) await mover.start(request, call)
  return requests.map(({ id }) => id)
}

async function isOpen({ system, wish }: ReshapeOptions, call: Call): Promise<boolean> {
  const plans = await readOpenPlans(system, call)
  return plans.some(({ id }) => id === stemOf(wish))
}

/** The moves of a command that somebody has to go on with. */
async function leftOf({ system, wish }: ReshapeOptions, call: Call): Promise<readonly string[]> {
  const stem = `${stemOf(wish)}-`
  return (await readJobs(system, call))
    .filter((job) => job.id.startsWith(stem) && isUnfinished(job))
    .map(({ id }) => id)
    .toSorted(inOrder)
}

/** Goes on with what an earlier run of the same command left. */
async function goOn(options: ReshapeOptions, call: Call): Promise<number | undefined> {
  const { system, wish, output, isDryRun } = options
  let left = await leftOf(options, call)
  const isBegun = left.length > 0 || (await isOpen(options, call))
  if (!isBegun || isDryRun) return undefined
  while (left.length > 0) {
    output.note(`Going on with ${left.join(', ')}`)
    const code = await drive(options, left)
    if (code !== exitCodes.done) return code
    // Another run of the command may just be writing them down.
    left = await leftOf(options, call)
  }
  const keyspace = keyspaceIn(await readTopology(system, call), wish.keyspace)
  return isFulfilled(wish, keyspace) ? exitCodes.done : undefined
}

/**
 * Makes a wish true: plans it from the topology as it is, shows the plan, asks, makes new databases, writes every move
 * down and brings each to its end. One that takes several moves is written down itself, before the first. The same
 * command again goes on with what is left. Answers the exit code.
 *
 * @throws what stands against the plan, before anything has changed.
 * @throws PlanDroppedError when somebody has given it up meanwhile.
 */
export async function reshape(options: ReshapeOptions): Promise<number> {
  const call = rootCall(`stoa ${options.wish.verb}`)
  const code = (await goOn(options, call)) ?? (await planAndMake(options, call))
  const { system, wish, isDryRun } = options
  if (code === exitCodes.done && !isDryRun)
    await endPlan(system, { id: stemOf(wish), state: 'done' }, call)
  return code
}

async function planAndMake(options: ReshapeOptions, call: Call): Promise<number> {
  const { system, wish, output, isDryRun, isAgreed } = options
  const plan = await planOf(options, await readTopology(system, call), call)
  const isNothing = plan.waves.length === 0
  const requests = requestsOf(options, plan, [])
  const isThere = ({ target }: MoveRequest) => !plan.newShards.includes(target)
  await checkAll(options, requests.filter(isThere), call)
  const estimates = await estimateAll(system, plan, call)
  if (isDryRun || !isNothing) tellPlan(output, { wish, newShards: plan.newShards, estimates })
  if (isNothing) output.tell({ event: 'nothing', verb: wish.verb }, 'Nothing is to move.')
  if (isDryRun || isNothing) return exitCodes.done
  if (!isAgreed) await agree()
  return make(options, plan, call)
}

/** Makes the first wave, then what a new look at the topology says is left. */
async function make(options: ReshapeOptions, first: Plan, call: Call): Promise<number> {
  const { system, wish, hold } = options
  const id = stemOf(wish)
  await prepare(options, first, call)
  const moves = first.waves.flat().flatMap((step) => scopesOfStep(step, first.keyspace))
  const isLong = moves.length > 1
  if (isLong) await openPlan(system, { id, wish, hold }, call)
  let plan = first
  for (let left = first.waves.length; left > 0; left = Math.min(left - 1, plan.waves.length)) {
    if (isLong && !(await isOpen(options, call))) throw new PlanDroppedError(id)
    const code = await drive(options, await begin(options, plan, call))
    // The last wave needs no other look: a held move has not changed the plan of those that were not made.
    if (code !== exitCodes.done || left === 1) return code
    plan = await planOf(options, await readTopology(options.system, call), call)
  }
  return exitCodes.done
}
