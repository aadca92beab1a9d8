import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { answerSession } from '@stoa/testing/sessions'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: {
          ...inject('stoaEnv'),
          STRIPE_URL: inject('stripeUrl'),
          STRIPE_KEY: 'sk_test_stoa',
          STRIPE_WEBHOOK_SECRET: 'whsec_test_stoa',
        },
        serviceBindings: { USERS: answerSession },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // Each kill of a worker is a life of its own, and CI has two cores for everything.
    testTimeout: 60_000,
    globalSetup: [
      '@stoa/testing/global-setup',
      './test/stripe-fake.ts',
      './test/migration-text.ts',
    ],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
