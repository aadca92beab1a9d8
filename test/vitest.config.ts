import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    silent: 'passed-only',
    include: ['{tidy,journeys}/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Each journey file starts a whole deployment; two at once would only wait for each other.
    fileParallelism: false,
    reporters: ['default', new PlainReporter()],
  },
})
