import { type Faults, noFaults, swarm } from '../../core/faults.ts'
import type { Plan } from '../../workload.ts'

/** How much goes on in a life, and how hard its operators make it. */
export type ReshardPlan = Plan & {
  readonly clients: number
  /** Operations of one client, at least and at most: it goes on as long as something moves. */
  readonly opsLeast: number
  readonly opsMost: number
  /** How likely an operation is one on the first owner; else it may be on any. */
  readonly hot: number
  /** Moves that are asked for, at most. */
  readonly moves: number
  /** How likely a move takes back the one before. */
  readonly back: number
  /** How likely a step of a move is an attempt to abort it instead: before anything is done, later, at the cutover. */
  readonly aborts: { readonly first: number; readonly later: number; readonly last: number }
  /** Rows of each owner that nobody touches any more: they must all come along. */
  readonly pastRows: number
}

/** Few things at once, and soon over: most faults need no more, and there is time for many. */
const brief: ReshardPlan = {
  name: 'brief',
  says: 'one move or two, under the eyes of three clients',
  faults: swarm,
  clients: 3,
  opsLeast: 3,
  opsMost: 9,
  hot: 0,
  moves: 2,
  back: 0.5,
  aborts: { first: 0.1, later: 0.015, last: 0.015 },
  pastRows: 3,
}

const long: ReshardPlan = {
  ...brief,
  name: 'long',
  says: 'up to three moves, and many more operations',
  clients: 4,
  opsLeast: 8,
  opsMost: 24,
  moves: 3,
  pastRows: 6,
}

const echoes: ReshardPlan = {
  ...brief,
  name: 'echoes',
  says: 'requests come twice, the second time when much has changed, and most are of one owner',
  faults: (chance): Faults => ({
    ...noFaults,
    duplicate: 0.1 + 0.4 * chance.fraction(),
    held: 0.8,
    late: chance.happens(0.5) ? 0.1 * chance.fraction() : 0,
    kill: chance.happens(0.5) ? 0.01 * chance.fraction() : 0,
  }),
  hot: 0.7,
  opsMost: 15,
  moves: 3,
  back: 0.9,
  aborts: { first: 0.3, later: 0.03, last: 0.03 },
}

const regrets: ReshardPlan = {
  ...brief,
  name: 'regrets',
  says: 'one operator aborts what the other carries on',
  moves: 3,
  aborts: { first: 0.1, later: 0.03, last: 0.4 },
}

/** A seed's last digit says how its life is. */
const plans: readonly ReshardPlan[] = [
  long,
  brief,
  brief,
  echoes,
  brief,
  brief,
  regrets,
  brief,
  brief,
  brief,
]

export function planOf(seed: number): ReshardPlan {
  return plans[seed % plans.length] ?? brief
}
