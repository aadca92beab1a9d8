/**
 * `npm start`: the local platform, every shard migrated, the whole system in workerd, demo data once, and the words a
 * newcomer needs. Ctrl-C and SIGTERM end all of it.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'

import {
  devTokens,
  InvalidConfigError,
  type LocalConfig,
  parsePort,
  PortTakenError,
  readConfig,
  supervise,
  type Supervised,
  untilTold,
} from '@stoa/local'

import { demoLogin, demoToken, hasDemoData, loadDemoData } from './demo-data.ts'
import { deploy, type Deployment } from './deployment.ts'
import { localCaches, localLogs } from './local-caches.ts'
import { localProvider, provision } from './provision.ts'
import { reloadOnChange } from './watch.ts'

const usage = `Usage: npm start [-- options]
  --fresh               begin with no data
  --watch               serve the code anew when it changes (npm run dev)
  --port PORT           the gateway                 (STOA_PORT, 8787)
  --shards N            databases for each keyspace that has none yet (2)
  --shape SHAPE         one Worker or many          (one)
  --data-dir DIR        where the data lives        (.stoa/data)
  --libsql-port PORT, --redis-port PORT, --qstash-port PORT, --psp-port PORT   (8791 to 8794)
  --redis-engine NAME   auto, server or in-process  (auto)
`

/** The smallest interval that Cloudflare's cron has. */
const cronMs = 60_000

type Settings = {
  readonly local: LocalConfig
  readonly port: number
  readonly shards: number
  readonly shape: 'one' | 'many'
  readonly fresh: boolean
  readonly watch: boolean
}

function readSettings(argv: readonly string[]): Settings {
  const known = new Set(['fresh', 'port', 'shards', 'shape', 'watch'])
  const { values, tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: {
      fresh: { type: 'boolean', default: false },
      watch: { type: 'boolean', default: false },
      port: { type: 'string', default: process.env['STOA_PORT'] ?? '8787' },
      shards: { type: 'string', default: '2' },
      shape: { type: 'string', default: 'one' },
    },
  })
  const rest = tokens.flatMap((token) => {
    if (token.kind !== 'option' || known.has(token.name)) return []
    const next = argv[token.index + 1]
    return token.value === undefined && next !== undefined
      ? [token.rawName, next]
      : [`${token.rawName}=${token.value ?? ''}`]
  })
  const shards = Number(values['shards'])
  if (!Number.isInteger(shards) || shards < 1 || shards > 256) {
    throw new InvalidConfigError(
      `--shards is "${String(values['shards'])}": it must be from 1 to 256`,
    )
  }
  const shape = values['shape']
  if (shape !== 'one' && shape !== 'many') {
    throw new InvalidConfigError(`--shape is "${String(shape)}": it must be one or many`)
  }
  return {
    local: readConfig(rest, { STOA_DATA_DIR: '.stoa/data', ...process.env }),
    port: parsePort(String(values['port']), '--port'),
    shards,
    shape,
    fresh: values['fresh'] === true,
    watch: values['watch'] === true,
  }
}

/** @throws PortTakenError now, rather than when all else is up. */
function requireFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', () => reject(new PortTakenError('the gateway', port)))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()))
  })
}

type Secrets = { readonly operator: string; readonly importer: string; readonly secret: string }

function newSecret(): string {
  return randomBytes(24).toString('hex')
}

/** The deployment's own tokens: made once, and kept with the data they belong to. */
async function secretsIn(dataDir: string): Promise<Secrets> {
  const file = path.join(dataDir, 'secrets.json')
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Secrets
  const secrets = { operator: newSecret(), importer: newSecret(), secret: newSecret() }
  await mkdir(dataDir, { recursive: true })
  // Whole or not at all: half a file would stop every later start.
  await writeFile(`${file}.new`, JSON.stringify(secrets), { mode: 0o600 })
  await rename(`${file}.new`, file)
  return secrets
}

function progress(what: string): (done: number, total: number) => void {
  return (done, total) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${what} ${done} of ${total}`)
    if (done === total)
      console.log(`${process.stdout.isTTY ? '\r' : ''}${what} ${done} of ${total}`)
  }
}

/** Runs the cron of the deployment each minute; one that is still running is not started again. */
function startCron(deployment: Deployment): () => void {
  let running = false
  const timer = setInterval(() => {
    if (running) return
    running = true
    deployment
      .runScheduled()
      .catch((error: unknown) => console.error(String(error)))
      .finally(() => {
        running = false
      })
  }, cronMs)
  return () => clearInterval(timer)
}

type Running = {
  readonly deployment: Deployment
  readonly secrets: Secrets
  readonly close: () => Promise<void>
}

async function start(settings: Settings, servers: Supervised): Promise<Running> {
  const secrets = await secretsIn(settings.local.dataDir)
  const provider = localProvider(`http://127.0.0.1:${servers.ports.libsql}`, devTokens.libsql)
  const { metaUrl, applied } = await provision({
    provider,
    shardsPerKeyspace: settings.shards,
    onProgress: progress('Databases'),
  })
  if (applied > 0) console.log(`Migrations applied: ${applied}`)
  const redisUrl = `http://127.0.0.1:${servers.ports.redis}`
  const deployment = await deploy({
    shape: settings.shape,
    port: settings.port,
    env: {
      PUBLIC_URL: `http://127.0.0.1:${settings.port}`,
      META_URL: metaUrl,
      LIBSQL_TOKEN: devTokens.libsql,
      REDIS_URL: redisUrl,
      REDIS_TOKEN: devTokens.redis,
      CACHE_DATABASES: await localCaches(redisUrl, devTokens.redis),
      COUNTING_LOGS: await localLogs(redisUrl, devTokens.redis),
      QSTASH_URL: `http://127.0.0.1:${servers.ports.qstash}`,
      QSTASH_TOKEN: devTokens.qstash,
      QSTASH_CURRENT_SIGNING_KEY: devTokens.qstashCurrentKey,
      QSTASH_NEXT_SIGNING_KEY: devTokens.qstashNextKey,
      OPERATOR_TOKEN: secrets.operator,
      IMPORT_TOKEN: secrets.importer,
      STOA_SECRET: secrets.secret,
      ALLOW_LOOPBACK_WEBHOOKS: 'true',
      PAYMENTS_PROVIDER: 'sandbox',
      SANDBOX_URL: `http://127.0.0.1:${servers.ports.psp}`,
      SANDBOX_KEY: devTokens.psp,
      SANDBOX_CALLBACK_SECRET: devTokens.pspCallbacks,
    },
  })
  const stopCron = startCron(deployment)
  const stopWatching = settings.watch ? reloadOnChange(deployment, console.log) : undefined
  return {
    deployment,
    secrets,
    close: async () => {
      stopCron()
      stopWatching?.()
      await deployment.close()
    },
  }
}

async function greet({ deployment, secrets }: Running, settings: Settings): Promise<void> {
  const { url } = deployment
  const { dataDir } = settings.local
  const deployed = { url, importToken: secrets.importer }
  if (!hasDemoData(dataDir)) {
    await loadDemoData(deployed, {
      dataDir,
      progress: (phase) => console.log(`Demo data: ${phase}`),
    })
  }
  const token = await demoToken(deployed)
  console.log(`
Stoa is up at ${url}; its data is in ${path.resolve(dataDir)}.

  You are:         ${demoLogin.handle}, password ${demoLogin.password}
  Operator token:  ${secrets.operator}
  Import token:    ${secrets.importer}

  curl ${url}/health
  curl ${url}/v1/timelines/home -H 'authorization: Bearer ${token}'
  curl ${url}/v1/categories/demo-audio/products

Every route: ${url}/openapi.json. Ctrl-C ends it; npm start -- --fresh begins anew.`)
}

async function main(): Promise<number> {
  const argv = process.argv.slice(2)
  if (argv.includes('--help') || argv.includes('-h')) {
    console.log(usage)
    return 0
  }
  const ended = untilTold()
  let servers: Supervised | undefined
  let running: Running | undefined
  try {
    const settings = readSettings(argv)
    await requireFree(settings.port)
    if (settings.fresh) await rm(settings.local.dataDir, { recursive: true, force: true })
    servers = await supervise(settings.local, (name, why) => {
      console.error(`${name} ended (${why}); it is started again`)
    })
    running = await Promise.race([start(settings, servers), ended.then(() => undefined)])
    if (running !== undefined) await Promise.race([greet(running, settings), ended])
    await ended
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    console.error(error instanceof InvalidConfigError ? `${message}\n\n${usage}` : message)
    return 1
  } finally {
    await running?.close()
    await servers?.close()
  }
}

process.exit(await main())
