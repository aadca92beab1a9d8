import { afterAll, describe, expect, test } from 'vitest'

import { killEverywhere, scenarios } from './kills.ts'
import { runSchedule } from './schedule.ts'

const lines: string[] = []
afterAll(() => {
  process.stdout.write(`${lines.join('\n')}\n`)
})

describe('killed before and after every statement and request, it loses nothing and doubles nothing', () => {
  test.for(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    async ([name, scenario]) => {
      const points = await killEverywhere(scenario)

      expect(points).toBeGreaterThan(5)
      lines.push(`killed at ${points} points: ${name}`)
    },
  )
})

/** A longer run: MESSAGING_SEEDS=1000. */
const seeds = Number(process.env['MESSAGING_SEEDS'] ?? 12)

describe('while everything fails at once', () => {
  test(`each event has its effect once, and in its order where that was asked for (${seeds} seeds)`, async () => {
    const total: Record<string, number> = {}
    let events = 0
    for (let seed = 1; seed <= seeds; seed += 1) {
      const report = await runSchedule({ seed, commits: 30 }).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
      })
      events += report.events
      for (const [what, count] of Object.entries(report.faults))
        total[what] = (total[what] ?? 0) + count
    }

    expect(Object.keys(total)).toHaveLength(10)
    lines.push(`${seeds} seeds, ${events} events: ${JSON.stringify(total)}`)
  })

  test('one seed is one life', async () => {
    const [one, other] = [
      await runSchedule({ seed: 5, commits: 12 }),
      await runSchedule({ seed: 5, commits: 12 }),
    ]

    expect(one).toEqual(other)
  })
})
