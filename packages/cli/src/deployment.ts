import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from 'miniflare'
import { parse } from 'smol-toml'
import { z } from 'zod'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The whole system as one Worker, or each service as its own with service bindings. */
export type Shape = 'one' | 'many'

export type DeploymentOptions = {
  readonly shape: Shape
  /** The bindings of every Worker. */
  readonly env: Readonly<Record<string, string>>
  /** The gateway's port; 0 takes a free one. */
  readonly port: number
}

export type Deployment = {
  readonly url: string
  /** Runs what the cron of the deployment runs. */
  readonly runScheduled: () => Promise<void>
  /** Bundles anew what is on disk now and serves that; what was there goes on when it does not build. */
  readonly reload: () => Promise<void>
  readonly close: () => Promise<void>
}

/** What of a wrangler.toml decides how a Worker runs. */
const wranglerToml = z.object({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  services: z.array(z.object({ binding: z.string(), service: z.string() })).default([]),
})

/** The Worker of a wrangler.toml, bundled as wrangler would, with what that file says of it. */
async function workerOf(
  configPath: string,
  env: DeploymentOptions['env'],
): Promise<V4WorkerOptions> {
  const config = wranglerToml.parse(parse(await readFile(configPath, 'utf8')))
  const { outputFiles } = await build({
    entryPoints: [path.resolve(path.dirname(configPath), config.main)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['browser', 'module', 'main'],
    external: ['node:*', 'cloudflare:*'],
    logLevel: 'error',
  })
  return {
    name: config.name,
    modules: [{ type: 'ESModule', path: 'worker.js', contents: outputFiles[0]?.text ?? '' }],
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    bindings: { ...env },
    serviceBindings: Object.fromEntries(
      config.services.map(({ binding, service }) => [binding, service]),
    ),
  }
}

/** What Miniflare's fetchers have beside `fetch`; its types leave it out. */
type Scheduled = {
  scheduled(options: { readonly cron: string }): Promise<{ readonly outcome: string }>
}

/** The wrangler.toml files of a shape, the gateway's first: Miniflare serves the first. */
async function configsOf(shape: Shape): Promise<readonly string[]> {
  if (shape === 'one') return [path.join(root, 'wrangler.toml')]
  const folder = path.join(root, 'workers')
  const entries = await readdir(folder, { withFileTypes: true })
  // `workers/stoa` is the one Worker that holds them all; its wrangler.toml is the root's.
  const names = entries
    .filter((entry) => entry.isDirectory() && entry.name !== 'stoa')
    .map((entry) => entry.name)
  const sorted = names.toSorted((a, b) => Number(b === 'gateway') - Number(a === 'gateway'))
  return sorted.map((name) => path.join(folder, name, 'wrangler.toml'))
}

/**
 * Serves the system in workerd on loopback, from the very files that `wrangler deploy` reads.
 *
 * @throws when a port is taken, a bundle does not build, or workerd refuses it.
 */
export async function deploy({ shape, env, port }: DeploymentOptions): Promise<Deployment> {
  const configs = await configsOf(shape)
  const optionsOf = async () => {
    const workers = await Promise.all(configs.map((config) => workerOf(config, env)))
    return convertV4MiniflareOptions({ host: '127.0.0.1', port, workers })
  }
  const miniflare = new Miniflare(await optionsOf())
  const url = await miniflare.ready
  const scheduled = shape === 'one' ? 'stoa' : 'stoa-relay'
  return {
    url: url.origin,
    runScheduled: async () => {
      const worker = (await miniflare.getWorker(scheduled)) as unknown as Scheduled
      const { outcome } = await worker.scheduled({ cron: '* * * * *' })
      if (outcome !== 'ok')
        throw new Error(`Cannot run the cron of ${scheduled}: it ended with ${outcome}`)
    },
    reload: async () => miniflare.setOptions(await optionsOf()),
    close: () => miniflare.dispose(),
  }
}
