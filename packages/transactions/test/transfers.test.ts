import { describe, expect, test } from 'vitest'

import type { EngineName } from './databases.ts'
import { runWorld } from './world.ts'

/** `TRANSFERS=1000000 npx vitest run test/transfers.test.ts` is the long form. */
const long = Number(process.env['TRANSFERS'] ?? 1_500)
const inWorld = 300
const first = Number(process.env['SEED'] ?? 1)

const engines: readonly (readonly [number, EngineName])[] = [
  [300, 'libsql'],
  [long, 'sqlite'],
]

describe('transfers across shards, while everything fails,', () => {
  test.for(engines)(
    'lose no unit, make none, and happen once or not at all: %i over %s',
    { timeout: 0 },
    async ([total, engine]) => {
      const faults: Record<string, number> = {}
      let done = 0
      let cancelled = 0
      for (let seed = first; seed < first + total / inWorld; seed += 1) {
        const report = await runWorld({ seed, transfers: inWorld, engine }).catch(
          (error: unknown) => {
            throw new Error(`SEED=${seed}: ${String(error)}`, { cause: error })
          },
        )
        done += report.done
        cancelled += report.cancelled
        for (const [fault, count] of Object.entries(report.faults))
          faults[fault] = (faults[fault] ?? 0) + count
      }
      process.stdout.write(
        `transfers: ${done} done, ${cancelled} cancelled, from seed ${first}; ${JSON.stringify(faults)}\n`,
      )

      expect(done).toBeGreaterThan(total / 4)
      expect(cancelled).toBeGreaterThan(total / 50)
      expect(Object.keys(faults)).toHaveLength(9)
    },
  )
})
