import { Worker } from 'node:worker_threads'

import type { Violation } from './core/simulation.ts'

/** Seeds `from` to `to`, both included, of one workload. */
export type Seeds = {
  readonly workload: string
  readonly from: number
  readonly to: number
  /** The safeguard that is taken away. */
  readonly mutant?: string
  /** Ends at the first violation. */
  readonly stopsAtFirst?: boolean
}

/** What a stretch of seeds led to. */
export type Tally = {
  readonly seeds: number
  readonly steps: number
  readonly virtualMs: number
  /** How many seeds saw each label. */
  readonly labels: Readonly<Record<string, number>>
  readonly violations: readonly Found[]
  /** `seed:hash` of each run. */
  readonly hashes: readonly string[]
}

/** A violation, and the seed that leads to it again. */
export type Found = Violation & { readonly seed: number }

export const emptyTally: Tally = {
  seeds: 0,
  steps: 0,
  virtualMs: 0,
  labels: {},
  violations: [],
  hashes: [],
}

export function addTallies(one: Tally, other: Tally): Tally {
  const labels = { ...one.labels }
  for (const [label, seeds] of Object.entries(other.labels)) {
    labels[label] = (labels[label] ?? 0) + seeds
  }
  return {
    seeds: one.seeds + other.seeds,
    steps: one.steps + other.steps,
    virtualMs: one.virtualMs + other.virtualMs,
    labels,
    violations: [...one.violations, ...other.violations],
    hashes: [...one.hashes, ...other.hashes],
  }
}

/** Seeds that a thread takes at once: long enough to keep it busy, short enough to show progress. */
const stretch = 25

/** Cuts a range of seeds into what one thread takes at once. */
export function stretchesOf(seeds: Seeds): readonly Seeds[] {
  const count = Math.ceil((seeds.to - seeds.from + 1) / stretch)
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const from = seeds.from + index * stretch
    return { ...seeds, from, to: Math.min(seeds.to, from + stretch - 1) }
  })
}

/** Runs `jobs` on `threads` threads and hears of each as it ends. */
export async function runJobs(
  jobs: readonly Seeds[],
  threads: number,
  onEnd: (job: Seeds, tally: Tally) => void,
): Promise<void> {
  const waiting = jobs.values()
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('seed-worker.ts', import.meta.url), { execArgv: [] })
    try {
      for (const job of waiting) onEnd(job, await ask(worker, job))
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: threads }, work))
}

function ask(worker: Worker, job: Seeds): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      worker.off('message', onMessage)
      worker.off('error', onError)
      act()
    }
    const onMessage = (tally: Tally) => settle(() => resolve(tally))
    const onError = (error: Error) => settle(() => reject(error))
    worker.on('message', onMessage)
    worker.on('error', onError)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(job)
  })
}
