import { type Call, isFault, rootCall, slotCount } from '@stoa/kernel'
import type { Move } from '@stoa/resharding'
import { inWaves, type Keyspace, type ShardInfo, type SlotMap, slotMapOf } from '@stoa/sharding'

import {
  addDigests,
  type Digest,
  digestOf,
  digestText,
  emptyDigest,
  selectStrays,
} from './digest.ts'
import { UnknownShardError } from './faults.ts'
import { exitCodes, type Output, table } from './output.ts'
import { type Progress, progressOf } from './progress.ts'
import { type KeySpan, parseOwner, parseSlots, slotsText, spansOfSlots } from './ranges.ts'
import { unknownNames } from './reference-uses.ts'
import { keyspaceIn, moverOf, readTopology, shardIn, type System } from './system.ts'
import { countRows, type ShardedTable, spansOf, tablesOf } from './tables.ts'

export type VerifyOptions = {
  readonly system: System
  readonly output: Output
  /** A keyspace, or a job. */
  readonly name: string
  readonly shard?: string | undefined
  readonly slots?: string | undefined
  readonly owner?: string | undefined
}

type Part = { readonly shard: ShardInfo; readonly span: KeySpan }

/** The parts of a range of keys, by who serves them. */
function partsOf(map: SlotMap, { lo, hi }: KeySpan): readonly Part[] {
  return map.pieces(lo, hi).map(({ from, to, place }) => ({
    shard: place.shard,
    span: { lo: from, hi: to },
  }))
}

/** Slots that one shard serves whole, as few ranges; a slot that has overrides in its parts. */
function wholeParts(map: SlotMap, keyspace: Keyspace, slots: readonly number[]): readonly Part[] {
  const cut = new Set((keyspace.ranges ?? []).map(({ from }) => from.slice(0, 3)))
  const isCut = (slot: number) => cut.has(spansOfSlots([slot])[0]?.lo ?? '')
  const parts = slots.filter(isCut).flatMap((slot) => {
    const [span] = spansOfSlots([slot])
    return span === undefined ? [] : partsOf(map, span)
  })
  const whole = Map.groupBy(
    slots.filter((slot) => !isCut(slot)),
    (slot) => map.place(slot).shard,
  )
  const joined = [...whole].flatMap(([shard, list]) =>
    spansOfSlots(list).map((span): Part => ({ shard, span })),
  )
  return [...joined, ...parts]
}

function asked({ shard, slots, owner }: VerifyOptions, name: string, keyspace: Keyspace) {
  const map = slotMapOf(name, keyspace)
  if (owner !== undefined) return partsOf(map, parseOwner(owner))
  const all =
    slots === undefined ? Array.from({ length: slotCount }, (_, slot) => slot) : parseSlots(slots)
  const parts = wholeParts(map, keyspace, all)
  if (shard === undefined) return parts
  const { name: only } = shardIn(keyspace, shard)
  return parts.filter((part) => part.shard.name === only)
}

async function digestAll(
  { system }: VerifyOptions,
  {
    parts,
    tables,
    progress,
  }: {
    readonly parts: readonly Part[]
    readonly tables: readonly ShardedTable[]
    readonly progress: Progress
  },
  call: Call,
): Promise<ReadonlyMap<string, Digest>> {
  const digests = new Map(tables.map(({ name }) => [name, emptyDigest]))
  const byShard = [...Map.groupBy(parts, ({ shard }) => shard)]
  const onRows = (rows: number) => progress.add(rows)
  await inWaves(byShard, async ([info, list]) => {
    const shard = system.open(info)
    for (const each of tables) {
      for (const { span } of list) {
        const digest = await digestOf(shard, { table: each, span, onRows }, call)
        digests.set(each.name, addDigests(digests.get(each.name) ?? emptyDigest, digest))
      }
    }
  })
  return digests
}

function tellDigests(output: Output, digests: ReadonlyMap<string, Digest>): void {
  const found = [...digests].filter(([, { rows }]) => rows > 0)
  if (output.isJson) {
    for (const [name, digest] of found)
      output.tell(
        { event: 'digest', table: name, rows: digest.rows, digest: digestText(digest) },
        '',
      )
    return
  }
  const rows = found.map(([name, digest]) => [name, digest.rows, digestText(digest)])
  output.tell({}, table([['table', 'rows', 'digest'], ...rows]))
}

/** Rows in databases that do not own them. One round trip a shard, which reads all its keys. */
async function straysOf(
  { system }: VerifyOptions,
  {
    shards,
    tables,
  }: { readonly shards: readonly ShardInfo[]; readonly tables: readonly ShardedTable[] },
  call: Call,
): Promise<readonly string[]> {
  const found: string[] = []
  await inWaves(shards, async (info) => {
    const answers = await system.open(info).batch(tables.map(selectStrays), 'read', call)
    for (const [at, answer] of answers.entries()) {
      const count = Number(answer.rows[0]?.[0] ?? 0)
      if (count > 0)
        found.push(`${info.name} has ${count} rows of "${tables[at]?.name}" that are not its own`)
    }
  })
  return found.toSorted()
}

function conclude(output: Output, problems: readonly string[]): number {
  for (const problem of problems) output.tell({ event: 'problem', problem }, `! ${problem}`)
  const ok = problems.length === 0
  output.tell(
    { event: 'verified', ok },
    ok ? 'All is as it should be.' : 'Not all is as it should be.',
  )
  return ok ? exitCodes.done : exitCodes.refused
}

async function verifyKeyspace(
  options: VerifyOptions,
  keyspace: Keyspace,
  call: Call,
): Promise<number> {
  const { system, output, name } = options
  const parts = asked(options, name, keyspace)
  const [first] = parts
  if (first === undefined) return conclude(output, [])
  const tables = await tablesOf(system.open(first.shard), call)
  const progress = progressOf(output)
  progress.begin('reading', { total: 0 })
  const digests = await digestAll(options, { parts, tables, progress }, call)
  progress.stop()
  tellDigests(output, digests)
  const { shards } = keyspace
  const strays = await straysOf(options, { shards, tables }, call)
  const unknown: string[] = []
  await inWaves(shards, async (info) => {
    unknown.push(...(await unknownNames(system.open(info), name, call)))
  })
  return conclude(output, [...strays, ...unknown.toSorted()])
}

/** Both copies, row by row, while there are two. */
async function verifyCopies(
  { system, output }: VerifyOptions,
  move: Move,
  call: Call,
): Promise<number> {
  const { compared, differences } = await moverOf(system).verify(move.id, call)
  output.tell(
    { event: 'compared', job: move.id, rows: compared },
    `${move.id}: ${compared} rows compared`,
  )
  return conclude(
    output,
    differences.map(({ how, table: name, key }) => `${how} ${name} ${key}`),
  )
}

/** What is at the owner, and that nothing is left in the other database. */
async function verifyEnded(
  options: VerifyOptions,
  { move, keyspace }: { readonly move: Move; readonly keyspace: Keyspace },
  call: Call,
): Promise<number> {
  const { system, output } = options
  const { scope, source, target } = move.spec
  const other = shardIn(keyspace, move.phase === 'done' ? source : target)
  const map = slotMapOf(move.keyspace, keyspace)
  const parts =
    scope.kind === 'slots' ? wholeParts(map, keyspace, scope.slots) : partsOf(map, scope)
  const tables = await tablesOf(system.open(other), call)
  const progress = progressOf(output)
  progress.begin('reading', { total: 0 })
  const digests = await digestAll(options, { parts, tables, progress }, call)
  progress.stop()
  tellDigests(output, digests)
  const ownsNone = parts.every(({ shard }) => shard.name !== other.name)
  if (!ownsNone || spansOf(scope).length === 0) return conclude(output, [])
  const left = await countRows(system.open(other), { tables, scope }, call)
  const where =
    scope.kind === 'slots' ? `slots ${slotsText(scope.slots)}` : `${scope.lo}..${scope.hi}`
  return conclude(
    output,
    Object.entries(left)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${other.name} still has ${count} rows of "${name}" in ${where}`),
  )
}

/**
 * Content digests of a keyspace, or of a part of it, and whether each database holds only rows that it owns, which
 * name nothing that its reference tables have not; or of a
 * job: both copies row by row while there are two, and afterwards what the owner has and what the other has left. Reads
 * all of it. Answers the exit code.
 *
 * @throws UnknownShardError when there is no keyspace and no job of that name.
 */
export async function verify(options: VerifyOptions): Promise<number> {
  const { system, name } = options
  const call = rootCall('stoa verify')
  const topology = await readTopology(system, call)
  const keyspace = topology.keyspaces[name]
  if (keyspace !== undefined) return verifyKeyspace(options, keyspace, call)
  const move = await moverOf(system)
    .read(name, call)
    .catch((error: unknown) => {
      if (!isFault(error) || error.code !== 'move_not_found') throw error
      throw new UnknownShardError('keyspace or job', name, Object.keys(topology.keyspaces))
    })
  if (move.phase === 'checking' || move.phase === 'holding')
    return verifyCopies(options, move, call)
  return verifyEnded(options, { move, keyspace: keyspaceIn(topology, move.keyspace) }, call)
}
