import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { defineConfig } from 'vitest/config'

/** The users service as far as this one calls it: a token is a member's id, a dot and 64 hexadecimal digits. */
function sessionOf(authorization: string): Response {
  const [, member] = /^Bearer ([0-9A-Z]{20})\.[0-9a-f]{64}$/.exec(authorization) ?? []
  if (member === undefined) {
    const problem = { type: '', title: '', status: 401, code: 'session_ended' }
    return Response.json(problem, { status: 401 })
  }
  return Response.json({
    id: `ses_${member}`,
    member: `usr_${member}`,
    expiresAt: '2100-01-01T00:00:00.000Z',
  })
}

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        serviceBindings: {
          USERS: (request) => sessionOf(request.headers.get('authorization') ?? ''),
        },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    // Races of many requests on two cores that also run the databases.
    testTimeout: 30_000,
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    reporters: ['default', new PlainReporter()],
  },
})
