import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { devTokens, supervise, type Supervised } from '../src/index.ts'

let dataDir: string
let servers: Supervised
const restarts: string[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-crash-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  servers = await supervise({ dataDir, ports, redisEngine: 'in-process' }, (name) =>
    restarts.push(name),
  )
})

afterAll(async () => {
  await servers.close()
  await rm(dataDir, { recursive: true, force: true })
})

const origin = () => `http://127.0.0.1:${servers.ports.libsql}`

function addCrash(when: 'before' | 'after'): Promise<Response> {
  const rule = { action: 'crash', when, match: { contains: 'INSERT INTO kept' } }
  return fetch(`${origin()}/_local/faults`, { method: 'POST', body: JSON.stringify(rule) })
}

test('a crash before the effect loses the write, one after it keeps it, and the server comes back each time', async () => {
  const client = createClient({ url: origin(), authToken: devTokens.libsql })
  await client.execute('CREATE TABLE kept (n INTEGER)')
  const insert = (n: number) =>
    client.batch([{ sql: 'INSERT INTO kept VALUES (?)', args: [n] }], 'write')
  const kept = async () =>
    (await client.execute('SELECT n FROM kept ORDER BY n')).rows.map(({ n }) => n)

  await addCrash('before')
  await expect(insert(1)).rejects.toThrow('fetch failed')
  expect(await vi.waitFor(kept, { timeout: 20_000, interval: 100 })).toEqual([])

  await addCrash('after')
  await expect(insert(2)).rejects.toThrow('fetch failed')
  expect(await vi.waitFor(kept, { timeout: 20_000, interval: 100 })).toEqual([2])

  expect(restarts).toEqual(['libsql', 'libsql'])
}, 60_000)
