import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client'
import { importRows, localProvider, provision } from '@stoa/cli'
import { devTokens, supervise } from '@stoa/local'

import { atLeast, type Row } from './row.ts'

const rowsPerRun = 40_000
const rounds = 3
/** How far away the databases are, in milliseconds a request: another region of the same continent. */
const distanceMs = 40
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

type Where = { readonly dataDir: string; readonly metaUrl: string }

/** Imports one file, and answers the rows a second from the first batch on: a thread takes most of a second to load. */
async function rateOf(
  { dataDir, metaUrl }: Where,
  { run, threads }: { readonly run: number; readonly threads: number },
): Promise<number> {
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
  return ((rowsPerRun - start.rows) * 1000) / (performance.now() - start.at)
}

/** The median rates of one thread and of two, in turn. */
async function compare(where: Where, firstRun: number): Promise<readonly [number, number]> {
  const rates: readonly [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    const run = firstRun + round * 2
    rates[0].push(await rateOf(where, { run, threads: 1 }))
    rates[1].push(await rateOf(where, { run: run + 1, threads: 2 }))
  }
  return [median(rates[0]), median(rates[1])]
}

/** Makes every request to the databases wait before it is served. */
async function setDistance(origin: string): Promise<void> {
  const rule = {
    action: 'delay',
    delayMs: distanceMs,
    times: null,
    match: { path: '/v2/pipeline$' },
  }
  const response = await fetch(`${origin}/_local/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  })
  if (!response.ok) throw new Error(`Cannot set the distance: ${await response.text()}`)
}

/**
 * An import of CSV into two shards with two threads beside the same with one, interleaved. Once with databases at a
 * distance, whose waits a second thread fills; once with none, where databases and threads share the machine's cores
 * and one thread keeps most of two of them busy.
 */
export async function benchImport(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-import-'))
  const servers = await supervise({
    dataDir,
    ports: { libsql: 0, redis: 0, qstash: 0 },
    redisEngine: 'in-process',
  })
  try {
    const origin = `http://127.0.0.1:${servers.ports.libsql}`
    const provider = localProvider(origin, token)
    const { metaUrl } = await provision({ provider, shardsPerKeyspace: 2 })
    const { lost, twice } = await sharedList(await provider.createDatabase('naive'))
    console.log(`  a shared mutable list, 1,000 rows: ${lost} lost, ${twice} doubled`)
    const near = await compare({ dataDir, metaUrl }, 0)
    await setDistance(origin)
    const far = await compare({ dataDir, metaUrl }, rounds * 2)
    const unit = 'rows/s'
    return [
      atLeast({
        name: `import of CSV, 2 threads, databases ${distanceMs} ms away`,
        value: far[1],
        unit,
        baseline: far[0],
        target: 1.5,
      }),
      atLeast({
        name: 'import of CSV, 2 threads, databases on the same cores',
        value: near[1],
        unit,
        baseline: near[0],
      }),
    ]
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
