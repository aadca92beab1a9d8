import { Simulation, type Violation } from './core/simulation.ts'
import type { Workload } from './workload.ts'

export type SeedOptions = {
  readonly keepsTrace?: boolean
  /** Which safeguard to take away. */
  readonly mutant?: string
}

/** What one seed led to. The same seed leads to the same. */
export type SeedResult = {
  readonly seed: number
  readonly hash: string
  readonly steps: number
  /** How much virtual time passed. */
  readonly virtualMs: number
  readonly labels: readonly string[]
  readonly violation: Violation | undefined
  /** Empty unless the trace was kept. */
  readonly lines: readonly string[]
}

/** How long the faults last at most. */
const chaosMs = 8_000
/** How long everything may take to end once no fault happens any more. */
const livenessMs = 60_000

/** Lives one seed: chaos, healing, rest, and the last judgement. */
export async function runSeed(
  workload: Workload,
  seed: number,
  { keepsTrace = false, mutant }: SeedOptions = {},
): Promise<SeedResult> {
  const simulation = new Simulation(seed, { keepsTrace, faults: workload.planOf(seed).faults })
  const life = await workload.open(simulation, mutant)
  try {
    life.start()
    await simulation.until(() => life.isWorn(), chaosMs)
    simulation.heal()
    const hasSettled = await simulation.until(() => life.isSettled(), livenessMs)
    if (!hasSettled) simulation.violate('liveness', await life.unsettled())
    // What zombies sent may still arrive: nothing that comes late may change what is settled.
    await simulation.until(() => simulation.network.inFlight === 0, livenessMs)
    if (simulation.violation === undefined) await life.check()
  } finally {
    life.close()
  }
  return {
    seed,
    hash: simulation.trace.hash(),
    steps: simulation.scheduler.steps,
    virtualMs: simulation.scheduler.elapsedMs,
    labels: [...simulation.labels],
    violation: simulation.violation,
    lines: simulation.trace.lines(),
  }
}
