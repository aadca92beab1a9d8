import { defineConfig } from 'vitest/config'

import { PlainReporter } from '../../tools/plain-reporter.ts'

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], reporters: ['default', new PlainReporter()] },
})
