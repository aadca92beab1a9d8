import { afterAll, describe, expect, test } from 'vitest'

import { safeguardTrials, triggerTrials, type Trial } from './replica-trials.ts'
import type { Without } from './replica-world.ts'

const caught: string[] = []

afterAll(() => {
  process.stdout.write(`mutants of the feed that were caught:\n${caught.join('\n')}\n`)
})

type Mutant = readonly [name: string, trial: Trial, without: Without, sql: string | undefined]

const mutants: readonly Mutant[] = [
  ...Object.entries(safeguardTrials).map(([name, trial]): Mutant => [
    name,
    trial,
    [name as Without[number]],
    undefined,
  ]),
  ...Object.entries(triggerTrials).map(([sql, trial]): Mutant => [sql, trial, [], sql]),
]

describe('a feed', () => {
  test.for(mutants)('is right in the scene of %s, and wrong without', async (mutant) => {
    const [name, trial, without, sql] = mutant

    expect(await trial([])).toEqual([])
    const found = await trial(without, sql)
    if (found.length > 0) caught.push(`  ${name}: ${found.at(-1) ?? ''}`)

    expect(found).not.toEqual([])
  })
})
