import { describe, expect, test } from 'vitest'

import { runWorld } from './world.ts'

/** `TRANSFERS=1000000 npx vitest run test/transfers.test.ts` is the long form. */
const total = Number(process.env['TRANSFERS'] ?? 600)
const inWorld = Math.min(total, 300)
const first = Number(process.env['SEED'] ?? 1)

describe('transfers across shards, while everything fails,', () => {
  test('lose no unit, make none, and happen once or not at all', { timeout: 0 }, async () => {
    const faults: Record<string, number> = {}
    let done = 0
    let cancelled = 0
    for (let seed = first; seed < first + total / inWorld; seed += 1) {
      const report = await runWorld({ seed, transfers: inWorld }).catch((error: unknown) => {
        throw new Error(`SEED=${seed}: ${String(error)}`, { cause: error })
      })
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
  })
})
