import { readFile } from 'node:fs/promises'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    countingSql: string
  }
}

const file = new URL('../../../drizzle/stats/migrations/0002_counting.sql', import.meta.url)

/** Tests run in workerd, which has no files: the text of the migration is read for them. */
export async function setup(project: TestProject): Promise<void> {
  project.provide('countingSql', await readFile(file, 'utf8'))
}
