import { type Call, isFault, rootCall, type SqlShard, systemClock } from '@stoa/kernel'
import {
  publishReference,
  type ReferenceCopy,
  referenceVersions,
  spreadReference,
  verifyReference,
} from '@stoa/sharding'

import { readReferenceFile } from '../references.ts'
import type { Tools } from './command-line.ts'
import { BadCommandError } from './faults.ts'
import { exitCodes, table } from './output.ts'
import { databasesOf, readTopology } from './system.ts'

type Named = Omit<Tools, 'stopper'> & { readonly name: string | undefined }

async function fileOf(file: string): ReturnType<typeof readReferenceFile> {
  try {
    return await readReferenceFile(file)
  } catch (cause) {
    throw new BadCommandError(`Cannot read "${file}" as a reference table`, { cause })
  }
}

/** @throws BadCommandError when the databases cannot hold the table. One round trip. */
async function checkCopies(
  { name, columns }: { readonly name: string; readonly columns: readonly string[] },
  database: SqlShard | undefined,
  call: Call,
): Promise<void> {
  if (database === undefined) return
  const select = { sql: 'SELECT name FROM pragma_table_info(?)', args: [`_${name}`] }
  const [found] = await database.batch([select], 'read', call)
  const known = found?.rows.map(([column]) => String(column)) ?? []
  const missing = columns.find((column) => !known.includes(column))
  if (missing === undefined && known.length > 0) return
  const what = known.length === 0 ? `no table "_${name}"` : `no column "${missing}" in "_${name}"`
  throw new BadCommandError(
    `Cannot publish reference table "${name}": the databases have ${what}; a migration makes it`,
  )
}

/** Publishes the rows of a file. Answers the exit code. @throws as `publishReference`, and BadCommandError */
export async function publish({
  system,
  output,
  name,
  file,
  over,
  beyond,
}: Omit<Tools, 'stopper'> & {
  readonly name: string
  readonly file: string
  readonly over: number | undefined
  readonly beyond: number | undefined
}): Promise<number> {
  if (Number.isNaN(over) || Number.isNaN(beyond))
    throw new BadCommandError('Cannot publish over what is no version')
  const call = rootCall('stoa reference publish')
  const content = await fileOf(file)
  const [first] = databasesOf(system, await readTopology(system, call))
  await checkCopies({ name, ...content }, first, call)
  const at = systemClock.now()
  const { version, rows } = await publishReference(
    system.meta,
    { name, ...content, over, beyond, at },
    call,
  )
  output.tell(
    { event: 'reference', reference: name, version, rows: rows.length },
    `${name}: version ${version}, ${rows.length} rows. Next: npm run stoa -- reference spread ${name}`,
  )
  return exitCodes.done
}

function isAway({ error }: ReferenceCopy): boolean {
  return isFault(error) && error.code === 'shard_unavailable'
}

function isCurrent({ state }: ReferenceCopy): boolean {
  return state === 'current'
}

/** A newer one was spread meanwhile. */
function isCurrentOrNewer({ state }: ReferenceCopy): boolean {
  return state === 'current' || state === 'ahead'
}

type Ask = typeof spreadReference

/** Tells every copy of each table; answers whether all are as they should be. */
async function overAll(
  { system, output, name: only }: Named,
  { ask, isRight }: { readonly ask: Ask; readonly isRight: (copy: ReferenceCopy) => boolean },
  call: Call,
): Promise<number> {
  const { meta } = system
  const names = only === undefined ? [...(await referenceVersions(meta, call)).keys()] : [only]
  const databases = databasesOf(system, await readTopology(system, call))
  let wrong: readonly ReferenceCopy[] = []
  for (const name of names) {
    const { version: newest, copies } = await ask({ meta, name, databases }, call)
    wrong = [...wrong, ...copies.filter((copy) => !isRight(copy))]
    for (const { error, ...copy } of output.isJson ? copies : [])
      output.tell({ event: 'copy', reference: name, newest, ...copy, error: error?.message }, '')
    const rows = copies.map(({ database, state, version, changed, error }) => [
      database,
      state,
      version,
      changed,
      error?.message ?? '',
    ])
    const head = ['database', 'is', 'version', 'changed', 'why']
    const text = `${name}, version ${newest}:\n${table([head, ...rows])}`
    if (!output.isJson) output.tell({}, text)
  }
  const ok = wrong.length === 0
  const next = 'Next, when they answer: npm run stoa -- reference spread'
  output.tell(
    { event: 'references', ok, tables: names.length, databases: databases.length },
    ok ? 'All copies are as they should be.' : `${wrong.length} copies are not. ${next}`,
  )
  if (ok) return exitCodes.done
  return wrong.every(isAway) ? exitCodes.unreachable : exitCodes.refused
}

/**
 * Brings every database, replicas too, to the newest version of one table or of all. One that fails stops none of the
 * others; the same command again goes on with it. Answers the exit code.
 */
export function spread(options: Named): Promise<number> {
  return overAll(
    options,
    { ask: spreadReference, isRight: isCurrentOrNewer },
    rootCall('stoa reference spread'),
  )
}

/** Compares every copy with the truth. Changes nothing. Answers the exit code. */
export function status(options: Named): Promise<number> {
  return overAll(
    options,
    { ask: verifyReference, isRight: isCurrent },
    rootCall('stoa reference status'),
  )
}
