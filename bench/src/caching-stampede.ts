import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { devTokens, openServer } from '@stoa/local'
import { build } from 'esbuild'

import { atLeast, type Row } from './row.ts'

/** The workerd binary that npm brought; the package has no types. */
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string }

const processes = 4
const requests = 40
const asksPerRequest = 250
const originMs = 300

/** An origin that counts how often each key was asked for. */
async function openOrigin() {
  const asked = new Map<string, number>()
  const server = createServer((request, response) => {
    const key = new URL(request.url ?? '/', 'http://origin').searchParams.get('key') ?? ''
    asked.set(key, (asked.get(key) ?? 0) + 1)
    setTimeout(() => response.end(`value of ${key}`), originMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}`, asked, close }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('caching-worker.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*'],
  })
  return outputFiles[0]?.text ?? ''
}

function configOf(bindings: Readonly<Record<string, string>>, port: number): string {
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

async function openProcess(folder: string, bindings: Readonly<Record<string, string>>) {
  const port = await freePort()
  const file = path.join(folder, `config-${port}.capnp`)
  await writeFile(file, configOf(bindings, port))
  const child = spawn(workerd, ['serve', file], { stdio: 'inherit' })
  const url = `http://127.0.0.1:${port}`
  const answers = () =>
    fetch(`${url}/?key=warm&asks=1`).then(
      (answer) => answer.ok,
      () => false,
    )
  for (let tries = 0; tries < 200 && !(await answers()); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const close = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill()
    await ended
  }
  return { url, close }
}

/** Cuts every connection to the server from now on. */
async function cutOff(url: string): Promise<void> {
  const answer = await fetch(`${url}/_local/faults`, {
    method: 'POST',
    body: JSON.stringify({ action: 'partition' }),
    headers: { 'content-type': 'application/json' },
  })
  if (!answer.ok) throw new Error(`Cannot cut Redis off: ${answer.status}`)
}

async function stampede(urls: readonly string[], key: string): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: requests }, async (_, at) => {
      const answer = await fetch(`${urls[at % urls.length]}/?key=${key}&asks=${asksPerRequest}`)
      return answer.text()
    }),
  )
  const wrong = answers.find((text) => text !== JSON.stringify([`value of ${key}`]))
  if (wrong !== undefined) throw new Error(`Cannot measure the stampede: one answered ${wrong}`)
}

/** 10,000 concurrent misses of one key over four workerd processes, with Redis and without. */
export async function benchStampede(): Promise<Row[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const redis = await openServer('redis', { dataDir: folder, ports, redisEngine: 'in-process' })
  const origin = await openOrigin()
  const bindings = { REDIS_URL: redis.url, REDIS_TOKEN: devTokens.redis, ORIGIN: origin.url }
  await writeFile(path.join(folder, 'worker.js'), await bundle())
  const workers = await Promise.all(
    Array.from({ length: processes }, () => openProcess(folder, bindings)),
  )
  const misses = requests * asksPerRequest
  try {
    const urls = workers.map(({ url }) => url)
    await stampede(urls, 'with')
    const loads = origin.asked.get('with') ?? 0
    await cutOff(redis.url)
    await stampede(urls, 'without')
    const bare = origin.asked.get('without') ?? 0
    console.log(
      `  ${misses} misses over ${processes} processes: ${loads} loads; without Redis ${bare}`,
    )
    const unit = 'misses a load'
    return [
      atLeast({
        name: 'stampede over 4 processes',
        value: misses / loads,
        unit,
        baseline: misses,
        target: 1,
      }),
      atLeast({
        name: 'stampede, Redis down',
        value: misses / bare,
        unit,
        baseline: misses / processes,
        target: 1,
      }),
    ]
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
    origin.close()
    await redis.close()
    await rm(folder, { recursive: true, force: true })
  }
}
