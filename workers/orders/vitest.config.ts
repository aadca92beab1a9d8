import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

import { boundOffer, catalogDouble, usersDouble } from './test/doubles.ts'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        serviceBindings: {
          USERS: usersDouble,
          CATALOG: catalogDouble(new Map([[boundOffer.product, boundOffer]])),
        },
      },
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
