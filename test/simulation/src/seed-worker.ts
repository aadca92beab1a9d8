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

async function live({ workload, from, to, mutant, stopsAtFirst = false }: Seeds): Promise<Tally> {
  let tally = emptyTally
  for (let seed = from; seed <= to; seed += 1) {
    const options = mutant === undefined ? {} : { mutant }
    tally = addTallies(tally, tallyOf(await runSeed(workloadOf(workload), seed, options)))
    if (stopsAtFirst && tally.violations.length > 0) break
  }
  return tally
}

trapOutside()
parentPort?.on('message', async (seeds: Seeds) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(await live(seeds))
})
