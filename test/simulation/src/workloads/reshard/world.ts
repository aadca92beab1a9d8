import {
  type Call,
  createIds,
  type Rows,
  slotRange,
  slotText,
  ShardFencedError,
  sleep,
  type SqlShard,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import {
  cacheTopology,
  createRouter,
  evenSlots,
  type Router,
  type ShardInfo,
  type Topology,
  type TopologySource,
} from '@stoa/sharding'
import { type EngineOptions, openEngine } from '@stoa/test-engine'

import { type Database, runBatch, shardOf } from '../../core/database.ts'
import { never, type Process } from '../../core/process.ts'
import type { Simulation } from '../../core/simulation.ts'
import type { Change } from './mutants.ts'
import type { ReshardPlan } from './plans.ts'
import { ddlOf, metaSchema, type Schema } from './schema.ts'

export const keyspace = 'things'

/** A thing that clients write: an id, and through it a slot and an owner's prefix. */
export type Owner = { readonly id: string; readonly slot: number }

/** The databases, what lies in them, and how a process reaches them. */
export type World = {
  readonly simulation: Simulation
  readonly plan: ReshardPlan
  readonly shards: readonly Database[]
  readonly meta: Database
  readonly owners: readonly [Owner, ...Owner[]]
  database(name: string): Database
  /** One database as one process sees it. */
  reach(name: string, process: Process): SqlShard
  /** The keyspace as one process sees it, with a topology of its own that is as old as it may be. */
  route(process: Process, deliver?: Deliver): Router
  /** Settles when owners change the next time; for a process that is dead by then, never. */
  change(process: Process): Promise<void>
  /** Says that owners have changed. */
  changed(): void
  /** Runs one statement at once, past the network and its faults. */
  look(database: Database, sql: string, ...args: SqlValue[]): Promise<Rows['rows']>
  /** Moves that have begun and not ended. */
  openMoves(): Promise<number>
  /** Who owns what, and how far the moves are, for a message. */
  describe(): Promise<string>
  close(): void
}

function seedOf(name: string): ShardInfo {
  return { name, url: `memory:${name}`, incarnation: `inc-${name}` }
}

/** Of each shard one or two slots are lived in, by two owners each: others would only take time. */
function settle(simulation: Simulation, shards: readonly string[]): readonly [Owner, ...Owner[]] {
  const ids = createIds({ clock: simulation.scheduler.clock, random: simulation.random() })
  const place = ([at, owner]: readonly [number, string]): Owner => {
    const slot = Math.floor(((at + 0.5) * 16_384) / shards.length)
    return { slot, id: ids.rootAt(`${slotText(slot)}${owner}`) }
  }
  return [place([0, '00']), place([0, 'G0']), place([0, 'ZZ']), place([1, 'A5'])]
}

type Opening = {
  readonly schema: Schema
  readonly plan: ReshardPlan
  /** What a mutant takes away. */
  readonly change: Change
}

type EngineChoice = Omit<EngineOptions, 'schema'>

async function openShard(
  name: string,
  owners: readonly Owner[],
  { schema, change, plan, choice }: Opening & { readonly choice: EngineChoice },
): Promise<Database> {
  const engine = await openEngine({ ...choice, schema: ddlOf(schema, name, change.trigger) })
  const database: Database = {
    name,
    engine,
    ...(change.rewrite === undefined ? {} : { rewrite: change.rewrite }),
  }
  const pieces = [...new Set(owners.map(({ slot }) => slot))].map((slot): Statement => {
    const { from, to } = slotRange(slot)
    const sql = "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 1, 'serving')"
    return { sql, args: [from, to] }
  })
  const rows = owners.flatMap(({ id }): Statement[] => [
    { sql: 'INSERT INTO register (id, value) VALUES (?, 0)', args: [id] },
    { sql: 'INSERT INTO tally (slot, name, total) VALUES (?, ?, 0)', args: [id, 'all'] },
    { sql: 'INSERT INTO seat (id, owner_id, taker) VALUES (?, ?, 0)', args: [id, id] },
    {
      sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, created_at, expires_at)
SELECT ?, 'past', '', '/', value, '', 0, 0 FROM json_each(?)`,
      args: [
        id,
        JSON.stringify(Array.from({ length: plan.pastRows }, (_, index) => String(index))),
      ],
    },
  ])
  const meta: Statement = {
    sql: `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, ?)
ON CONFLICT (id) DO UPDATE SET shard = excluded.shard, incarnation = excluded.incarnation`,
    args: [name, seedOf(name).incarnation],
  }
  await runBatch(database, [meta, ...pieces, ...rows], 'write')
  return database
}

async function openMeta(topology: Topology, choice: EngineChoice): Promise<Database> {
  const engine = await openEngine({ ...choice, schema: metaSchema })
  const database: Database = { name: 'meta', engine }
  const sql = 'INSERT INTO topology (id, version, document, changed_at) VALUES (1, 1, ?, 0)'
  await runBatch(database, [{ sql, args: [JSON.stringify(topology.keyspaces)] }], 'write')
  return database
}

/** Reads the topology as the adapters do. */
function sourceOf(meta: SqlShard): TopologySource {
  return async (call: Call) => {
    const statement = { sql: 'SELECT version, document FROM topology WHERE id = 1', args: [] }
    const [rows] = await meta.batch([statement], 'read', call)
    const [version, document] = rows?.rows[0] ?? []
    const keyspaces = JSON.parse(String(document)) as Topology['keyspaces']
    return { version: Number(version), keyspaces }
  }
}

/** A prime, so that all kinds of lives are lived on it. */
const libsqlEvery = 101

/** One seed in 101 runs on libSQL itself, which takes four times as long; half of all have their rows turned round. */
function chooseEngine({ seed, chance }: Simulation): EngineChoice {
  return { name: seed % libsqlEvery === 0 ? 'libsql' : 'sqlite', isReversed: chance.happens(0.5) }
}

/** A batch that a router sends behind the fence, and the epoch at which it believes the piece. */
export type Delivery<T> = { readonly epoch: number; readonly send: () => Promise<T> }
type Deliver = <T>(delivery: Delivery<T>) => Promise<T>

/** The epoch in the first statement of a write, as the router binds it. */
function epochOf(statements: readonly Statement[]): number {
  const [, epoch] = statements[0]?.args ?? []
  if (typeof epoch === 'number') return epoch
  throw new TypeError('Cannot observe a write: its first statement is no guard of one key')
}

/** Notes which refusals of the fence were met: those that were not met prove nothing. */
function observed(shard: SqlShard, simulation: Simulation, deliver: Deliver): SqlShard {
  return {
    name: shard.name,
    batch: async (statements, mode, call) => {
      const send = () => shard.batch(statements, mode, call)
      try {
        if (mode === 'read') return await send()
        return await deliver({ epoch: epochOf(statements), send })
      } catch (error) {
        if (error instanceof ShardFencedError)
          simulation.sometimes(`a write met a piece that was ${error.state}`)
        throw error
      }
    },
  }
}

export async function openWorld(simulation: Simulation, opening: Opening): Promise<World> {
  const choice = chooseEngine(simulation)
  const names = ['a', 'b', 'c'].slice(0, 2 + simulation.chance.whole(2))
  const owners = settle(simulation, names)
  const slots = evenSlots(names)
  const topology: Topology = {
    version: 1,
    keyspaces: { [keyspace]: { shards: names.map(seedOf), slots } },
  }
  const shards: Database[] = []
  for (const name of names) {
    const range = slots.find(({ shard }) => shard === name)
    const own = owners.filter(({ slot }) => range && slot >= range.from && slot <= range.to)
    shards.push(await openShard(name, own, { ...opening, choice }))
  }
  const meta = await openMeta(topology, choice)
  const all = new Map([...shards, meta].map((database) => [database.name, database]))
  const database = (name: string): Database => {
    const found = all.get(name)
    if (found === undefined) throw new RangeError(`Cannot reach "${name}": there is none`)
    return found
  }
  const reach = (name: string, process: Process): SqlShard =>
    shardOf(database(name), process, simulation.network)
  const look: World['look'] = async (target, sql, ...args) => {
    const [rows] = await target.engine.transact([{ sql, args }], 'read')
    return rows?.rows ?? []
  }
  let next = Promise.withResolvers<void>()
  return {
    simulation,
    change: async (process) => {
      await next.promise
      if (!process.isAlive) await never()
    },
    changed: () => {
      next.resolve()
      next = Promise.withResolvers()
      simulation.network.stir()
    },
    plan: opening.plan,
    shards,
    meta,
    owners,
    database,
    reach,
    route: (process, deliver = ({ send }) => send()) =>
      createRouter({
        slots: cacheTopology(sourceOf(reach('meta', process))).slots(keyspace),
        open: ({ name }) => observed(reach(name, process), simulation, deliver),
        sleep: (ms, call) => sleep(ms, simulation.clockOf(process), call.signal),
      }),
    look,
    openMoves: async () => {
      const over = "('done', 'aborted', 'reversed')"
      const [row] = await look(meta, `SELECT count(*) FROM reshard_job WHERE phase NOT IN ${over}`)
      return Number(row?.[0])
    },
    describe: async () => {
      const moves = await look(meta, 'SELECT id, phase, note FROM reshard_job ORDER BY id')
      const pieces = await Promise.all(
        shards.map(async (shard) => {
          const rows = await look(shard, 'SELECT * FROM _slot_owner ORDER BY lo')
          return `${shard.name}: ${JSON.stringify(rows)}`
        }),
      )
      return [`running: ${simulation.names.join()}`, JSON.stringify(moves), ...pieces].join('\n')
    },
    close: () => {
      for (const each of all.values()) each.engine.close()
    },
  }
}
