import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    silent: 'passed-only',
    include: ['test/**/*.test.ts'],
    reporters: ['default', new PlainReporter()],
  },
})
