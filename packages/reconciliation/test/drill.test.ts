import { expect, test } from 'vitest'

import * as reconciliation from '../src/index.ts'
import { proveDrill } from './world.ts'

const seed = Number(process.env['SEED'] ?? 7)
const clean = Number(process.env['CLEAN'] ?? 20_000)
const perClass = Number(process.env['PER_CLASS'] ?? 40)
const isLong = clean > 100_000

const long = isLong ? 3_600_000 : 60_000

test(
  'finds every break among clean records, imagines none, repairs what is safe within the budget, and then changes nothing',
  { timeout: long },
  async () => {
    const report = await proveDrill(reconciliation, {
      seed,
      clean,
      perClass,
      noise: perClass,
      perHour: Math.ceil(perClass / 2),
      faultOneIn: 0,
    })

    process.stdout.write(
      `drill: ${report.compared} keys compared in ${Math.round(report.compareMs)} ms, ${report.found} breaks found, ${report.repaired} repaired\n`,
    )
    expect(report.found).toBe(15 * perClass)
    expect(report.repaired).toBeGreaterThan(6 * perClass)
  },
)

test.skipIf(isLong)(
  'does the same while replies and requests are lost',
  { timeout: 60_000 },
  async () => {
    for (let next = seed; next < seed + 2; next += 1) {
      const options = { seed: next, clean: 900, perClass: 12, noise: 6, perHour: 8, faultOneIn: 12 }

      await expect(proveDrill(reconciliation, options), `seed ${next}`).resolves.toBeDefined()
    }
  },
)
