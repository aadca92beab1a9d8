import { createHash, randomUUID } from 'node:crypto'
import path from 'node:path'

import { type Call, rootCall, systemClock } from '@stoa/kernel'

import type { Batch } from './batch.ts'
import { Crew } from './crew.ts'
import { Journal, Tally } from './journal.ts'
import { compileMapping, type Mapping } from './mapping.ts'
import { type Opened, openSource } from './open-source.ts'
import {
  type ImportOptions,
  type ImportProgress,
  type ImportReport,
  type Limits,
  limitsOf,
  type Verification,
} from './options.ts'
import { pending } from './pending.ts'
import { readTarget } from './target.ts'
import type { Setup } from './tasks.ts'
import { verifyRows } from './verify.ts'

const stateFolder = '.stoa/import'

type Ready = {
  readonly options: ImportOptions
  readonly opened: Opened
  readonly limits: Limits
  readonly setup: Setup
  readonly shards: readonly string[]
}

/** The same source into the same table by the same rules is the same job. */
function jobOf({ target, resume }: ImportOptions, opened: Opened, mapping: Mapping): string {
  const { metaUrl, keyspace, table } = target
  const nonce = resume === false ? randomUUID() : ''
  const named = JSON.stringify(
    [metaUrl, keyspace, table, opened.identity, mapping, nonce],
    (_key, value) => (typeof value === 'bigint' ? `${value}n` : (value as unknown)),
  )
  return createHash('sha256').update(named).digest('hex').slice(0, 16)
}

/** Everything that can be refused is refused here, before anything is written. */
async function prepare(options: ImportOptions, call: Call): Promise<Ready> {
  const { target, source } = options
  limitsOf(options, 1)
  const opened = await openSource(source, call)
  try {
    const { table, shards } = await readTarget(target, call)
    const mapping = compileMapping({ options, table, fields: opened.fields })
    const job = jobOf(options, opened, mapping)
    const setup = { source: opened.form, target, table, mapping, job }
    return { options, opened, limits: limitsOf(options, shards.length), setup, shards }
  } catch (error) {
    opened.close()
    throw error
  }
}

type Outcome = Pick<ImportReport, 'finished' | 'resumed' | 'errorFile' | 'verification'>

function reportOf({ setup, options }: Ready, tally: Tally, outcome: Outcome): ImportReport {
  const { rows, inserted, existing, rejected, shards, firstErrors } = tally
  const written = options.dryRun === true ? rows - rejected : inserted
  const billedWrites = written * setup.table.writesPerRow
  const counts = { rows, inserted, existing, rejected, firstErrors, shards, billedWrites }
  return { job: setup.job, ...counts, ...outcome }
}

function reporter({ options }: Ready, tally: Tally) {
  let furthest = 0
  return (phase: ImportProgress['phase'], part: number) => {
    furthest = phase === 'import' ? Math.max(furthest, part) : part
    const { rows, inserted, existing, rejected } = tally
    options.onProgress?.({ phase, part: furthest, rows, inserted, existing, rejected })
  }
}

async function survey(ready: Ready, call: Call): Promise<ImportReport> {
  const { opened, limits, setup } = ready
  const tally = new Tally()
  const report = reporter(ready, tally)
  await using crew = new Crew(setup, limits.threads)
  const plan = {
    isDone: () => false,
    maxRate: limits.maxRate,
    signal: AbortSignal.any([call.signal, crew.stopped]),
    clock: systemClock,
  }
  const batches = pending(opened.batches(limits.batchRows, call), plan)
  await crew.run('survey', batches, (entry, batch) => {
    tally.add(entry)
    report('import', batch.part)
  })
  return reportOf(ready, tally, { finished: !call.signal.aborted, resumed: 0 })
}

async function verified(ready: Ready, journal: Journal, crew: Crew): Promise<Verification> {
  const { opened, limits, shards } = ready
  const call = rootCall('import')
  const report = reporter(ready, journal.tally)
  return verifyRows({
    crew,
    batches: () => opened.batches(limits.batchRows, call),
    refusedIn: (batch) => journal.refusedIn(batch),
    shards,
    onProgress: (part) => report('verify', part),
  })
}

/** Sends what no earlier run has sent. */
async function send(
  ready: Ready,
  { journal, crew }: { readonly journal: Journal; readonly crew: Crew },
  call: Call,
): Promise<void> {
  const { opened, limits } = ready
  const report = reporter(ready, journal.tally)
  const plan = {
    isDone: (batch: Batch) => journal.has(batch.id),
    maxRate: limits.maxRate,
    signal: AbortSignal.any([call.signal, crew.stopped]),
    clock: systemClock,
  }
  crew.endAfter(call.signal)
  // Reading the source goes on under no signal: a stop is seen between two batches.
  const batches = pending(opened.batches(limits.batchRows, rootCall('import')), plan)
  try {
    await crew.run('write', batches, async (entry, batch) => {
      await journal.add(entry)
      report('import', batch.part)
    })
  } catch (error) {
    if (!call.signal.aborted) throw error
  }
}

async function write(ready: Ready, call: Call): Promise<ImportReport> {
  const { options, limits, setup } = ready
  const folder = options.stateFolder ?? stateFolder
  await using journal = await Journal.open(folder, setup.job)
  const resumed = journal.tally.rows
  await using crew = new Crew(setup, limits.threads)
  const errorFile = options.errorFile ?? path.join(folder, `${setup.job}.errors.ndjson`)
  try {
    await send(ready, { journal, crew }, call)
  } finally {
    if (journal.tally.rejected > 0) await journal.writeErrors(errorFile)
  }
  const finished = !call.signal.aborted
  const verification =
    finished && options.verify === true ? await verified(ready, journal, crew) : undefined
  return reportOf(ready, journal.tally, {
    finished,
    resumed,
    ...(journal.tally.rejected > 0 ? { errorFile } : {}),
    ...(verification === undefined ? {} : { verification }),
  })
}

/**
 * Brings the rows of a table or a file into the table of a keyspace, with several threads. Each batch is an immutable
 * copy that one thread holds alone; each of its parts is one transaction in its shard, behind the fence, together with a
 * record by which a second try finds that it has happened. So a run may be killed anywhere and begun again, or run twice
 * at once: every row is there once. A line that cannot become a row, or whose key is taken by other content, is
 * reported by its number and changes nothing.
 *
 * One round trip for each shard and 500 rows. A dry run reads everything and writes nothing, in no shard and in no file.
 *
 * @throws ImportSourceError, ImportMappingError, ImportTargetError, ShardUnavailableError before anything is written.
 * @throws ImportStoppedError when a database stays away; the same call again goes on.
 */
export async function importRows(options: ImportOptions): Promise<ImportReport> {
  const call: Call = { requestId: 'import', signal: options.signal ?? rootCall('import').signal }
  const ready = await prepare(options, call)
  try {
    return await (options.dryRun === true ? survey(ready, call) : write(ready, call))
  } finally {
    ready.opened.close()
  }
}
