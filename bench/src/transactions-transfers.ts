import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { atLeast, type Row } from './row.ts'

const home = fileURLToPath(new URL('../../packages/transactions/', import.meta.url))

/**
 * The package's own simulation, in a process of its own: `TRANSFERS` transfers (3,000 unless it says otherwise) from
 * seed `SEED` across three databases in memory, while requests and replies are lost, late and doubled and processes die.
 * It fails when a unit is lost or made, an account is overdrawn, a transfer happens twice or never ends.
 */
export async function benchTransfers(): Promise<Row[]> {
  const env = { ...process.env, TRANSFERS: process.env['TRANSFERS'] ?? '3000' }
  const vitest = path.join(
    path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
    'vitest.mjs',
  )
  const test = [vitest, 'run', 'test/transfers.test.ts']
  const start = performance.now()
  const { stdout } = await promisify(execFile)(process.execPath, test, { cwd: home, env })
  const line = /transfers: (\d+) done, (\d+) cancelled.*/.exec(stdout)
  if (line === null) throw new Error(`Cannot read what the simulation says: ${stdout}`)
  const [said, done, cancelled] = line
  console.log(`  ${said}\n  ${Math.round((performance.now() - start) / 1_000)} s`)
  const ended = Number(done) + Number(cancelled)
  return [
    atLeast({
      name: 'transfers ended rightly, of those begun',
      value: ended,
      unit: 'transfers',
      baseline: ended,
      target: 1,
    }),
  ]
}
