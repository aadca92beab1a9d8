/**
 * Every check there is, cheapest first: format, workspace, lint, types, boundaries, unused code, then each package's
 * and worker's own tests, and the tests of the whole. Ends with one plain line: `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { Tally } from './plain-reporter.ts'

const root = path.resolve(import.meta.dirname, '..')

type Step = { readonly name: string; readonly command: readonly string[] }

const checks: readonly Step[] = [
  { name: 'format', command: ['oxfmt', '--check', '.'] },
  { name: 'workspace', command: ['sherif'] },
  { name: 'lint', command: ['oxlint'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types of what runs on Workers', command: ['tsc', '-p', 'tsconfig.runtime.json'] },
  { name: 'boundaries', command: ['turbo', 'boundaries'] },
  { name: 'unused code', command: ['knip'] },
]

function run(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file = '', ...args] = command
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env })
    child.once('error', (error) => {
      console.error(String(error))
      resolve(1)
    })
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

async function timed(step: Step, env: NodeJS.ProcessEnv): Promise<boolean> {
  console.log(`\n— ${step.name}`)
  const started = Date.now()
  const code = await run(step.command, env)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.log(`${code === 0 ? 'passed' : 'FAILED'}: ${step.name} (${seconds} s)`)
  return code === 0
}

function tallies(folder: string): Tally[] {
  return readdirSync(folder).map(
    (file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Tally,
  )
}

const folder = mkdtempSync(path.join(tmpdir(), 'stoa-check-'))
const env = { ...process.env, STOA_TALLY_DIR: folder, FORCE_COLOR: '0' }
const total = { passed: 0, failed: 0, skipped: 0 }
for (const step of checks) total[(await timed(step, env)) ? 'passed' : 'failed'] += 1
const tests = { name: 'tests', command: ['turbo', 'run', 'test', '--concurrency=2', '--continue'] }
const testsPassed = await timed(tests, env)
for (const tally of tallies(folder)) {
  total.passed += tally.passed
  total.failed += tally.failed
  total.skipped += tally.skipped
}
// A suite that crashed before its first test has counted nothing, and is a failure all the same.
if (!testsPassed && total.failed === 0) total.failed += 1
const failures = tallies(folder).flatMap((each) => each.failures)
rmSync(folder, { recursive: true })
for (const failure of failures) console.log(`FAILED: ${failure}`)
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1
