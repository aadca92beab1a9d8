import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        // Stats reads no session: whoever asks for one here is wrong.
        serviceBindings: { USERS: () => Response.json({ code: 'unexpected' }, { status: 500 }) },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup', './test/migration-text.ts'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
