import { afterAll, describe, expect, test } from 'vitest'

import { liveTwice } from './oracle-life.ts'
import { oracleMutants } from './oracle-mutants.ts'

/** `ORACLE_LIVES=100` lives more. */
const lives = Number(process.env['ORACLE_LIVES'] ?? 4)
const operations = 150
/** Lives after which a mutant that nobody noticed counts as a hole in the oracle. */
const mutantLives = 20

function add(sums: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
}

describe('operations on three databases, among which keys move all the time', () => {
  test(
    'give the same answers, the same pages and the same rows as on one',
    { timeout: 600_000 },
    async () => {
      const done = new Map<string, number>()
      const moves = new Map<string, number>()
      for (let seed = 1; seed <= lives; seed += 1) {
        const life = await liveTwice(seed, { operations })

        expect({ seed, differences: life.differences }).toEqual({ seed, differences: [] })
        add(done, life.done)
        add(moves, life.moves)
      }

      const expected = ['create', 'enter', 'raise', 'relabel', 'remove', 'find', 'versions']
      const pages = ['busiest', 'labelled', 'entries of 0', 'entries of 9000']
      expect([...done.keys()]).toEqual(expect.arrayContaining([...expected, ...pages]))
      expect([...moves.keys()]).toEqual(expect.arrayContaining(['done', 'aborted', 'reversed']))
      expect(moves.get('done')).toBeGreaterThan(lives)
    },
  )

  const caught: string[] = []
  afterAll(() => {
    process.stdout.write(`\n${caught.length} mutants caught\n  ${caught.join('\n  ')}\n`)
  })

  test.each(oracleMutants.map((mutant) => [mutant.says, mutant] as const))(
    'do not, when %s',
    { timeout: 600_000 },
    async (says, mutant) => {
      let difference: string | undefined
      for (let seed = 1; difference === undefined && seed <= mutantLives; seed += 1) {
        const life = await liveTwice(seed, { operations, mutant })
        difference = life.differences[0]
        if (difference !== undefined) caught.push(`${says}: in life ${seed}`)
      }
      expect(difference).toBeDefined()
    },
  )
})
