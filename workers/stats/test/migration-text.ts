import { readFile } from 'node:fs/promises'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    countingSql: string
  }
}

const files = ['0002_counting', '0003_sweep'].map(
  (name) => new URL(`../../../drizzle/stats/migrations/${name}.sql`, import.meta.url),
)

/** Tests run in workerd, which has no files: the text of the migrations is read for them. */
export async function setup(project: TestProject): Promise<void> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  project.provide('countingSql', texts.join('--> statement-breakpoint\n'))
}
