import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createClient } from '@libsql/client'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { openHarness } from './harness.ts'

let dataDir: string
let child: ChildProcess | undefined

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'stoa-libsql-kill-'))
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

async function serve(): Promise<string> {
  const program = new URL('./serve.ts', import.meta.url).pathname
  const started = spawn(process.execPath, [program, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child = started
  const [origin] = (await once(started.stdout, 'data')) as [Buffer]
  return origin.toString().trim()
}

// Three processes are started and two killed: more than the usual five seconds on a loaded machine.
const patience = { timeout: 30_000 }

test('loses no acknowledged write when it is killed while writing', patience, async () => {
  for (let life = 0; life < 2; life += 1) {
    const origin = await serve()
    const client = createClient({ url: origin })
    await client.execute('CREATE TABLE IF NOT EXISTS w (id TEXT PRIMARY KEY, copy TEXT)')
    const acknowledged: string[] = []
    let isAlive = true

    const writer = async (name: number): Promise<void> => {
      for (let i = 0; isAlive; i += 1) {
        const id = `${life}-${name}-${i}`
        try {
          await client.batch(
            [
              { sql: 'INSERT INTO w (id) VALUES (?)', args: [id] },
              { sql: 'UPDATE w SET copy = id WHERE id = ?', args: [id] },
            ],
            'write',
          )
          acknowledged.push(id)
        } catch {
          // The server was killed under this request: its fate is unknown.
          isAlive = false
        }
        if (acknowledged.length === 200) child?.kill('SIGKILL')
      }
    }
    await Promise.all([0, 1, 2, 3, 4, 5].map((name) => writer(name)))

    const revived = await openHarness({ dataDir })
    const reader = createClient({ url: revived.origin })
    const { rows } = await reader.execute('SELECT id, copy FROM w')
    const check = await reader.execute('PRAGMA integrity_check')
    await revived.close()

    const found = new Set(rows.map((row) => row['id']))
    expect(acknowledged.length).toBeGreaterThanOrEqual(200)
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
    // No half of a batch either.
    expect(rows.filter((row) => row['copy'] !== row['id'])).toEqual([])
    expect(check.rows[0]?.[0]).toBe('ok')
  }
})
