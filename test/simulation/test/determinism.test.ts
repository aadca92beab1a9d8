import { beforeAll, describe, expect, test } from 'vitest'

import { addTallies, emptyTally, runJobs, stretchesOf, type Tally } from '../src/batch.ts'
import { runSeed } from '../src/run-seed.ts'
import { reshard } from '../src/workloads/reshard.ts'

const lives = 200

/** `seed:hash` of seeds 1 to 200, each run in one of `threads` fresh threads. */
async function hashesOf(threads: number): Promise<readonly string[]> {
  let tally: Tally = emptyTally
  const jobs = stretchesOf({ workload: 'reshard', from: 1, to: lives })
  await runJobs(jobs, threads, (_, more) => {
    tally = addTallies(tally, more)
  })
  return tally.hashes.toSorted()
}

describe('a seed', () => {
  let alone: readonly string[]
  let together: readonly string[]

  beforeAll(async () => {
    alone = await hashesOf(1)
    together = await hashesOf(2)
  }, 600_000)

  test('leads to the same life again, in whatever thread and after whatever other lives', () => {
    expect(alone).toHaveLength(lives)
    expect(together).toEqual(alone)
  })

  test('leads to another life than any other seed', () => {
    const hashes = alone.map((line) => line.split(':')[1])

    expect(new Set(hashes).size).toBe(lives)
  })

  test('can be read, event by event', async () => {
    const told = await runSeed(reshard, 3, { keepsTrace: true })
    const untold = await runSeed(reshard, 3)

    expect(told.lines.length).toBeGreaterThan(50)
    expect(told.hash).toBe(untold.hash)
  })
})
