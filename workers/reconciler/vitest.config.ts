import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

import { realNeighbours } from './test/neighbours.ts'

/** The files whose worlds lie further back come first: see `eras` in test/harness.ts. The present comes last. */
const order = ['kills', 'breaks', 'mutants', 'api', 'tiers']

function rankOf({ moduleId }: TestSpecification): number {
  if (moduleId.endsWith('hands.test.ts')) return order.length + 1
  const rank = order.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
  return rank === -1 ? order.length : rank
}

class ByEra extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((one, other) => rankOf(one) - rankOf(other))
  }
}

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        // The tests hand in neighbours of their own; those bound here are for the tests of hands.
        serviceBindings: realNeighbours(inject('stoaEnv')),
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // All files look at the same databases, and spoil requests to them.
    fileParallelism: false,
    sequence: { sequencer: ByEra },
    isolate: false,
    // A password hash alone takes 150 ms of CPU, and CI has two cores for everything.
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
