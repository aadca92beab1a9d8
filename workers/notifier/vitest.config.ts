import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { answerSession } from '@stoa/testing/sessions'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: { ...inject('stoaEnv'), ALLOW_LOOPBACK_WEBHOOKS: 'true' },
        serviceBindings: { USERS: answerSession },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup', './test/listener.ts'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
