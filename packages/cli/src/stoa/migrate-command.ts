import { rootCall } from '@stoa/kernel'
import type { Topology } from '@stoa/sharding'

import { type Database, type DatabaseReport, migrateAll } from '../migrate-all.ts'
import { exitCodes, type Output, table } from './output.ts'
import type { Stopper } from './stopper.ts'
import { keyspaceIn, readTopology, type System } from './system.ts'

export type MigrateCommand = {
  readonly system: System
  readonly output: Output
  readonly stopper: Stopper
  /** Only this one. */
  readonly keyspace: string | undefined
  readonly isDryRun: boolean
  readonly parallelism: number | undefined
}

function wordsOf({ migrations, isFenced, differences, error }: DatabaseReport): string {
  const list = differences.map(({ kind, type, name }) => `${kind} ${type} ${name}`)
  return [migrations.join(', '), isFenced ? '' : 'no fence', list.join(', '), error?.message ?? '']
    .filter((text) => text !== '')
    .join('; ')
}

function databasesOf(
  { metaUrl }: System,
  topology: Topology,
  only: string | undefined,
): Readonly<Record<string, readonly Database[]>> {
  const meta = { meta: [{ name: 'meta', url: metaUrl }] }
  if (only === 'meta') return meta
  const names = only === undefined ? Object.keys(topology.keyspaces) : [only]
  const entries = names.map((name) => {
    const { shards } = keyspaceIn(topology, name)
    const all = shards.flatMap((shard) => [shard, ...(shard.replicas ?? [])])
    return [name, all.filter(({ url }) => url !== '')] as const
  })
  const databases: Readonly<Record<string, readonly Database[]>> = Object.fromEntries(entries)
  return only === undefined ? { ...meta, ...databases } : databases
}

function isWrong({ outcome }: DatabaseReport): boolean {
  return outcome === 'failed' || outcome === 'skipped'
}

/** Brings the databases to their newest schema, `meta` among them, and lists how each is. Answers the exit code. */
export async function migrateCommand(options: MigrateCommand): Promise<number> {
  const { system, output, stopper, keyspace: only, isDryRun: dryRun, parallelism } = options
  const topology = await readTopology(system, rootCall('stoa migrate'))
  const keyspaces = databasesOf(system, topology, only)
  const reports = await migrateAll({
    keyspaces,
    token: system.token,
    dryRun,
    signal: stopper.signal,
    ...(parallelism === undefined ? {} : { parallelism }),
    onProgress: (report, done, total) => {
      if (process.stderr.isTTY) output.note(`${done} of ${total}: ${report.database}`)
    },
  })
  for (const { error, ...report } of output.isJson ? reports : [])
    output.tell({ event: 'database', ...report, error: error?.message }, '')
  const shown = reports.filter((report) => report.outcome !== 'current' || wordsOf(report) !== '')
  const rows = shown.map((report) => [
    report.keyspace,
    report.database,
    report.outcome,
    wordsOf(report),
  ])
  const current = reports.length - shown.length
  if (!output.isJson) {
    if (rows.length > 0) output.tell({}, table([['keyspace', 'database', 'is', 'what'], ...rows]))
    output.tell({}, `${current} of ${reports.length} databases are as they should be.`)
  }
  if (stopper.isStopped) return exitCodes.stopped
  return reports.some(isWrong) ? exitCodes.refused : exitCodes.done
}
