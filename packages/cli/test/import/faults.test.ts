import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'

import { seededRandom } from '@stoa/kernel'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { importRows } from '../../src/import/import-rows.ts'
import type { ImportOptions } from '../../src/import/options.ts'
import { openTown, type Town } from './harness.ts'

let town: Town

beforeAll(async () => {
  town = await openTown(3)
}, 60_000)
afterAll(() => town.close())
afterEach(() => town.each('DELETE FROM person; DELETE FROM _import;'))

const program = new URL('../../src/import/import-rows.ts', import.meta.url).href

async function numbered(count: number): Promise<ImportOptions> {
  const lines = Array.from(
    { length: count },
    (_, at) => `{"nr":${at},"name":"name ${at}","age":${at % 90}}`,
  )
  const file = await town.file(`${crypto.randomUUID()}.ndjson`, `${lines.join('\n')}\nbad line\n`)
  return {
    source: { kind: 'ndjson', file },
    target: town.target,
    key: { idFrom: ['nr'] },
    stateFolder: path.join(town.folder, 'state'),
    batchRows: 100,
    threads: 2,
  }
}

async function expectExactly(count: number): Promise<void> {
  const rows = await town.rows('SELECT name, age FROM person')
  const names = rows.map(({ name, age }) => `${String(name)} ${String(age)}`).toSorted()
  const expected = Array.from({ length: count }, (_, at) => `name ${at} ${at % 90}`).toSorted()
  expect(names).toEqual(expected)
}

/** Runs an import in a process of its own and kills it after some batches; answers whether it was killed. */
async function killedAfter(options: ImportOptions, batches: number, ms: number): Promise<boolean> {
  const code = `import { importRows } from ${JSON.stringify(program)}
const report = await importRows({ ...${JSON.stringify(options)}, onProgress: () => process.stdout.write('.') })
process.stdout.write('!')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let seen = 0
  child.stdout.on('data', (dots: Buffer) => {
    seen += dots.length
    // In the middle of what comes next, not between two batches.
    if (seen >= batches) setTimeout(() => child.kill('SIGKILL'), ms)
  })
  const [exitCode] = (await ended) as [number | null]
  return exitCode === null
}

describe('an import', () => {
  test(
    'killed at random moments ends with exactly the rows of the source',
    { timeout: 120_000 },
    async () => {
      const options = await numbered(2_000)
      const seed = Math.floor(Math.random() * 2 ** 31)
      process.stdout.write(`seed ${seed}\n`)
      const random = seededRandom(seed)
      let kills = 0
      for (let life = 0; life < 3; life += 1) {
        const batches = 1 + (random.uint32() % 5)
        if (await killedAfter(options, batches, random.uint32() % 12)) kills += 1
      }

      const report = await importRows({ ...options, verify: true })

      expect(kills).toBeGreaterThan(0)
      expect(report).toMatchObject({
        rows: 2_001,
        inserted: 2_000,
        existing: 0,
        rejected: 1,
        finished: true,
      })
      expect(report.verification).toMatchObject({ ok: true, rows: 2_000, extra: 0 })
      await expectExactly(2_000)
    },
  )

  test(
    'goes through lost replies, lost requests, doubled requests and failing servers',
    { timeout: 60_000 },
    async () => {
      const control = `http://127.0.0.1:${town.local.ports.libsql}/_local/faults`
      const match = { contains: 'INTO _import' }
      const rules = ['drop-reply', 'drop-request', 'duplicate', 'error'].map((action, skip) => ({
        action,
        match,
        skip: skip * 3,
        times: 4,
      }))
      for (const rule of rules) {
        const answer = await fetch(control, { method: 'POST', body: JSON.stringify(rule) })
        expect(answer.ok).toBe(true)
      }

      const report = await importRows({ ...(await numbered(2_000)), verify: true })

      expect(report).toMatchObject({
        rows: 2_001,
        rejected: 1,
        verification: { ok: true, extra: 0 },
      })
      expect(report.inserted + report.existing).toBe(2_000)
      await expectExactly(2_000)
      await fetch(control, { method: 'DELETE' })
    },
  )

  test(
    'run twice at once ends with exactly the rows of the source',
    { timeout: 60_000 },
    async () => {
      const options = await numbered(1_000)

      const reports = await Promise.all([importRows(options), importRows(options)])

      expect(reports.map(({ finished }) => finished)).toEqual([true, true])
      await expectExactly(1_000)
    },
  )

  test(
    'stops when a database stays away, and goes on when it is back',
    { timeout: 120_000 },
    async () => {
      const options = await numbered(1_000)
      const control = `http://127.0.0.1:${town.local.ports.libsql}/_local/faults`
      const rule = {
        action: 'error',
        status: 401,
        match: { database: 'people-1', contains: 'INTO _import' },
      }
      await fetch(control, { method: 'POST', body: JSON.stringify({ ...rule, times: 1000 }) })

      await expect(importRows(options)).rejects.toMatchObject({
        code: 'import_stopped',
        retryable: true,
      })
      await fetch(control, { method: 'DELETE' })
      await importRows(options)

      await expectExactly(1_000)
    },
  )
})

/** One list in shared memory: filled, handed to a thread, and filled again, while the thread still reads it. */
const sharedListThread = `
const { parentPort, workerData } = require('node:worker_threads')
const { createClient } = require('@libsql/client')
const list = new Int32Array(workerData.list)
const client = createClient({ url: workerData.url, authToken: workerData.token })
parentPort.on('message', async () => {
  const args = Array.from(list, (number) => BigInt(number))
  await client.execute({ sql: 'INSERT INTO naive VALUES ' + args.map(() => '(?)').join(), args })
  parentPort.postMessage('done')
})`

async function sharedListImport(url: string, numbers: readonly number[]): Promise<void> {
  const list = new SharedArrayBuffer(50 * 4)
  const view = new Int32Array(list)
  const workerData = { list, url, token: town.target.token }
  const threads = [0, 1].map(() => new Worker(sharedListThread, { eval: true, workerData }))
  const idle = [...threads]
  const waiting: (() => void)[] = []
  for (const thread of threads) {
    thread.on('message', () => {
      idle.push(thread)
      waiting.shift()?.()
    })
  }
  for (let at = 0; at < numbers.length; at += view.length) {
    if (idle.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    view.set(numbers.slice(at, at + view.length))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    idle.shift()?.postMessage('insert the list')
  }
  while (idle.length < threads.length) await new Promise<void>((resolve) => waiting.push(resolve))
  await Promise.all(threads.map((thread) => thread.terminate()))
}

describe('threads that share a list', () => {
  test(
    'double rows and lose rows, where threads with a batch each do neither',
    { timeout: 60_000 },
    async () => {
      const numbers = Array.from({ length: 1_000 }, (_, at) => at)
      const url = await town.provider.createDatabase(`naive-${crypto.randomUUID().slice(0, 8)}`)
      const { createClient } = await import('@libsql/client')
      const client = createClient({ url, authToken: town.target.token })
      await client.execute('CREATE TABLE naive (number INTEGER NOT NULL)')

      await sharedListImport(url, numbers)
      await importRows({ ...(await numbered(numbers.length)), batchRows: 50 })

      const { rows } = await client.execute('SELECT number FROM naive')
      client.close()
      const written = rows.map((row) => Number(row['number']))
      const distinct = new Set(written).size
      process.stdout.write(
        `shared list: ${1_000 - distinct} lost, ${written.length - distinct} doubled of 1,000\n`,
      )
      expect(distinct).toBeLessThan(numbers.length)
      expect(written.length).toBeGreaterThan(distinct)
      await expectExactly(numbers.length)
    },
  )
})
