import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    silent: 'passed-only',
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    // The batches of seeds use every core by themselves.
    fileParallelism: false,
    reporters: ['default', new PlainReporter()],
  },
})
