import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { answerSession } from '@stoa/testing/sessions'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: { bindings: inject('stoaEnv'), serviceBindings: { USERS: answerSession } },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // A password hash alone takes 150 ms of CPU, and CI has two cores for everything.
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
