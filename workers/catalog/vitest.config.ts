import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

import { doubles } from './test/doubles.ts'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: { bindings: inject('stoaEnv'), serviceBindings: doubles },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
