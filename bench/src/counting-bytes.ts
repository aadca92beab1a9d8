import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { type Client, createClient } from '@libsql/client'
import { countingMigration, encodePage } from '@stoa/counting'
import { type RedisPort, slotOfId, slotText } from '@stoa/kernel'

import { call, kind, lognormal, metrics, objectIds, type Place } from './counting-place.ts'
import type { Row } from './row.ts'

const counters = 1_000_000
const unit = 'bytes per 1,000 counters'

/** A row whose value must be at most `limit`. */
function atMost(name: string, perCounter: number, limit: number): Row {
  const value = perCounter * 1_000
  return {
    name,
    value,
    unit,
    baseline: limit * 1_000,
    ratio: (limit * 1_000) / value,
    target: 1,
    ok: perCounter <= limit,
  }
}

function beside(name: string, perCounter: number, peer: number): Row {
  return {
    name,
    value: perCounter * 1_000,
    unit,
    baseline: peer * 1_000,
    ratio: perCounter / peer,
    ok: true,
  }
}

async function usedBytes(client: Client): Promise<number> {
  const { rows } = await client.execute(
    'SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count) AS pages',
  )
  return Number(rows[0]?.['pages']) * 4_096
}

async function fileSize(
  ddl: string,
  fill: (client: Client) => Promise<void>,
): Promise<{ readonly written: number; readonly packed: number }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'stoa-bench-bytes-'))
  const client = createClient({ url: `file:${path.join(folder, 'counters.db')}` })
  try {
    await client.executeMultiple(ddl)
    const empty = await usedBytes(client)
    await fill(client)
    const written = (await usedBytes(client)) - empty
    await client.execute('VACUUM')
    return { written, packed: (await usedBytes(client)) - empty }
  } finally {
    client.close()
    await rm(folder, { recursive: true, force: true })
  }
}

type Objects = readonly (readonly [id: string, values: readonly number[]])[]

function objectsOf(perObject: number, perOwner: number): Objects {
  const value = lognormal()
  return objectIds(counters / perObject, perOwner)
    .toSorted()
    .map((id) => [id, Array.from({ length: perObject }, value)] as const)
}

/** Bytes a counter of cold pages on disk, one page a bucket; and what a page itself takes. */
async function coldPages(
  objects: Objects,
  perObject: number,
): Promise<{ readonly perCounter: number; readonly page: number }> {
  const byBucket = Map.groupBy(objects, ([id]) => slotOfId(id) >>> 6)
  let bytes = 0
  const { packed } = await fileSize(countingMigration([kind]), async (client) => {
    for (const [bucket, entries] of byBucket) {
      const body = encodePage(new Map(entries), bucket * 64, { metrics: perObject, signed: false })
      const slot = entries[0]?.[0].slice(0, 3) ?? ''
      bytes += body.length
      await client.execute({
        sql: 'INSERT INTO count_page (slot, kind, body) VALUES (?, ?, ?)',
        args: [slot, kind.name, body],
      })
    }
  })
  return { perCounter: packed / counters, page: bytes / byBucket.size }
}

async function chunked(
  client: Client,
  { sql, rows }: { readonly sql: string; readonly rows: readonly unknown[] },
): Promise<void> {
  for (let from = 0; from < rows.length; from += 20_000) {
    const args = [JSON.stringify(rows.slice(from, from + 20_000))]
    await client.batch([{ sql, args }], 'write')
  }
}

/** The table as the drainer fills it, beside a row for each counter. */
async function rowsOnDisk(place: Place, objects: Objects): Promise<readonly Row[]> {
  const rows: (readonly unknown[])[] = []
  // sqld answers with 10 MB at most.
  for (let slot = 0; slot < 16_384; slot += 512) {
    const some = await place.client.execute({
      sql: 'SELECT slot, hex(id) AS rest, views, likes, shares, saves FROM count_post WHERE slot BETWEEN ? AND ?',
      args: [slotText(slot), slotText(slot + 511)],
    })
    rows.push(...some.rows.map((row) => Array.from(row)))
  }
  const wide = await fileSize(countingMigration([kind]), (client) =>
    chunked(client, {
      sql: `INSERT INTO count_post SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(?) WHERE true ORDER BY 1, 2`,
      rows,
    }),
  )
  const narrow = await fileSize(
    'CREATE TABLE counter (id TEXT, metric TEXT, n INTEGER, PRIMARY KEY (id, metric)) WITHOUT ROWID',
    (client) =>
      chunked(client, {
        sql: 'INSERT INTO counter SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)',
        rows: objects.flatMap(([id, values]) =>
          metrics.map((metric, at) => [id, metric, values[at]]),
        ),
      }),
  )
  const share = rows.length * metrics.length
  return [
    atMost('wide row on disk, packed (baseline: the limit)', wide.packed / share, 7),
    beside(
      'wide row on disk, as written, beside a row a counter',
      wide.written / share,
      narrow.written / counters,
    ),
    beside(
      'wide row on disk, packed, beside a row a counter',
      wide.packed / share,
      narrow.packed / counters,
    ),
  ]
}

async function usedMemory(redis: RedisPort): Promise<number | undefined> {
  const text = String(await redis.run(['INFO', 'memory'], call, { idempotent: true }))
  const found = /used_memory:(\d+)/.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

async function naive(redis: RedisPort, objects: Objects): Promise<void> {
  const commands = objects.flatMap(([id, values]) =>
    metrics.map((metric, at) => ['INCRBY', `c:${id}:${metric}`, values[at] ?? 0]),
  )
  for (let from = 0; from < commands.length; from += 20_000) {
    await redis.pipeline(commands.slice(from, from + 20_000), call, { idempotent: false })
  }
}

/** A frozen object that is read again stands in the hot view by itself: beside its whole page, as it would be kept. */
function reheated(value: number, page: number): Row {
  const name = 'a frozen object that is read again, in Redis, beside its page'
  return { name, value, unit: 'bytes', baseline: page, ratio: value / page, ok: true }
}

/** Counts every object to its values and drains: rows on disk and the hot view are then as they are in use. */
async function hotView(place: Place, objects: Objects, page: number): Promise<readonly Row[]> {
  const [log, hot, plain] = [
    await place.redis('bytes-log'),
    await place.redis('bytes-hot'),
    await place.redis('bytes-naive'),
  ]
  const counting = place.counting({ logs: [{ name: 'bytes', redis: log }], hot })
  const before = await usedMemory(hot)
  for (const [id, values] of objects) {
    counting.increment(
      kind.name,
      id,
      Object.fromEntries(metrics.map((metric, at) => [metric, values[at] ?? 0])),
    )
    if (counting.due() === 0) await counting.flush(call)
  }
  await counting.flush(call)
  while ((await counting.drainer.drain(call)).hasMore);
  const between = await usedMemory(hot)
  await naive(plain, objects)
  const after = await usedMemory(hot)
  if (before === undefined || between === undefined || after === undefined) {
    console.log('  not measured: this Redis does not say what memory it uses')
    return []
  }
  const [ours, theirs] = [(between - before) / counters, (after - between) / counters]
  return [
    atMost('hot view in Redis (baseline: the limit)', ours, 31),
    beside('hot view in Redis, beside a key a counter (INCRBY)', ours, theirs),
    reheated(ours * metrics.length, page),
  ]
}

/** What a counter takes: 1,000,000 of them with lognormal values. */
export async function benchBytes(place: Place): Promise<readonly Row[]> {
  const four = objectsOf(4, 20)
  const [shared, single, lone] = [
    await coldPages(four, 4),
    await coldPages(objectsOf(1, 20), 1),
    await coldPages(objectsOf(4, 1), 4),
  ]
  const pages = [
    atMost('cold page on disk, four metrics (baseline: the limit)', shared.perCounter, 3.5),
    atMost('cold page on disk, one metric (baseline: the limit)', single.perCounter, 9),
    atMost('cold page, four metrics, every object of another owner', lone.perCounter, 3.5),
  ]
  const hot = await hotView(place, four, shared.page)
  return [...pages, ...hot, ...(await rowsOnDisk(place, four))]
}
