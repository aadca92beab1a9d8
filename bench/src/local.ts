import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { createClient } from '@libsql/client'
import { devTokens, supervise, type Supervised } from '@stoa/local'
import { Redis } from '@upstash/redis'
import { build } from 'esbuild'

import { processTree } from './cpu.ts'
import { closedLoop, loadGenerator } from './load.ts'
import { atLeast, type Row } from './row.ts'

/** The workerd binary that npm brought; the package has no types. */
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string }

const connections = 16
const seconds = 5
const warmUpSeconds = 2

/** What was measured must be seen to be true: a wrong answer is fast too. */
async function seed(ports: Supervised['ports']): Promise<void> {
  const client = createClient({
    url: `http://127.0.0.1:${ports.libsql}`,
    authToken: devTokens.libsql,
  })
  const rows = Array.from({ length: 1_000 }, (_, index) => `('p${index}', 'text ${index}')`).join()
  await client.batch(
    ['CREATE TABLE post (id TEXT PRIMARY KEY, text TEXT)', `INSERT INTO post VALUES ${rows}`],
    'write',
  )
  client.close()
  const redis = new Redis({ url: `http://127.0.0.1:${ports.redis}`, token: devTokens.redis })
  await redis.set('p7', 'text 7')
}

/** A workerd of its own: Miniflare's entry Worker would cost more than what is measured. */
function configOf(ports: Supervised['ports'], port: number): string {
  const bindings = {
    LIBSQL_URL: `http://127.0.0.1:${ports.libsql}`,
    LIBSQL_TOKEN: devTokens.libsql,
    REDIS_URL: `http://127.0.0.1:${ports.redis}`,
    REDIS_TOKEN: devTokens.redis,
  }
  const list = Object.entries(bindings).map(
    ([name, text]) => `(name = "${name}", text = "${text}")`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .bench),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const bench :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-06-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [${list.join(', ')}],
);`
}

async function serveWorker(
  ports: Supervised['ports'],
  folder: string,
): Promise<{ url: string; close: () => Promise<void> }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./local-worker.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*'],
  })
  const port = await freePort()
  await writeFile(path.join(folder, 'worker.js'), outputFiles[0]?.text ?? '')
  await writeFile(path.join(folder, 'config.capnp'), configOf(ports, port))
  const child = spawn(workerd, ['serve', path.join(folder, 'config.capnp')], { stdio: 'inherit' })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries += 1) {
    const answers = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answers) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url,
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function measure(url: string, expected: string): Promise<number> {
  const answer = await (await fetch(url)).text()
  if (answer !== expected) throw new Error(`Cannot measure ${url}: it answered "${answer}"`)
  await closedLoop(url, { connections, seconds: warmUpSeconds })
  const before = new Map(processTree().map(({ pid, seconds: used }) => [pid, used]))
  const { perSecond, requests, failed } = await closedLoop(url, { connections, seconds })
  if (failed > 0) throw new Error(`Cannot measure ${url}: ${failed} requests failed`)
  const used = processTree()
    .map(({ pid, name, seconds: now }) => ({ name, ms: now - (before.get(pid) ?? now) }))
    .filter(({ ms }) => ms > 0.02)
    .toSorted((a, b) => b.ms - a.ms)
    .map(({ name, ms }) => `${name} ${((ms / requests) * 1_000_000).toFixed(0)} µs`)
  console.log(`  ${new URL(url).pathname.padEnd(5)} CPU a request: ${used.join(', ')}`)
  return perSecond
}

async function withPlatform(
  redisEngine: 'server' | 'in-process',
  work: (url: string) => Promise<Row[]>,
): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const servers = await supervise({
    dataDir,
    ports: { libsql: 0, redis: 0, qstash: 0 },
    redisEngine,
  })
  try {
    await seed(servers.ports)
    const worker = await serveWorker(servers.ports, dataDir)
    try {
      return await work(worker.url)
    } finally {
      await worker.close()
    }
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/**
 * The local platform beside a Worker that reads nothing, in one run: 16 connections, closed loop, official clients, the
 * load generator on the same cores. It measures the emulators, not Turso or Upstash.
 */
export async function benchLocal(): Promise<Row[]> {
  const rows: Row[] = []
  const unit = 'requests/s'
  console.log(`Load from ${loadGenerator}, ${connections} connections, ${seconds} s each`)
  console.log('Redis engine: in-process')
  rows.push(
    ...(await withPlatform('in-process', async (url) => {
      const bare = await measure(`${url}/none`, 'nothing was read')
      const row = await measure(`${url}/row`, 'text 7')
      const key = await measure(`${url}/key`, 'text 7')
      return [
        atLeast({ name: 'one libSQL row by id', value: row, unit, baseline: bare, target: 0.12 }),
        atLeast({
          name: 'one Redis GET, in-process engine',
          value: key,
          unit,
          baseline: bare,
          target: 0.2,
        }),
      ]
    })),
  )
  console.log('Redis engine: redis-server')
  try {
    rows.push(
      ...(await withPlatform('server', async (url) => {
        const bare = await measure(`${url}/none`, 'nothing was read')
        const key = await measure(`${url}/key`, 'text 7')
        return [
          atLeast({
            name: 'one Redis GET, redis-server',
            value: key,
            unit,
            baseline: bare,
            target: 0.2,
          }),
        ]
      })),
    )
  } catch (error) {
    console.log(`  not measured: ${error instanceof Error ? error.message : String(error)}`)
  }
  return rows
}
