import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { upstashRedis } from '@stoa/adapters/upstash-redis'
import { createCache } from '@stoa/caching'
import { rootCall, seededRandom, systemClock } from '@stoa/kernel'
import { devTokens, openServer } from '@stoa/local'

import { atLeast, type Row } from './row.ts'
import { zipf } from './zipf.ts'

const databases = 4
const isolates = 4
const readers = 16
const warmUpReads = 3_000
const reads = 8_000

async function control(url: string, method: string, route: string, body?: object) {
  const init = body && {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  }
  const answer = await fetch(`${url}/_local/${route}`, { method, ...init })
  if (!answer.ok) throw new Error(`${method} ${route} was answered with ${answer.status}`)
  return answer
}

/** Commands that the busiest database had, as a multiple of the mean. */
async function busiest(url: string, hits: number): Promise<number> {
  const names = Array.from({ length: databases }, (_, at) => `db${at}`)
  const redis = names.map((name) =>
    upstashRedis({ name, url: `${url}/db/${name}`, token: devTokens.redis }),
  )
  const spaces = Array.from({ length: isolates }, (_, seed) =>
    createCache({
      // Two runs must not find each other's entries.
      namespace: `bench${Number.isFinite(hits) ? 1 : 0}`,
      redis,
      clock: systemClock,
      random: seededRandom(seed),
      defer: (work) => void work,
      report: () => undefined,
      limits: { redisMs: 5_000 },
      hot: { hits, windowMs: 2_000, forMs: 60_000 },
    }).space<string>('p', { ttlMs: 600_000, isolateTtlMs: 0, eagerLease: false }),
  )
  const next = zipf(5_000, 1.2, seededRandom(5))
  const load = () => Promise.resolve({ value: 'x'.repeat(200), version: 1 })
  const run = async (count: number) => {
    const reader = async (at: number) => {
      for (let done = at; done < count; done += readers) {
        await spaces[done % isolates]?.getOrLoad(`k${next()}`, load, rootCall('bench'))
      }
    }
    await Promise.all(Array.from({ length: readers }, (_, at) => reader(at)))
  }
  await run(warmUpReads)
  await control(url, 'DELETE', 'meter')
  await run(reads)
  const meter = (await (await control(url, 'GET', 'meter')).json()) as {
    databases: Record<string, { commands: number }>
  }
  const counts = names.map((name) => meter.databases[name]?.commands ?? 0)
  return (Math.max(...counts) * databases) / counts.reduce((sum, count) => sum + count, 0)
}

/** Zipf 1.2 over four Redis databases, counted by the server, with copies of hot keys and without. */
export async function benchSpread(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const server = await openServer('redis', { dataDir, ports, redisEngine: 'in-process' })
  try {
    for (let at = 0; at < databases; at += 1) {
      await control(server.url, 'POST', 'databases', { name: `db${at}` })
    }
    const without = await busiest(server.url, Infinity)
    const copied = await busiest(server.url, 20)
    console.log(
      `  busiest database: ${copied.toFixed(3)}× the mean, ${without.toFixed(3)}× without copies`,
    )
    return [
      atLeast({
        name: 'Zipf 1.2: mean of the busiest database',
        value: 100 / copied,
        unit: '%',
        baseline: 100 / 1.25,
        target: 1,
      }),
      atLeast({
        name: 'Zipf 1.2: the same beside no copies',
        value: 100 / copied,
        unit: '%',
        baseline: 100 / without,
      }),
    ]
  } finally {
    await server.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
