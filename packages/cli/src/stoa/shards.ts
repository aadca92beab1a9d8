import { type Call, isFault, type Rows, rootCall, systemClock, within } from '@stoa/kernel'
import { isOver } from '@stoa/resharding'
import { inWaves, type KeyRange, type Keyspace, type ShardInfo } from '@stoa/sharding'

import { type DatabaseReport, migrateAll } from '../migrate-all.ts'
import { readJobs, tellJobs } from './jobs.ts'
import { exitCodes, type Output, table } from './output.ts'
import { keyspaceIn, readTopology, type System } from './system.ts'
import { quoted, type ShardedTable, tablesOf } from './tables.ts'

/** How long one database may take to answer before it is called away. */
const answerMsMax = 20_000
/** Databases whose schema is looked at at a time: six requests may wait for headers. */
const schemasAtOnce = 5

export type SurveyOptions = {
  readonly system: System
  readonly output: Output
  /** Only this one. */
  readonly keyspace: string | undefined
  /** Counting stops here in each table; 0 counts nothing. */
  readonly countMax: number
  readonly isAll: boolean
}

type ShardReport = {
  readonly keyspace: string
  readonly shard: string
  /** By the topology. */
  readonly slots: number
  readonly epochs: readonly number[]
  readonly overrides: readonly KeyRange[]
  /** Pieces by state, as the database says. */
  readonly states: Readonly<Record<string, number>>
  /** By table; one that reached the bound has as many or more. */
  readonly rows: Readonly<Record<string, number>>
  readonly problems: readonly string[]
}

type Target = { readonly name: string; readonly keyspace: Keyspace; readonly shard: ShardInfo }

/** What the topology says of a shard. */
function mapped({
  name,
  keyspace,
  shard,
}: Target): Omit<ShardReport, 'states' | 'rows' | 'problems'> {
  const own = keyspace.slots.filter((range) => range.shard === shard.name)
  const overrides = (keyspace.ranges ?? []).filter((range) => range.shard === shard.name)
  return {
    keyspace: name,
    shard: shard.name,
    slots: own.reduce((sum, { from, to }) => sum + to - from + 1, 0),
    epochs: [...new Set([...own, ...overrides].map(({ epoch }) => epoch))].toSorted(
      (a, b) => a - b,
    ),
    overrides,
  }
}

function countsIn(rows: Rows | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(
    (rows?.rows ?? []).map(([name, count]) => [String(name), Number(count)]),
  )
}

function problemsOf(
  { shard, slots }: { readonly shard: ShardInfo; readonly slots: number },
  found: { readonly incarnation: unknown; readonly serving: number },
): readonly string[] {
  return [
    found.incarnation === shard.incarnation ? [] : ['it is a copy of the one in the topology'],
    found.serving === slots
      ? []
      : [`the topology gives it ${slots} slots, and it serves ${found.serving}`],
  ].flat()
}

function countStatements(tables: readonly ShardedTable[], most: number) {
  return tables.map(({ name }) => ({
    sql: `SELECT '${name.replaceAll("'", "''")}', count(*) FROM (SELECT 1 FROM ${quoted(name)} LIMIT ?)`,
    args: [most],
  }))
}

const selectStates = {
  sql: 'SELECT state, count(*) FROM _slot_owner GROUP BY state',
  args: [],
}
const selectOwn = {
  sql: `SELECT (SELECT incarnation FROM _shard_meta WHERE id = 1),
  (SELECT count(*) FROM _slot_owner WHERE length(lo) = 3 AND state IN ('serving', 'migrating', 'frozen'))`,
  args: [],
}

/** What a shard says of itself. Two round trips. */
async function ask(options: SurveyOptions, target: Target, root: Call): Promise<ShardReport> {
  const call = within(root, answerMsMax, systemClock)
  const { system, countMax } = options
  const known = mapped(target)
  if (target.shard.url === '')
    return { ...known, states: {}, rows: {}, problems: ['it is not provisioned yet'] }
  try {
    const shard = system.open(target.shard)
    const tables = countMax === 0 ? [] : await tablesOf(shard, call)
    const counting = countStatements(tables, countMax)
    const [own, states, ...counts] = await shard.batch(
      [selectOwn, selectStates, ...counting],
      'read',
      call,
    )
    const [incarnation, serving] = own?.rows[0] ?? []
    return {
      ...known,
      states: countsIn(states),
      rows: Object.assign({}, ...counts.map(countsIn)) as Readonly<Record<string, number>>,
      problems: problemsOf(
        { shard: target.shard, slots: known.slots },
        { incarnation, serving: Number(serving) },
      ),
    }
  } catch (error) {
    if (!isFault(error)) throw error
    return { ...known, states: {}, rows: {}, problems: [error.message] }
  }
}

function schemaProblem({ outcome, migrations, differences, error }: DatabaseReport): string {
  if (error !== undefined) return error.message
  if (outcome === 'skipped') return 'not looked at'
  const list = differences.map(({ kind, type, name }) => `${kind} ${type} ${name}`)
  if (migrations.length > 0) return `lacks ${migrations.join(', ')}`
  return list.join(', ') || 'its fence does not stand'
}

/** What of the schemas is not as the migrations say. */
async function schemasOf(
  system: System,
  keyspaces: Readonly<Record<string, Keyspace>>,
): Promise<readonly { readonly shard: string; readonly problem: string }[]> {
  const reports = await migrateAll({
    keyspaces: Object.fromEntries(
      Object.entries(keyspaces).map(([name, { shards }]) => [
        name,
        shards
          .flatMap((shard) => [shard, ...(shard.replicas ?? [])])
          .filter(({ url }) => url !== ''),
      ]),
    ),
    token: system.token,
    dryRun: true,
    parallelism: schemasAtOnce,
  })
  return reports
    .filter(({ outcome, differences }) => outcome !== 'current' || differences.length > 0)
    .map((report) => ({ shard: report.database, problem: schemaProblem(report) }))
}

function tellShards({ output, countMax }: SurveyOptions, reports: readonly ShardReport[]): void {
  if (output.isJson) {
    for (const report of reports) output.tell({ event: 'shard', countMax, ...report }, '')
    return
  }
  const rows = reports.map(
    ({ keyspace, shard, slots, epochs, overrides, states, rows: counts }) => [
      keyspace,
      shard,
      slots,
      epochs.length > 1 ? `${epochs[0]}-${epochs.at(-1)}` : String(epochs[0] ?? ''),
      overrides.length,
      Object.values(counts).reduce((sum, count) => sum + count, 0),
      Object.entries(states)
        .map(([state, count]) => `${state} ${count}`)
        .join(', '),
    ],
  )
  const head = ['keyspace', 'shard', 'slots', 'epoch', 'overrides', 'rows', 'pieces']
  output.tell({}, table([head, ...rows]))
  for (const { shard, overrides } of reports)
    for (const { from, to, epoch } of overrides)
      output.tell({}, `${shard} has ${from}..${to} at epoch ${epoch}`)
}

/**
 * Shows every database of every keyspace: slots, epochs, overrides, rows, what its schema lacks, and the unfinished
 * jobs. A database that is away is reported and stops nothing. Asks at most five at a time. Answers the exit code.
 */
export async function survey(options: SurveyOptions): Promise<number> {
  const { system, output, keyspace: only, countMax, isAll } = options
  const call = rootCall('stoa shards')
  const topology = await readTopology(system, call)
  const keyspaces = only === undefined ? topology.keyspaces : { [only]: keyspaceIn(topology, only) }
  const targets = Object.entries(keyspaces).flatMap(([name, keyspace]) =>
    keyspace.shards.map((shard): Target => ({ name, keyspace, shard })),
  )
  const reports = new Map<Target, ShardReport>()
  await inWaves(targets, async (target) => {
    reports.set(target, await ask(options, target, call))
  })
  const shards = targets.flatMap((target) => reports.get(target) ?? [])
  tellShards({ ...options, countMax }, shards)
  const schemas = await schemasOf(system, keyspaces)
  const problems = [
    ...shards.flatMap(({ shard, problems: list }) => list.map((problem) => ({ shard, problem }))),
    ...schemas,
  ]
  for (const { shard, problem } of problems)
    output.tell({ event: 'problem', shard, problem }, `! ${shard}: ${problem}`)
  const jobs = (await readJobs(system, call)).filter((job) => isAll || !isOver(job))
  tellJobs(output, jobs, isAll)
  return problems.length === 0 ? exitCodes.done : exitCodes.refused
}
