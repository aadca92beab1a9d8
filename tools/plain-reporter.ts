import { writeFileSync } from 'node:fs'
import path from 'node:path'

import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export type Tally = {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** One line for each failure: where, which test, and its first error. */
  readonly failures: readonly string[]
}

function firstLine(errors: readonly { readonly message: string }[] | undefined): string {
  return (errors?.[0]?.message ?? 'no error is known').slice(0, 400)
}

/**
 * Ends a vitest run with one plain line, `N passed, N failed, N skipped`, and leaves the same numbers in the folder
 * `STOA_TALLY_DIR`, so that a run of many suites can be summed.
 */
export class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tests = modules.flatMap((each) => [...each.children.allTests()])
    const states = tests.map((test) => test.result().state)
    const count = (state: string) => states.filter((each) => each === state).length
    const broken = modules.filter((each) => each.state() === 'failed' && each.errors().length > 0)
    const tally: Tally = {
      passed: count('passed'),
      failed: count('failed') + broken.length + errors.length,
      skipped: count('skipped'),
      failures: [
        ...tests.flatMap((test) => {
          const { state, errors: reasons } = test.result()
          const where = path.relative(process.cwd(), test.module.moduleId)
          return state === 'failed' ? [`${where} > ${test.fullName}: ${firstLine(reasons)}`] : []
        }),
        ...broken.map((each) => `${each.moduleId}: ${firstLine(each.errors())}`),
        ...errors.map((error) => `outside a test: ${firstLine([error])}`),
      ],
    }
    process.stdout.write(
      `\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`,
    )
    const folder = process.env['STOA_TALLY_DIR']
    if (folder === undefined) return
    writeFileSync(path.join(folder, `${process.pid}-${Date.now()}.json`), JSON.stringify(tally))
  }
}
