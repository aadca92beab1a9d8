import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { createClient } from '@libsql/client'
import { Client as Qstash } from '@upstash/qstash'
import { Redis } from '@upstash/redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url))
const anyPorts = ['--libsql-port', '0', '--redis-port', '0', '--qstash-port', '0']

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'stoa-cli-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('npm run local', () => {
  test('prints the variables with which the official clients work, and ends at SIGTERM', async () => {
    const child = spawn(process.execPath, [cli, ...anyPorts, '--data-dir', folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('Ctrl-C ends it')) resolve()
      })
    })
    const env: Record<string, string> = {}
    for (const [, name = '', value = ''] of said.matchAll(/^export (\w+)=(.+)$/gm))
      env[name] = value
    const variable = (name: string) => env[name] ?? ''

    const libsql = createClient({
      url: variable('TURSO_DATABASE_URL'),
      authToken: variable('TURSO_AUTH_TOKEN'),
    })
    const redis = new Redis({
      url: variable('UPSTASH_REDIS_REST_URL'),
      token: variable('UPSTASH_REDIS_REST_TOKEN'),
    })
    const qstash = new Qstash({ baseUrl: variable('QSTASH_URL'), token: variable('QSTASH_TOKEN') })
    expect((await libsql.execute('SELECT 1 AS one')).rows[0]?.['one']).toBe(1)
    expect(await redis.set('a', 'b')).toBe('OK')
    expect(await qstash.schedules.list()).toEqual([])

    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    await expect(libsql.execute('SELECT 1')).rejects.toThrow('fetch failed')
  }, 60_000)

  test.each([
    [['--libsql-port', 'x'], {}, '--libsql-port is "x"'],
    [[], { NODE_ENV: 'production' }, 'NODE_ENV is "production"'],
    [[], { STOA_REDIS_ENGINE: 'mongo' }, 'STOA_REDIS_ENGINE is "mongo"'],
  ])('stops at %j %j and says why', async (args, env, words) => {
    const { code, said } = await new Promise<{ code: unknown; said: string }>((resolve) => {
      execFile(
        process.execPath,
        [cli, ...args],
        { env: { ...process.env, ...env } },
        (error, _out, stderr) => {
          resolve({ code: error?.code, said: stderr })
        },
      )
    })

    expect(code).toBe(1)
    expect(said).toContain(words)
  })
})
