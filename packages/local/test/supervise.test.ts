import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { Client as Qstash } from '@upstash/qstash'
import { Redis } from '@upstash/redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import {
  devTokens,
  type ServerName,
  serverNames,
  supervise,
  type Supervised,
} from '../src/index.ts'

let dataDir: string
let servers: Supervised

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-supervise-'))
  servers = await supervise({
    dataDir,
    ports: { libsql: 0, redis: 0, qstash: 0 },
    redisEngine: 'auto',
  })
})

afterAll(async () => {
  await servers.close()
  await rm(dataDir, { recursive: true, force: true })
})

const url = (name: ServerName) => `http://127.0.0.1:${servers.ports[name]}`

/** Retries for as long as the server is coming back. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

type Writer = {
  readonly write: (n: number) => Promise<unknown>
  readonly readAll: () => Promise<readonly number[]>
}

const writers: Record<ServerName, () => Promise<Writer>> = {
  libsql: async () => {
    const client = createClient({ url: url('libsql'), authToken: devTokens.libsql })
    await client.execute('CREATE TABLE kept (n INTEGER PRIMARY KEY)')
    return {
      write: (n) => client.batch([{ sql: 'INSERT INTO kept VALUES (?)', args: [n] }], 'write'),
      readAll: async () =>
        (await client.execute('SELECT n FROM kept')).rows.map((row) => Number(row['n'])),
    }
  },
  redis: async () => {
    const redis = new Redis({ url: url('redis'), token: devTokens.redis, retry: false })
    return {
      write: (n) => redis.sadd('kept', n),
      readAll: () => redis.smembers<number[]>('kept'),
    }
  },
  qstash: async () => {
    const qstash = new Qstash({ baseUrl: url('qstash'), token: devTokens.qstash, retry: false })
    const ids = new Map<string, number>()
    return {
      write: async (n) => {
        const { messageId } = await qstash.publish({
          url: 'http://127.0.0.1:9/never',
          body: String(n),
          delay: '1h',
        })
        ids.set(messageId, n)
      },
      readAll: async () => {
        const found: number[] = []
        for (const [id, n] of ids)
          if ((await qstash.messages.get(id)).messageId === id) found.push(n)
        return found
      },
    }
  },
  psp: async () => {
    const headers = { authorization: `Bearer ${devTokens.psp}` }
    const refs = new Map<string, number>()
    return {
      write: async (n) => {
        const response = await fetch(`${url('psp')}/v1/payments`, {
          method: 'POST',
          headers: { ...headers, 'idempotency-key': `kept-${n}` },
          body: JSON.stringify({ amountMinor: n, currency: 'EUR', token: 'tok_ok' }),
        })
        const { ref } = (await response.json()) as { ref: string }
        refs.set(ref, n)
      },
      readAll: async () => {
        const found: number[] = []
        for (const [ref, n] of refs) {
          const response = await fetch(`${url('psp')}/v1/payments/${ref}`, { headers })
          await response.body?.cancel()
          if (response.ok) found.push(n)
        }
        return found
      },
    }
  },
}

describe.each(serverNames)('%s, killed with SIGKILL under load', (name) => {
  test('comes back on its port by itself and has lost no acknowledged write', async () => {
    const { write, readAll } = await writers[name]()
    const acknowledged = new Set<number>()
    const stopped = new AbortController()
    let n = 0
    const load = Array.from({ length: 4 }, async () => {
      while (!stopped.signal.aborted) {
        const mine = (n += 1)
        const done = await write(mine).then(
          () => true,
          () => false,
        )
        if (done) acknowledged.add(mine)
        else await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })

    for (let kill = 0; kill < 3; kill += 1) {
      const before = acknowledged.size
      await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 20)
      const pid = servers.pid(name)
      if (pid === undefined) throw new Error('the server has no process')
      process.kill(pid, 'SIGKILL')
      await expect.poll(() => servers.pid(name), { timeout: 20_000 }).not.toBe(pid)
    }
    stopped.abort()
    await Promise.all(load)

    const kept = new Set(await eventually(readAll))
    expect([...acknowledged].filter((each) => !kept.has(each))).toEqual([])
    expect(acknowledged.size).toBeGreaterThan(60)
  }, 90_000)
})
