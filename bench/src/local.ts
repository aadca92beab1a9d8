import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { createClient } from '@libsql/client'
import { devTokens, supervise, type Supervised } from '@stoa/local'
import { Redis } from '@upstash/redis'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'

import { processTree } from './cpu.ts'
import { closedLoop } from './load.ts'
import { atLeast, type Row } from './row.ts'

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

async function serveWorker(
  ports: Supervised['ports'],
): Promise<{ url: string; close: () => Promise<void> }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./local-worker.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*'],
  })
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      workers: [
        {
          name: 'bench',
          modules: [{ type: 'ESModule', path: 'worker.js', contents: outputFiles[0]?.text ?? '' }],
          compatibilityDate: '2026-06-01',
          compatibilityFlags: ['nodejs_compat'],
          bindings: {
            LIBSQL_URL: `http://127.0.0.1:${ports.libsql}`,
            LIBSQL_TOKEN: devTokens.libsql,
            REDIS_URL: `http://127.0.0.1:${ports.redis}`,
            REDIS_TOKEN: devTokens.redis,
          },
        },
      ],
    }),
  )
  const { origin } = await miniflare.ready
  return { url: origin, close: () => miniflare.dispose() }
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
    const worker = await serveWorker(servers.ports)
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
