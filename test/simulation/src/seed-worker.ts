import { parentPort } from 'node:worker_threads'

import { addTallies, emptyTally, type Seeds, type Tally } from './batch.ts'
import { trapOutside } from './core/trap.ts'
import { runSeed, type SeedResult } from './run-seed.ts'
import { workloadOf } from './workloads/index.ts'

function tallyOf({ seed, hash, steps, virtualMs, labels, violation }: SeedResult): Tally {
  return {
    seeds: 1,
    steps,
    virtualMs,
    labels: Object.fromEntries(labels.map((label) => [label, 1])),
    violations: violation === undefined ? [] : [{ seed, ...violation }],
    hashes: [`${String(seed)}:${hash}`],
  }
}

async function live({ from, to, mutant, stopsAtFirst = false, ...seeds }: Seeds): Promise<Tally> {
  const workload = workloadOf(seeds.workload)
  const plan = workload.mutants.find(({ name }) => name === mutant)?.plan
  let tally = emptyTally
  for (let seed = from; seed <= to; seed += 1) {
    if (plan !== undefined && plan !== workload.planOf(seed).name) continue
    const options = mutant === undefined ? {} : { mutant }
    tally = addTallies(tally, tallyOf(await runSeed(workload, seed, options)))
    if (stopsAtFirst && tally.violations.length > 0) break
  }
  return tally
}

trapOutside()
// A life meets hundreds of failures that it expects. Where one of them comes from, its seed alone tells.
Error.stackTraceLimit = 0
parentPort?.on('message', async (seeds: Seeds) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(await live(seeds))
})
