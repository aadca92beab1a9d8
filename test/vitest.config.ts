import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    silent: 'passed-only',
    include: ['**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each journey file starts a whole deployment; two at once would only wait for each other.
    fileParallelism: false,
    reporters: ['default', new PlainReporter()],
  },
})
