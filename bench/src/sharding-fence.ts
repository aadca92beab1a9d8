import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type Client, createClient, type InStatement } from '@libsql/client'
import { devTokens, supervise } from '@stoa/local'
import { catalogueQuery, fenceSetOf, installFence, readCatalogue } from '@stoa/sharding'

import { atLeast, type Row } from './row.ts'

/** Pairs of batches, the fenced and the bare one in turn; each pair gives one ratio. */
const pairs = 1_500
const warmUpPairs = 200

const drizzle = new URL('../../drizzle/', import.meta.url)
const slot = '0A1'

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

async function makeDatabase(client: Client, isFenced: boolean): Promise<void> {
  await client.executeMultiple(await readFile(new URL('shared/0000_shared.sql', drizzle), 'utf8'))
  const own = new URL('warehouse/migrations/', drizzle)
  for (const name of (await readdir(own)).toSorted()) {
    await client.executeMultiple(await readFile(new URL(name, own), 'utf8'))
  }
  if (!isFenced) return
  const { rows } = await client.execute(catalogueQuery.sql)
  const tables = readCatalogue(rows)
  for (const sql of installFence('bench', fenceSetOf(tables))) await client.execute(sql)
  await client.batch(
    [
      "UPDATE _shard_meta SET incarnation = 'i'",
      `INSERT INTO _slot_owner (lo, hi, epoch, state) SELECT printf('0%02X', value), printf('0%02X', value + 1), 1, 'serving' FROM generate_series(0, 254)`,
    ],
    'write',
  )
}

function id(tail: number): string {
  return `${slot}BB${String(tail).padStart(15, '0')}`
}

/** What reserving stock writes: the stock, its ledger, the answer of the order and the event. */
function reserve(n: number): readonly InStatement[] {
  const product = id(n)
  return [
    {
      sql: 'INSERT INTO stock (product, on_hand, reserved, version) VALUES (?, 9, 1, 1)',
      args: [product],
    },
    {
      sql: "INSERT INTO movement (id, product, version, type, quantity, ref, balance_on_hand, balance_reserved, at) VALUES (?, ?, 1, 'reserve', 1, ?, 9, 1, 1)",
      args: [id(n), product, id(n)],
    },
    {
      sql: "INSERT INTO reservation (id, product, order_id, quantity, state, version, changed_at) VALUES (?, ?, ?, 1, 'reserved', 1, 1)",
      args: [id(n), product, id(n)],
    },
    {
      sql: "INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at) VALUES (?, 'warehouse', 'stock.reserved', ?, 1, '{}', 1, 1)",
      args: [id(n), product],
    },
    {
      sql: 'UPDATE stock SET reserved = reserved + 1, version = 2 WHERE product = ?',
      args: [product],
    },
  ]
}

const guard: InStatement = {
  sql: 'INSERT INTO _guard (key, epoch, incarnation) VALUES (?, 1, ?)',
  args: [slot, 'i'],
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) * 1_000
}

/** Writes the same batch to both in turn, and gives how long each took, in microseconds. */
async function samplesOf(
  fenced: Client,
  bare: Client,
): Promise<readonly (readonly [number, number])[]> {
  const samples: (readonly [number, number])[] = []
  for (let n = 0; n < pairs + warmUpPairs; n += 1) {
    const withFence = () => timed(() => fenced.batch([guard, ...reserve(n)], 'write'))
    const without = () => timed(() => bare.batch([...reserve(n)], 'write'))
    const isFirst = n % 2 === 0
    const early = isFirst ? await withFence() : 0
    const plain = await without()
    samples.push([isFirst ? early : await withFence(), plain])
  }
  return samples.slice(warmUpPairs)
}

async function open(origin: string, name: string): Promise<Client> {
  const response = await fetch(`${origin}/_local/databases`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  const { url } = (await response.json()) as { url: string }
  const client = createClient({ url, authToken: devTokens.libsql })
  await makeDatabase(client, name === 'fenced')
  return client
}

/**
 * A write batch of five statements behind guard and row triggers, beside the same batch in the same schema without
 * either: through the official client to the local libSQL server, in turn. Neighbours share what else the machine does,
 * so each pair is compared with itself. It does not measure a server that prepares each statement anew, nor a network.
 */
export async function benchFence(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const servers = await supervise({
    dataDir,
    ports: { libsql: 0, redis: 0, qstash: 0 },
    redisEngine: 'in-process',
  })
  const origin = `http://127.0.0.1:${servers.ports.libsql}`
  try {
    const [fenced, bare] = [await open(origin, 'fenced'), await open(origin, 'bare')]
    const samples = await samplesOf(fenced, bare)
    fenced.close()
    bare.close()
    const baseline = median(samples.map(([, plain]) => plain))
    const value = baseline * median(samples.map(([behind, plain]) => behind / plain))
    console.log(
      `Fence: ${(value - baseline).toFixed(0)} µs more than ${baseline.toFixed(0)} µs a batch`,
    )
    return [
      atLeast({
        name: 'write batch behind the fence',
        value: 1e6 / value,
        unit: 'batches/s',
        baseline: 1e6 / baseline,
        target: 0.909,
      }),
    ]
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
