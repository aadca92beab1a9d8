import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

import {
  boundOffer,
  catalogDouble,
  paymentsDouble,
  usersDouble,
  warehouseDouble,
} from './test/doubles.ts'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        serviceBindings: {
          USERS: usersDouble,
          CATALOG: catalogDouble(new Map([[boundOffer.product, boundOffer]])),
          WAREHOUSE: warehouseDouble(new Map(), new Map()),
          PAYMENTS: paymentsDouble(new Set(), new Map()),
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
