import type { TestProject } from 'vitest/node'

import { startPlatform } from './platform.ts'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is what can be merged into vitest's.
  interface ProvidedContext {
    stoaEnv: Record<string, string>
  }
}

/** Gives every test file of a worker the same real platform; its variables become the worker's bindings. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const platform = await startPlatform()
  project.provide('stoaEnv', platform.env)
  return platform.close
}
