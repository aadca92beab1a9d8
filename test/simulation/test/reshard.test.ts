import { availableParallelism } from 'node:os'

import { describe, expect, test } from 'vitest'

import {
  addTallies,
  emptyTally,
  runJobs,
  type Seeds,
  stretchesOf,
  type Tally,
} from '../src/batch.ts'
import { reshard } from '../src/workloads/reshard.ts'

/** Lives in a run of the tests. `npm run sim -- reshard --seeds 10000` lives more. */
const lives = Number(process.env['SIM_SEEDS'] ?? 200)
/** Lives after which a mutant that nobody noticed counts as a hole in the checks. */
const mutantLives = 200
/** Seldom met by chance: `packages/resharding/test/mutants.test.ts` has a scene for each. */
const rare: ReadonlySet<string> = new Set([
  'appliedGuard',
  'abortArbiter',
  'tombstones',
  'purgeGuard',
])
const threads = Math.min(4, availableParallelism())

async function live(seeds: Seeds): Promise<Tally> {
  let tally: Tally = emptyTally
  await runJobs(stretchesOf(seeds), threads, (_, more) => {
    tally = addTallies(tally, more)
  })
  return tally
}

describe('moving keys while clients write', () => {
  test('loses, doubles and reorders nothing, in any life', { timeout: 900_000 }, async () => {
    const tally = await live({ workload: 'reshard', from: 1, to: lives })

    expect(tally.violations).toEqual([])
    expect(tally.seeds).toBe(lives)
    // What was never met was never tested.
    const unseen = reshard.labels.filter((label) => tally.labels[label] === undefined)
    expect(unseen).toEqual([])
  })

  test('is wrong without any one of its safeguards', { timeout: 900_000 }, async () => {
    const common = reshard.mutants.filter(({ name }) => !rare.has(name.split(' ')[0] ?? name))
    const jobs = common.map(({ name }): Seeds => ({
      workload: 'reshard',
      from: 1,
      to: mutantLives,
      mutant: name,
      stopsAtFirst: true,
    }))
    const lines: string[] = []
    const survivors: string[] = []
    await runJobs(jobs, threads, ({ mutant = '' }, { seeds, violations: [found] }) => {
      if (found === undefined) survivors.push(mutant)
      lines.push(`${mutant}: ${found?.kind ?? 'SURVIVED'} in life ${String(seeds)}`)
    })

    process.stdout.write(`${lines.toSorted().join('\n')}\n`)
    expect(survivors).toEqual([])
    expect(jobs.length).toBeGreaterThanOrEqual(12)
  })
})
