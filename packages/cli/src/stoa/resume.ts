import { type Call, isFault, rootCall } from '@stoa/kernel'

import { drive, type DriveOptions } from './drive.ts'
import { inOrder, isUnfinished, type Job, planIdOf, readJobs } from './jobs.ts'
import { exitCodes } from './output.ts'
import { endPlan, type OpenPlan, readOpenPlans } from './plans.ts'
import { reshape } from './reshape.ts'
import { moverOf } from './system.ts'

/** Goes on with plans that were agreed to, one after the other. */
async function resumePlans(options: DriveOptions, plans: readonly OpenPlan[]): Promise<number> {
  for (const { wish, hold } of plans) {
    const code = await reshape({ ...options, wish, hold, isDryRun: false, isAgreed: true })
    if (code !== exitCodes.done) return code
  }
  return exitCodes.done
}

/**
 * Goes on with one move or one plan, or with all that are unfinished: first the moves that stand alone, then each plan
 * with its moves and what was not written down yet. Answers the exit code.
 */
export async function resume(options: DriveOptions, id: string | undefined): Promise<number> {
  const { system, output } = options
  const call = rootCall('stoa resume')
  const plans = await readOpenPlans(system, call)
  if (id !== undefined) {
    const plan = plans.find((each) => each.id === id)
    return plan === undefined ? drive(options, [id]) : resumePlans(options, [plan])
  }
  const unfinished = (await readJobs(system, call)).filter(isUnfinished)
  const alone = unfinished.filter((job) => !plans.some((plan) => plan.id === planIdOf(job.id)))
  if (alone.length + plans.length === 0) output.tell({ event: 'nothing' }, 'Nothing is unfinished.')
  const ids = alone.map((job) => job.id).toReversed()
  const code = await drive(options, ids)
  return code === exitCodes.done ? resumePlans(options, plans) : code
}

/** Takes the moves of a plan back that can be; those that have handed over go on to their end. */
async function abortPlan(
  { system }: Pick<DriveOptions, 'system'>,
  id: string,
  call: Call,
): Promise<readonly string[]> {
  // First, so that nobody writes another move down.
  await endPlan(system, { id, state: 'dropped' }, call)
  const isOwn = (job: Job) => planIdOf(job.id) === id && isUnfinished(job)
  const ids = (await readJobs(system, call)).filter(isOwn).map((job) => job.id)
  const mover = moverOf(system)
  for (const each of ids) {
    try {
      await mover.abort(each, call)
    } catch (error) {
      if (!isFault(error) || error.code !== 'move_phase') throw error
    }
  }
  return ids
}

/**
 * Takes a move back, or all unfinished ones of a plan; moves that are done stay. The plan that it is a part of is given up:
 * nobody goes on with it. Answers the exit code.
 */
export async function abort(tools: Omit<DriveOptions, 'maxRate'>, id: string): Promise<number> {
  const { system } = tools
  const call = rootCall('stoa abort')
  const plans = await readOpenPlans(system, call)
  const isPlan = plans.some((plan) => plan.id === id)
  if (!isPlan) await moverOf(system).abort(id, call)
  if (!isPlan) await endPlan(system, { id: planIdOf(id), state: 'dropped' }, call)
  const ids = isPlan ? await abortPlan(tools, id, call) : [id]
  return drive({ ...tools, maxRate: undefined }, ids)
}

/**
 * Ends the holding of a move, or of all moves of a plan that hold, one way or the other. A plan of which something is
 * handed back is given up. Answers the exit code.
 */
export async function endHolding(
  tools: Omit<DriveOptions, 'maxRate'>,
  what: 'complete' | 'reverse',
  id: string,
): Promise<number> {
  const { system } = tools
  const call = rootCall(`stoa ${what}`)
  const jobs = await readJobs(system, call)
  const isHeld = (job: Job) => planIdOf(job.id) === id && job.phase === 'holding'
  const held = jobs.some((job) => job.id === id) ? [] : jobs.filter(isHeld)
  const ids = held.length === 0 ? [id] : held.map((job) => job.id).toSorted(inOrder)
  const mover = moverOf(system)
  for (const each of ids) await mover[what](each, call)
  // Whoever went on with the plan would make the moves again.
  if (what === 'reverse') await endPlan(system, { id: planIdOf(id), state: 'dropped' }, call)
  return drive({ ...tools, maxRate: undefined }, ids)
}
