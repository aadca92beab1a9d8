import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'

import { Redis as Client } from '@upstash/redis'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createRedis, FolderTakenError } from '../../src/redis/index.ts'
import { engineKinds, missingServer, openStand, temporaryFolder, token } from './harness.ts'

type EngineKind = (typeof engineKinds)[number]

const children: ChildProcess[] = []

async function startChild(engine: EngineKind, folder: string) {
  const script = new URL('./serve-child.ts', import.meta.url)
  const child = fork(script, [engine, folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  const [url] = (await once(child, 'message')) as [string]
  return { child, client: new Client({ url, token, retry: false, enableTelemetry: false }) }
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Writes until the server is gone for anybody: it may be back before all have asked. Answers what was acknowledged. */
async function writeUntilDeath(client: Client, count: { acknowledged: number }) {
  const keys: string[] = []
  let isGone = false
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      for (let at = 0; !isGone; at++) {
        const key = `w${writer}:${at}`
        try {
          await client.multi().set(key, at).incr(`sum${writer}`).exec()
        } catch {
          isGone = true
          return
        }
        keys.push(key)
        count.acknowledged++
      }
    }),
  )
  return keys
}

function serverPid(folder: string): number {
  return Number(readFileSync(path.join(folder, 'server', 'redis.pid'), 'utf8'))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

let folder = ''
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
  if (existsSync(path.join(folder, 'server'))) {
    const redis = await createRedis({ dataDir: folder, origin: () => '', token, engine: 'server' })
    await redis.close()
  }
  await rm(folder, { recursive: true, force: true })
})

describe.each(engineKinds)('the %s engine', (engine) => {
  const missing = engine === 'server' ? missingServer : undefined

  test.skipIf(missing)(
    'has every acknowledged write after its process was killed under load',
    async () => {
      const { child, client } = await startChild(engine, folder)
      const count = { acknowledged: 0 }
      const writing = writeUntilDeath(client, count)
      await vi.waitFor(() => expect(count.acknowledged).toBeGreaterThan(400), 20_000)
      await kill(child)
      const keys = await writing

      const stand = await openStand({ engine, dataDir: folder })
      const redis = stand.client()
      const values = await redis.mget<(number | null)[]>(...keys)
      const sums = await Promise.all(
        Array.from({ length: 8 }, (_, writer) => redis.get<number>(`sum${writer}`)),
      )
      const size = await redis.dbsize()
      await stand.close()

      expect(values).toEqual(keys.map((key) => Number(key.split(':')[1])))
      // What was not acknowledged is there whole or not at all: eight writers, one request each under way.
      expect(size - 8).toBeLessThanOrEqual(keys.length + 8)
      expect(sums.reduce<number>((sum, each) => sum + (each ?? 0), 0)).toBe(size - 8)
    },
    40_000,
  )

  test.skipIf(missing)(
    'keeps databases, values and deadlines over an orderly restart',
    async () => {
      const first = await openStand({ engine, dataDir: folder })
      await first.redis.databases?.create('orders')
      await first.client({ url: `${first.url}/db/orders` }).set('a', 'orders', { ex: 5000 })
      await first.client().xadd('log', '5-1', { f: 'v' })
      await first.client().xdel('log', '5-1')
      await first.close()

      const second = await openStand({ engine, dataDir: folder })
      const orders = second.client({ url: `${second.url}/db/orders` })
      const value = await orders.get('a')
      const ttl = await orders.ttl('a')
      const late = second.client().xadd('log', '4-1', { f: 'v' })

      await expect(late).rejects.toThrow(/equal or smaller/)
      await second.close()
      expect(value).toBe('orders')
      expect(ttl).toBeGreaterThan(4900)
      expect(ttl).toBeLessThanOrEqual(5000)
    },
  )

  test.skipIf(missing)('keeps a second front out of its folder', async () => {
    const first = await openStand({ engine, dataDir: folder })

    const second = createRedis({ dataDir: folder, origin: () => '', token, engine })

    await expect(second).rejects.toThrow(FolderTakenError)
    await first.close()
  })
})

describe.skipIf(missingServer)(`the server engine (${missingServer ?? 'is there'})`, () => {
  test('comes back by itself after its server was killed, without losing a write', async () => {
    const stand = await openStand({ engine: 'server', dataDir: folder })
    const count = { acknowledged: 0 }
    const before = serverPid(folder)
    const writing = writeUntilDeath(stand.client(), count)
    await vi.waitFor(() => expect(count.acknowledged).toBeGreaterThan(300), 20_000)
    process.kill(before, 'SIGKILL')
    const keys = await writing

    const statuses = new Set<number>()
    await vi.waitFor(
      async () => {
        const { status } = await stand.send('/ping')
        statuses.add(status)
        expect(status).toBe(200)
      },
      { timeout: 10_000, interval: 5 },
    )
    const values = await stand.client().mget<number[]>(...keys)
    const after = serverPid(folder)
    await stand.close()

    expect(values).toEqual(keys.map((key) => Number(key.split(':')[1])))
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
    expect(after).not.toBe(before)
    expect(isAlive(after)).toBe(false)
  }, 30_000)

  test('answers 503 at once, not a hang, while its server is gone', async () => {
    const stand = await openStand({ engine: 'server', dataDir: folder })
    process.kill(serverPid(folder), 'SIGKILL')
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await stand.send('/set/a/b')
        return { status: response.status, body: (await response.json()) as { error?: string } }
      }),
    )
    await stand.close()

    for (const { status, body } of answers.filter(({ status: each }) => each !== 200)) {
      expect(status).toBe(503)
      expect(body.error).toMatch(/^ERR /)
    }
    expect(answers.some(({ status }) => status === 503)).toBe(true)
  })

  test('ends the server that a killed front left behind before it starts its own', async () => {
    const { child } = await startChild('server', folder)
    const orphan = serverPid(folder)
    await kill(child)
    expect(isAlive(orphan)).toBe(true)

    const stand = await openStand({ engine: 'server', dataDir: folder })
    const started = serverPid(folder)

    expect(isAlive(orphan)).toBe(false)
    expect(isAlive(started)).toBe(true)
    await stand.close()
    expect(isAlive(started)).toBe(false)
  })

  test('ends an orphan that is frozen', async () => {
    const { child } = await startChild('server', folder)
    const orphan = serverPid(folder)
    await kill(child)
    process.kill(orphan, 'SIGSTOP')

    const stand = await openStand({ engine: 'server', dataDir: folder })

    expect(isAlive(orphan)).toBe(false)
    expect(await stand.client().ping()).toBe('PONG')
    await stand.close()
  }, 30_000)

  test('works in a folder whose path is too long for a socket', async () => {
    const deep = path.join(folder, 'x'.repeat(100))
    mkdirSync(deep)
    const stand = await openStand({ engine: 'server', dataDir: deep })

    expect(await stand.client().set('a', 1)).toBe('OK')
    await stand.close()
  })

  test('stays with the engine that has the data', async () => {
    const first = await openStand({ engine: 'in-process', dataDir: folder })
    await first.client().set('a', 1)
    await first.close()
    const second = await openStand({ engine: 'auto', dataDir: folder })

    expect(second.redis.engineName).toBe('in-process')
    expect(await second.client().get('a')).toBe(1)
    await second.close()
  })
})

test('the engine refuses to start empty where a server that is gone has the data', async () => {
  const { openEngine } = await import('../../src/redis/open-engine.ts')
  const { writeWhole } = await import('../../src/redis/databases.ts')
  writeWhole(path.join(folder, 'engine'), 'server')
  vi.stubEnv('PATH', '/nowhere')

  await expect(openEngine(folder, {})).rejects.toThrow(/none is on PATH/)

  vi.unstubAllEnvs()
})
