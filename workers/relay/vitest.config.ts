import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { Response } from 'miniflare'
import { defineConfig } from 'vitest/config'

/** The tests hand in their own; workerd asks for what wrangler.toml names. */
const neighbours = ['ORDERS', 'PAYMENTS', 'STATS', 'NOTIFIER', 'RECONCILER']
const notThere = async () => new Response(null, { status: 503 })

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        serviceBindings: Object.fromEntries(neighbours.map((name) => [name, notThere])),
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // A sweep is of all databases: what one file leaves, another would publish.
    fileParallelism: false,
    // A password hash alone takes 150 ms of CPU, and CI has two cores for everything.
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
