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

/** Lives in a run of the tests: schedules, each with its own faults. Two minutes on two cores that do nothing else. */
const lives = Number(process.env['SIM_SEEDS'] ?? 10_000)
/** Seeds after which a mutant that nobody noticed counts as a hole in the checks. */
const mutantSeeds = 4_000
const threads = Math.min(4, availableParallelism())

async function live(seeds: Seeds): Promise<Tally> {
  let tally: Tally = emptyTally
  await runJobs(stretchesOf(seeds), threads, (_, more) => {
    tally = addTallies(tally, more)
  })
  return tally
}

describe('moving keys while clients write', () => {
  test('loses, doubles and reorders nothing, in any life', { timeout: 1_800_000 }, async () => {
    const started = performance.now()
    const tally = await live({ workload: 'reshard', from: 1, to: lives })
    const seconds = (performance.now() - started) / 1_000
    process.stdout.write(
      `${String(tally.seeds)} lives, ${String(tally.steps)} events, ${seconds.toFixed(0)} s\n`,
    )

    expect(tally.violations).toEqual([])
    expect(tally.seeds).toBe(lives)
    // What was never met was never tested.
    const unseen = reshard.labels.filter((label) => tally.labels[label] === undefined)
    expect(unseen).toEqual([])
  })

  test('is wrong without any one of its safeguards', { timeout: 900_000 }, async () => {
    const jobs = reshard.mutants.map(({ name }): Seeds => ({
      workload: 'reshard',
      from: 1,
      to: mutantSeeds,
      mutant: name,
      stopsAtFirst: true,
    }))
    const lines: string[] = []
    const survivors: string[] = []
    await runJobs(jobs, threads, ({ mutant = '' }, { seeds, violations: [found] }) => {
      if (found === undefined) survivors.push(mutant)
      lines.push(`${mutant}: ${found?.kind ?? 'SURVIVED'} in life ${String(seeds)}`)
    })

    const caught = jobs.length - survivors.length
    process.stdout.write(
      `\n${String(caught)} of ${String(jobs.length)} mutants caught\n  ${lines.toSorted().join('\n  ')}\n`,
    )
    expect(survivors).toEqual([])
    expect(jobs.length).toBeGreaterThanOrEqual(20)
  })
})
