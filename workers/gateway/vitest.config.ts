import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { PlainReporter } from '@stoa/tools/plain-reporter'
import { Response } from 'miniflare'
import { defineConfig } from 'vitest/config'

/** A service that answers what it was asked; the gateway's own business is only what reaches it. */
function mirror(service: string) {
  return async (request: Request) => {
    const { pathname, search } = new URL(request.url)
    return Response.json({
      service,
      path: pathname + search,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    })
  }
}

const mirrored = [
  'users',
  'social',
  'catalog',
  'orders',
  'warehouse',
  'procurement',
  'notifier',
  'payments',
  'reconciler',
  'relay',
]

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: inject('stoaEnv'),
        serviceBindings: {
          ...Object.fromEntries(mirrored.map((name) => [name.toUpperCase(), mirror(name)])),
          // Nothing listens there: what a service that is down looks like.
          STATS: { external: { address: '127.0.0.1:9', http: {} } },
        },
      },
    })),
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['@stoa/testing/global-setup'],
    silent: 'passed-only',
    testTimeout: 30_000,
    reporters: ['default', new PlainReporter()],
  },
})
