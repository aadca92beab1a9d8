import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { importRows, localProvider, provision } from '@stoa/cli'
import { devTokens, supervise } from '@stoa/local'

import { atLeast, type Row } from './row.ts'

const rowsPerRun = 60_000
const rounds = 3
const token = devTokens.libsql

/** A file of products, distinct from those of every other run. */
function fileOf(run: number): string {
  const lines = Array.from({ length: rowsPerRun }, (_, index) => {
    const sku = `run-${run}-${index}`
    const description = `A thing, number ${index}, of ${'many words '.repeat(12)}`
    return `${sku},"Thing ""${index}"" of many","${description}",cat-${index % 64},${index},EUR,1700000000000`
  })
  return `sku,title,description,category,price_minor,currency,created_at\n${lines.join('\n')}\n`
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

/**
 * What everybody writes first: one list that is filled, handed to a task and cleared, over and over, while the tasks
 * still read it. Counts what arrived twice and never.
 */
async function sharedList(url: string): Promise<{ readonly lost: number; readonly twice: number }> {
  const client = createClient({ url, authToken: token })
  await client.execute('CREATE TABLE naive (number INTEGER NOT NULL)')
  const list: number[] = []
  const tasks: Promise<void>[] = []
  const insertAll = async () => {
    for (let at = 0; at < list.length; at += 1)
      await client.execute({ sql: 'INSERT INTO naive VALUES (?)', args: [list[at] ?? 0] })
  }
  for (let number = 0; number < 1_000; number += 1) {
    list.push(number)
    if (list.length < 100) continue
    tasks.push(insertAll())
    // Two tasks at a time, as two threads would be.
    if (tasks.length % 2 === 0) await Promise.race(tasks.slice(-2))
    list.length = 0
  }
  await Promise.all(tasks)
  const { rows } = await client.execute(
    'SELECT count(*) AS kept, (SELECT count(*) FROM naive) AS wrote FROM (SELECT DISTINCT number FROM naive)',
  )
  client.close()
  const kept = Number(rows[0]?.['kept'])
  return { lost: 1_000 - kept, twice: Number(rows[0]?.['wrote']) - kept }
}

/**
 * An import of CSV into two shards with two threads beside the same with one, interleaved, on local databases in a
 * process of their own, from the first batch on: a thread takes most of a second to load. It does not measure a
 * network, where threads share the waiting too.
 */
export async function benchImport(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-import-'))
  const servers = await supervise({
    dataDir,
    ports: { libsql: 0, redis: 0, qstash: 0 },
    redisEngine: 'in-process',
  })
  try {
    const provider = localProvider(`http://127.0.0.1:${servers.ports.libsql}`, token)
    const { metaUrl } = await provision({ provider, shardsPerKeyspace: 2 })
    const { lost, twice } = await sharedList(await provider.createDatabase('naive'))
    console.log(`  a shared mutable list, 1,000 rows: ${lost} lost, ${twice} doubled`)
    const rates: Record<number, number[]> = { 1: [], 2: [] }
    for (let run = 0; run < rounds * 2; run += 1) {
      const threads = (run % 2) + 1
      const file = path.join(dataDir, `${run}.csv`)
      await writeFile(file, fileOf(run))
      let start = { at: 0, rows: 0 }
      const report = await importRows({
        source: { kind: 'csv', file },
        target: { metaUrl, token, keyspace: 'catalog', table: 'product' },
        key: { idFrom: ['sku'] },
        columns: { version: { value: 1 } },
        stateFolder: dataDir,
        threads,
        onProgress: ({ rows }) => {
          if (start.at === 0) start = { at: performance.now(), rows }
        },
      })
      if (report.inserted !== rowsPerRun) throw new Error(`Cannot measure: ${report.inserted} rows`)
      const rows = rowsPerRun - start.rows
      rates[threads]?.push((rows * 1000) / (performance.now() - start.at))
    }
    const [one, two] = [median(rates[1] ?? []), median(rates[2] ?? [])]
    return [
      atLeast({
        name: 'import of CSV, 2 threads',
        value: two,
        unit: 'rows/s',
        baseline: one,
        target: 1.5,
      }),
    ]
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
