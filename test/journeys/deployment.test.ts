import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { files } from '../tidy/house.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const wrangler = path.join(root, 'node_modules', '.bin', 'wrangler')
const run = promisify(execFile)

/** What Cloudflare allows a start, in milliseconds of CPU. */
const startMsMax = 400
/** What the smallest paid plan takes, compressed. */
const gzipKibMax = 10 * 1_024

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'stoa-deploy-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function wranglerSays(args: readonly string[]): Promise<string> {
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true', NO_COLOR: '1' }
  const { stdout } = await run(wrangler, [...args], {
    cwd: root,
    env,
    maxBuffer: 16 * 1_024 * 1_024,
  })
  return stdout
}

const configs = files.filter((file) => /(?:^|\/)wrangler\.toml$/.test(file))

describe.each(configs)('%s', (config) => {
  test('deploys, dry, and fits', async () => {
    const said = await wranglerSays([
      'deploy',
      '--dry-run',
      '--config',
      config,
      '--outdir',
      path.join(folder, 'out'),
    ])

    const [, kib] = /gzip: ([\d.]+) KiB/.exec(said) ?? []
    expect(Number(kib)).toBeGreaterThan(0)
    expect(Number(kib)).toBeLessThan(gzipKibMax)
  })
})

test.each(['wrangler.toml', 'workers/gateway/wrangler.toml'])(
  '%s starts in time',
  async (config) => {
    const profile = path.join(folder, 'start.cpuprofile')
    // A busy machine can only make a start look longer: the shortest of some counts.
    let shortest = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 4 && shortest >= startMsMax; tries += 1) {
      await wranglerSays(['check', 'startup', '--outfile', profile, '--config', config])
      const { startTime, endTime } = JSON.parse(await readFile(profile, 'utf8')) as {
        startTime: number
        endTime: number
      }
      shortest = Math.min(shortest, (endTime - startTime) / 1_000)
    }
    expect(shortest).toBeGreaterThan(0)
    expect(shortest).toBeLessThan(startMsMax)
  },
)
