import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'

import { createClient } from '@libsql/client/web'
import { libsqlShard } from '@stoa/adapters/shard'
import { localProvider } from '@stoa/cli'
import { rootCall, secureRandom, sleep, type SqlShard, systemClock } from '@stoa/kernel'
import { devTokens, supervise } from '@stoa/local'
import { createMover, type MoveProgress, scopesOf } from '@stoa/resharding'
import {
  cacheTopology,
  catalogueQuery,
  createRouter,
  evenSlots,
  type Keyspace,
  readCatalogue,
  type Router,
  shapeOf,
  type ShardInfo,
  type TableShape,
} from '@stoa/sharding'

import { audit } from './resharding-audit.ts'
import { copyBare } from './resharding-copy.ts'
import { openCatalog, openDatabase } from './resharding-keyspace.ts'
import {
  createWriter,
  movingSlots,
  productColumns,
  type Sample,
  seed,
} from './resharding-writer.ts'
import { atLeast, type Row } from './row.ts'

/** Rows that move; as many again by a seventh stay. */
const movedRows = Number(process.env['ROWS'] ?? 100_000)
/** Writes a second while it moves. Default: half of what a few writers can. */
const writes = Number(process.env['WRITES'] ?? 0)
const warmUpMs = 1_500
const capacityMs = 3_000
const pauseMsMax = 250

const token = devTokens.libsql
const call = rootCall('bench')
const wait = (ms: number, each: typeof call) => sleep(ms, systemClock, each.signal)

type Bench = {
  readonly meta: SqlShard
  readonly source: SqlShard
  readonly target: SqlShard
  /** A table of products that nothing guards. */
  readonly bare: SqlShard
  readonly router: Router
  readonly shapes: readonly TableShape[]
  open(this: void, shard: ShardInfo): SqlShard
}

type Keyspaces = Readonly<Record<string, Keyspace>>

async function openMeta(origin: string, keyspaces: Keyspaces): Promise<SqlShard> {
  const { url, client } = await openDatabase(origin, { name: 'meta', keyspace: 'meta' })
  await client.execute({
    sql: 'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)',
    args: [JSON.stringify(keyspaces)],
  })
  client.close()
  return libsqlShard({ name: 'meta', url, token })
}

async function openBare(origin: string, like: SqlShard): Promise<SqlShard> {
  const url = await localProvider(origin, token).createDatabase('bare')
  const client = createClient({ url, authToken: token })
  const sql = `SELECT sql FROM sqlite_schema WHERE tbl_name = 'product' AND type IN ('table', 'index') AND sql IS NOT NULL`
  const [found] = await like.batch([{ sql, args: [] }], 'read', call)
  for (const [ddl] of found?.rows ?? []) await client.execute(String(ddl))
  client.close()
  return libsqlShard({ name: 'bare', url, token })
}

async function open(origin: string): Promise<Bench> {
  const names = ['a', 'b']
  const { keyspace, clients } = await openCatalog(origin, { names, slots: evenSlots(names) })
  for (const client of clients) client.close()
  const openShard = ({ name, url }: ShardInfo) => libsqlShard({ name, url, token })
  const [source, target] = keyspace.shards.map(openShard)
  if (source === undefined || target === undefined) throw new Error('Cannot measure: no database')
  const meta = await openMeta(origin, { catalog: keyspace })
  const topology = cacheTopology(async (each) => {
    const query = { sql: 'SELECT version, document FROM topology WHERE id = 1', args: [] }
    const [rows] = await meta.batch([query], 'read', each)
    const [version, document] = rows?.rows[0] ?? []
    return { version: Number(version), keyspaces: JSON.parse(String(document)) as Keyspaces }
  })
  const slots = topology.slots('catalog')
  const router = createRouter({ slots, open: openShard, sleep: wait, random: secureRandom })
  const [catalogue] = await source.batch([catalogueQuery], 'read', call)
  const shapes = readCatalogue(catalogue?.rows ?? []).flatMap((table) => shapeOf(table) ?? [])
  const bare = await openBare(origin, source)
  return { meta, source, target, bare, router, shapes, open: openShard }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Keys that nobody took writes for: from just before their freeze until the target served, in milliseconds since 1970. */
type Pause = { readonly slots: ReadonlySet<number>; readonly from: number; readonly to: number }

type Moved = {
  /** Rows a second while it copied, and over all of it. */
  readonly copyRate: number
  readonly rate: number
  readonly pauses: readonly Pause[]
}

/** One move; with how many rows it copied in how many milliseconds. */
async function moveScope(
  { meta, open: openShard, shapes }: Bench,
  { id, slots }: { readonly id: string; readonly slots: readonly number[] },
): Promise<{ readonly rows: number; readonly ms: number; readonly pause: Pause }> {
  const events: MoveProgress[] = []
  const mover = createMover({
    meta,
    open: openShard,
    clock: systemClock,
    random: secureRandom,
    sleep: wait,
    progress: (event) => events.push(event),
  })
  const scope = { kind: 'slots', slots } as const
  await mover.start({ id, keyspace: 'catalog', scope, source: 'a', target: 'b', shapes }, call)
  const planned = systemClock.now()
  const { phase, note } = await mover.run(id, call)
  if (phase !== 'done') throw new Error(`Cannot measure: the move is ${phase}: ${note ?? ''}`)
  const copies = events.filter((event) => event.phase === 'copying' && event.copied !== undefined)
  const served = events.find((event) => event.pauseMs !== undefined)
  if (served?.pauseMs === undefined) throw new Error('Cannot measure: nothing was frozen')
  return {
    rows: copies.reduce((sum, event) => sum + (event.copied ?? 0), 0),
    ms: (copies.at(-1)?.at ?? planned) - planned,
    pause: { slots: new Set(slots), from: served.at - served.pauseMs, to: served.at },
  }
}

/** All moves, one after the other, as the command line makes them. */
async function move(bench: Bench): Promise<Moved> {
  const slots = Array.from({ length: movingSlots }, (_, slot) => slot)
  const pauses: Pause[] = []
  let [rows, ms] = [0, 0]
  const started = systemClock.now()
  for (const [index, scope] of scopesOf(slots).entries()) {
    if (scope.kind !== 'slots') throw new Error('Cannot measure: slots make moves of slots')
    const moved = await moveScope(bench, { id: `bench-${index}`, slots: scope.slots })
    rows += moved.rows
    ms += moved.ms
    pauses.push(moved.pause)
  }
  const took = systemClock.now() - started
  const waits = pauses.map(({ from, to }) => to - from)
  console.log(
    `  ${rows} rows in ${pauses.length} moves, ${(took / 1_000).toFixed(1)} s, ${(ms / 1_000).toFixed(1)} of them copying; writes waited ${quantile(waits, 0.5)} ms, at most ${quantile(waits, 1)} ms`,
  )
  return { copyRate: (rows * 1_000) / ms, rate: (rows * 1_000) / took, pauses }
}

/** How long the writes took that were due or unanswered while nobody took those of their key. */
function pausesOf(samples: readonly Sample[], pauses: readonly Pause[]): readonly number[] {
  return pauses.flatMap(({ slots, from, to }) =>
    samples
      .filter((each) => slots.has(each.slot) && each.due < to && each.answered > from)
      .map(({ due, answered }) => answered - due),
  )
}

async function measure(bench: Bench): Promise<Row[]> {
  const { source, target, bare, router } = bench
  const seeded = Math.ceil((movedRows * 8) / 7)
  await seed(source, { count: seeded, moving: true }, call)
  await seed(target, { count: seeded, moving: false }, call)
  const writer = createWriter(router, seeded)
  await writer.saturate(warmUpMs)
  const capacity = await writer.saturate(capacityMs)
  const alone = writer.samples.length
  const begun = systemClock.now()
  const stop = writer.start(writes > 0 ? writes : capacity / 2)
  const half = { from: movingSlots / 2, to: movingSlots }
  const copy = { to: bare, columns: productColumns }
  const early = await copyBare({ ...copy, from: source }, { from: 0, to: half.from })
  const before = writer.samples.length
  const moved = await move(bench)
  const during = writer.samples.slice(before)
  const late = await copyBare({ ...copy, from: target }, half)
  await stop()
  const samples = writer.samples.slice(alone)
  const rate = (samples.length * 1_000) / (systemClock.now() - begun)
  const bareRate = ((early.rows + late.rows) * 1_000) / (early.ms + late.ms)
  const pauses = pausesOf(during, moved.pauses)
  const took = during.map(({ due, answered }) => answered - due)
  console.log(
    `  writers: capacity ${capacity.toFixed(0)}/s, then ${rate.toFixed(0)}/s; during the move median ${quantile(took, 0.5).toFixed(0)} ms, p99 ${quantile(took, 0.99).toFixed(0)} ms, longest ${quantile(took, 1).toFixed(0)} ms`,
  )
  console.log(
    `  the cut-overs met ${pauses.length} writes: median ${quantile(pauses, 0.5).toFixed(0)} ms, longest ${quantile(pauses, 1).toFixed(0)} ms`,
  )
  const { expected, right, extra } = await audit(writer.told, { owner: target, others: [source] })
  const refused = samples.filter(({ isOk }) => !isOk).length
  console.log(`  ${extra} rows too many or wrong; ${refused} writes refused`, writer.failures)
  console.log(
    `  load of the machine: ${loadavg()
      .map((each) => each.toFixed(1))
      .join(' ')}`,
  )
  const unit = 'rows/s'
  const pause = quantile(pauses, 0.99)
  return [
    atLeast({
      name: 'rows and acknowledged writes in place, once, as written',
      value: right - extra,
      unit: 'rows',
      baseline: expected,
      target: 1,
    }),
    atLeast({
      name: 'copy of a move, beside a bare loop',
      value: moved.copyRate,
      unit,
      baseline: bareRate,
      target: 0.5,
    }),
    atLeast({ name: 'all of the move', value: moved.rate, unit, baseline: bareRate }),
    {
      name: 'p99 of a write at its cut-over, of at most',
      value: pause,
      unit: 'ms',
      baseline: pauseMsMax,
      ratio: pauseMsMax / pause,
      target: 1,
      ok: pauses.length > 0 && pause <= pauseMsMax,
    },
    atLeast({
      name: 'writes that the router had answered',
      value: samples.length - refused,
      unit: 'writes',
      baseline: samples.length,
      target: 0.9999,
    }),
  ]
}

/**
 * Half of the slots move from one database to another, in as many moves as the command line makes of them, while a
 * writer writes through the router at half of what it could, most of it to keys that move; beside a loop that reads and
 * inserts the same rows and does nothing else, with as many workers, before and after the moves, beside the same writer.
 * Mover and writer share a process, and all share the machine. `ROWS` says how many rows move, `WRITES` how many writes
 * a second there are instead.
 */
export async function benchResharding(): Promise<Row[]> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stoa-bench-'))
  const ports = { libsql: 0, redis: 0, qstash: 0 }
  const servers = await supervise({ dataDir, ports, redisEngine: 'in-process' })
  try {
    return await measure(await open(`http://127.0.0.1:${servers.ports.libsql}`))
  } finally {
    await servers.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}
