import type { Chance } from './core/chance.ts'
import type { Faults } from './core/faults.ts'
import type { Simulation } from './core/simulation.ts'

/** A safeguard taken away: the checkers must notice, or they check nothing. */
export type Mutant = {
  readonly name: string
  /** What is taken away. */
  readonly says: string
  /** The kind of life that needs what was taken away; most kinds do, more or less. */
  readonly plan?: string
}

/** A kind of life. Chance makes few lives of the kind that a rare fault needs: some seeds are given to each kind. */
export type Plan = {
  readonly name: string
  readonly says: string
  /** What may go wrong in one life of it. */
  faults(this: void, chance: Chance): Faults
}

/** One world of a workload, from its first event to its last check. */
export type Life = {
  /** Starts the processes. */
  start(): void
  /** Whether the chaos may end: the work that needed it is done. */
  isWorn(): boolean
  /** Whether all that was begun has ended; asked after the faults have healed. */
  isSettled(): boolean
  /** What is still unsettled, for the message of a run that does not settle. */
  unsettled(): Promise<string>
  /** Judges what is left at the end, by {@link Simulation.violate}. */
  check(): Promise<void>
  close(): void
}

/** A protocol under test: who lives in its world, what must hold, and what must happen at least sometimes. */
export type Workload = {
  readonly name: string
  /** Each must be seen at least once in a batch of runs; see {@link Simulation.sometimes}. */
  readonly labels: readonly string[]
  readonly mutants: readonly Mutant[]
  /** The kind of life that a seed leads to. */
  planOf(seed: number): Plan
  open(simulation: Simulation, mutant: string | undefined): Promise<Life>
}
