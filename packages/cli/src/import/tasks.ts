import { libsqlShard } from '@stoa/adapters/shard'
import { type Call, isFault, sleep, slotOfKey, type SqlValue, systemClock } from '@stoa/kernel'
import { cacheTopology, createRouter, ownerOf, readableStates, type Router } from '@stoa/sharding'

import type { Batch } from './batch.ts'
import { addSums, canonical, digestOf, type SlotSum } from './digest.ts'
import { shownText } from './file-source.ts'
import type { Entry } from './journal.ts'
import { type MappedRow, mapRecord, type Mapping } from './mapping.ts'
import { type BatchReader, openReader, type SourceForm } from './open-source.ts'
import type { BadLine, Target } from './options.ts'
import { patiently } from './patience.ts'
import { RowWriter, sumOf } from './row-writer.ts'
import { quoted } from './table-source.ts'
import { readTopology, type TargetTable } from './target.ts'

/** All that a thread knows. Plain data, cloned into it once. */
export type Setup = {
  readonly source: SourceForm
  readonly target: Target
  readonly table: TargetTable
  readonly mapping: Mapping
  readonly job: string
}

/** What a thread can be asked, one thing at a time. `except` are lines that did not become rows. */
export type Tasks = {
  readonly write: Batch
  readonly survey: Batch
  readonly sum: { readonly batch: Batch; readonly except: readonly number[] }
  readonly pick: {
    readonly batch: Batch
    readonly except: readonly number[]
    readonly slots: readonly number[]
  }
  readonly sumShard: string
  readonly pickShard: { readonly shard: string; readonly slots: readonly number[] }
}

/** Rows by the text of their primary key, each with the digest of its content. */
export type Picked = readonly (readonly [string, bigint])[]

export type Results = {
  readonly write: Entry
  readonly survey: Entry
  readonly sum: readonly (readonly [number, SlotSum])[]
  readonly pick: Picked
  readonly sumShard: readonly (readonly [number, SlotSum])[]
  readonly pickShard: Picked
}

export type TaskName = keyof Tasks

export type Handlers = { readonly [K in TaskName]: (input: Tasks[K]) => Promise<Results[K]> }

/** Rows of a shard in one reply when it is compared. */
const pageRows = 2_000

/** A router of its own for a thread: nothing but the network is shared. */
export function routerFor(target: Target): Router {
  const { token } = target
  return createRouter({
    slots: cacheTopology((call) => readTopology(target, call)).slots(target.keyspace),
    open: ({ name, url }) => libsqlShard({ name, url, token }),
    sleep: (ms, call) => sleep(ms, systemClock, call.signal),
  })
}

type Read = {
  readonly rows: readonly MappedRow[]
  readonly bad: readonly BadLine[]
  readonly textOf: (line: number) => string
}

async function readBatch(
  { reader, mapping }: { readonly reader: BatchReader; readonly mapping: Mapping },
  batch: Batch,
  call: Call,
): Promise<Read> {
  const rows: MappedRow[] = []
  const bad: BadLine[] = []
  const texts = new Map<number, string>()
  for (const read of await reader.read(batch, call)) {
    if (!('record' in read)) {
      bad.push({ line: read.line, reason: read.reason, text: shownText(read.text) })
      continue
    }
    texts.set(read.record.line, read.text)
    try {
      rows.push(mapRecord(mapping, read.record))
    } catch (error) {
      if (!isFault(error)) throw error
      const { line } = read.record
      bad.push({ line, reason: error.message, text: shownText(read.text) })
    }
  }
  return { rows, bad, textOf: (line) => shownText(texts.get(line) ?? '') }
}

function sumsOf(rows: Iterable<{ readonly key: string; readonly values: readonly SqlValue[] }>) {
  const sums = new Map<number, SlotSum>()
  for (const { key, values } of rows)
    addSums(sums, [[slotOfKey(key), { rows: 1, sum: digestOf(values) }]])
  return [...sums]
}

/** Rows of the table in one shard, page by page in key order: those that it may be asked for. */
async function* rowsIn(
  { router, setup }: { readonly router: Router; readonly setup: Setup },
  name: string,
  call: Call,
): AsyncGenerator<MappedRow & { readonly primaryKey: readonly SqlValue[] }> {
  const { table, mapping } = setup
  const shard = (await router.shards(call)).find((each) => each.name === name)
  if (shard === undefined) return
  const key = `t.${quoted(table.key)}`
  const order = table.primaryKey.map((column) => `t.${quoted(column)}`).join(', ')
  const columns = mapping.columns.map((column) => `t.${quoted(column.name)}`).join(', ')
  const marks = table.primaryKey.map(() => '?').join(', ')
  const width = 1 + table.primaryKey.length
  let after: readonly SqlValue[] = []
  for (;;) {
    const sql = `SELECT ${key}, ${order}, ${columns} FROM ${quoted(table.name)} AS t
WHERE ${ownerOf(key, 'state')} IN ${readableStates} ${after.length === 0 ? '' : `AND (${order}) > (${marks})`}
ORDER BY ${order} LIMIT ${pageRows}`
    const page = { sql, args: after }
    const [found] = await patiently(() => shard.batch([page], 'read', call), call)
    const rows = found?.rows ?? []
    for (const row of rows) {
      const primaryKey = row.slice(1, width)
      yield { line: 0, key: String(row[0]), primaryKey, values: row.slice(width) }
    }
    if (rows.length < pageRows) return
    after = rows.at(-1)?.slice(1, width) ?? []
  }
}

/** What a thread does when it is asked. */
export function handlersOf(setup: Setup, call: Call): Handlers {
  const { table, mapping, job } = setup
  const router = routerFor(setup.target)
  const reader = openReader(setup.source)
  const writer = new RowWriter({ router, job, table, mapping })
  const names = mapping.columns.map(({ name }) => name)
  const keyAt = table.primaryKey.map((name) => names.indexOf(name))
  const read = (batch: Batch) => readBatch({ reader, mapping }, batch, call)
  const taken = async (batch: Batch, except: readonly number[]) => {
    const refused = new Set(except)
    return (await read(batch)).rows.filter(({ line }) => !refused.has(line))
  }
  return {
    write: async (batch) => {
      const { rows, bad, textOf } = await read(batch)
      const written = await writer.write(batch.id, rows, call)
      const refused = written.rejected.map((each) => ({ ...each, text: textOf(each.line) }))
      const rejected = [...bad, ...refused].toSorted((one, other) => one.line - other.line)
      return { ...written, batch: batch.id, rows: rows.length + bad.length, rejected }
    },
    survey: async (batch) => {
      const { rows, bad } = await read(batch)
      const groups = await router.groups(rows, ({ key }) => key, call)
      const counts = await Promise.all(
        groups.map(async (group) => ({
          [await router.shardOf(group[0]?.key ?? 0, call)]: group.length,
        })),
      )
      const all = { batch: batch.id, rows: rows.length + bad.length, inserted: 0, existing: 0 }
      return { ...all, rejected: bad, shards: sumOf(counts) }
    },
    sum: async ({ batch, except }) => sumsOf(await taken(batch, except)),
    pick: async ({ batch, except, slots }) => {
      const wanted = new Set(slots)
      const rows = (await taken(batch, except)).filter(({ key }) => wanted.has(slotOfKey(key)))
      return rows.map(({ values }) => [
        canonical(keyAt.map((at) => values[at] ?? null)),
        digestOf(values),
      ])
    },
    sumShard: async (shard) => {
      const sums = new Map<number, SlotSum>()
      for await (const row of rowsIn({ router, setup }, shard, call)) addSums(sums, sumsOf([row]))
      return [...sums]
    },
    pickShard: async ({ shard, slots }) => {
      const wanted = new Set(slots)
      const picked: [string, bigint][] = []
      for await (const { key, primaryKey, values } of rowsIn({ router, setup }, shard, call)) {
        if (wanted.has(slotOfKey(key))) picked.push([canonical(primaryKey), digestOf(values)])
      }
      return picked
    },
  }
}
