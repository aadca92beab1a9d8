import { type Call, type SqlShard, systemClock } from '@stoa/kernel'
import { defaultLimits } from '@stoa/resharding'
import type { Keyspace } from '@stoa/sharding'

import { type Output, table } from './output.ts'
import { slotsText } from './ranges.ts'
import { shardIn, type System } from './system.ts'
import { countRows, type ShardedTable } from './tables.ts'
import { scopesOfStep } from './units.ts'
import type { Step, Wish } from './wish.ts'

/** What a move would cost. */
export type Estimate = {
  readonly step: Step
  readonly tables: Readonly<Record<string, number>>
  readonly rows: number
  /** At the target one for a row and one for each of its index entries, at the source one for a deleted row. */
  readonly billedWrites: number
  /** How long writes to the keys wait, in milliseconds, when nothing else is slow. */
  readonly pauseMs: number
  /** Of many slots several are made: each pauses its own alone. */
  readonly parts: number
}

/** US dollars for a million row writes, about what Turso asks. */
const dollarsPerMillion = 1
/** From the freeze until the copy serves. */
const pauseRoundTrips = 4
const probes = 3

/** The median time of a round trip, in milliseconds. */
async function roundTripMs(shard: SqlShard, call: Call): Promise<number> {
  const times: number[] = []
  for (let probe = 0; probe < probes; probe += 1) {
    const begun = systemClock.now()
    await shard.batch([{ sql: 'SELECT 1', args: [] }], 'read', call)
    times.push(systemClock.now() - begun)
  }
  return times.toSorted((one, other) => one - other)[1] ?? 0
}

/** Counts what a step moves. Four round trips to its source, one of which counts. */
export async function estimate(
  { open }: Pick<System, 'open'>,
  {
    step,
    keyspace,
    tables,
  }: {
    readonly step: Step
    readonly keyspace: Keyspace
    readonly tables: readonly ShardedTable[]
  },
  call: Call,
): Promise<Estimate> {
  const source = open(shardIn(keyspace, step.from))
  const counts = await countRows(source, { tables, scope: step.scope }, call)
  const sum = (of: (table: ShardedTable) => number) =>
    tables.reduce((total, each) => total + (counts[each.name] ?? 0) * of(each), 0)
  return {
    step,
    tables: Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    rows: sum(() => 1),
    billedWrites: sum(({ writesPerRow }) => writesPerRow + 1),
    parts: scopesOfStep(step, keyspace).length,
    pauseMs: Math.ceil(pauseRoundTrips * Math.max(1, await roundTripMs(source, call))),
  }
}

function scopeText({ step: { scope }, parts }: Estimate): string {
  if (scope.kind === 'range') return `${scope.lo}..${scope.hi}`
  const text = slotsText(scope.slots)
  const ranges = text.length <= 24 ? text : `${text.slice(0, 20)}…`
  const moves = parts === 1 ? '' : ` in ${parts} moves`
  return `${scope.slots.length.toLocaleString('en')} slots (${ranges})${moves}`
}

function scopeEvent({ scope }: Step): Readonly<Record<string, string>> {
  return scope.kind === 'slots'
    ? { slots: slotsText(scope.slots) }
    : { range: `${scope.lo}..${scope.hi}` }
}

function dollars(writes: number): number {
  return Math.round((writes * dollarsPerMillion) / 10_000) / 100
}

/** Shows the plan. */
export function tellPlan(
  output: Output,
  {
    wish,
    newShards,
    estimates,
  }: {
    readonly wish: Wish
    readonly newShards: readonly string[]
    readonly estimates: readonly Estimate[]
  },
): void {
  const rows = estimates.reduce((sum, each) => sum + each.rows, 0)
  const billedWrites = estimates.reduce((sum, each) => sum + each.billedWrites, 0)
  const pauseMsMax = defaultLimits.freezeMs
  const moves = estimates.map(({ step, ...rest }) => ({
    from: step.from,
    to: step.to,
    ...scopeEvent(step),
    ...rest,
    pauseMsMax,
  }))
  const { verb, keyspace } = wish
  const event = { event: 'plan', verb, keyspace, newShards, moves, rows, billedWrites }
  const lines = estimates.map((each) => [
    `${each.step.from} -> ${each.step.to}`,
    scopeText(each),
    each.rows,
    each.billedWrites,
    `${each.pauseMs} ms`,
  ])
  const head = ['move', 'what', 'rows', 'billed writes', 'pause, about']
  const text = [
    `Plan: ${verb} in "${keyspace}": ${rows.toLocaleString('en')} rows, about ${billedWrites.toLocaleString('en')} billed writes ($${dollars(billedWrites).toFixed(2)}); a freeze of more than ${pauseMsMax.toLocaleString('en')} ms is lifted`,
    ...(newShards.length === 0 ? [] : [`New databases: ${newShards.join(', ')}`]),
    table([head, ...lines]),
  ]
  output.tell({ ...event, dollars: dollars(billedWrites) }, text.join('\n'))
}
