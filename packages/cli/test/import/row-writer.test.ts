import { createClient } from '@libsql/client'
import { sqlShardOf } from '@stoa/adapters/libsql'
import {
  AmbiguousWriteError,
  rootCall,
  slotCount,
  slotRange,
  slotText,
  type SqlShard,
  type Statement,
} from '@stoa/kernel'
import { createRouter, type Router, slotMapOf } from '@stoa/sharding'
import { describe, expect, test } from 'vitest'

import type { MappedRow, Mapping } from '../../src/import/mapping.ts'
import { RowWriter } from '../../src/import/row-writer.ts'
import type { TargetTable } from '../../src/import/target.ts'
import { migrationsOf } from '../../src/index.ts'

const call = rootCall('test')
const half = slotCount / 2

const table: TargetTable = {
  name: 'thing',
  key: 'id',
  primaryKey: ['id'],
  columns: [],
  writesPerRow: 3,
}
const mapping: Mapping = {
  keyAt: 0,
  columns: ['id', 'label', 'size'].map((name) => ({
    name,
    rule: { column: name },
    type: 'any',
    isNotNull: false,
  })),
}

/** How a safeguard is taken away: what a shard is really asked. */
type Mutation = (statement: Statement) => Statement

/** Two databases of one keyspace, whose second half of the slots lives where the test says. */
async function openWorld(mutate: Mutation = (same) => same) {
  const shared = (await migrationsOf('users')).filter(({ name }) => name.includes('shared'))
  const clients = [0, 1].map(() => createClient({ url: ':memory:', intMode: 'bigint' }))
  const own = async (at: number, slots: readonly number[], state: string, peer?: string) => {
    const rows = slots.map((slot) => {
      const { from, to } = slotRange(slot)
      return [from, to, state, peer ?? null]
    })
    await clients[at]?.execute({
      sql: `INSERT OR REPLACE INTO _slot_owner (lo, hi, epoch, state, peer)
SELECT value ->> 0, value ->> 1, 1, value ->> 2, value ->> 3 FROM json_each(?)`,
      args: [JSON.stringify(rows)],
    })
  }
  const lower = Array.from({ length: half }, (_, slot) => slot)
  const upper = lower.map((slot) => slot + half)
  for (const [at, client] of clients.entries()) {
    for (const { sql } of shared) await client.executeMultiple(sql)
    await client.execute(
      `INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, 's${at}', 'one')`,
    )
    await client.execute(
      'CREATE TABLE thing (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, label TEXT, size INTEGER CHECK (size < 100), UNIQUE (id, label), UNIQUE (label))',
    )
    await own(at, at === 0 ? lower : upper, 'serving')
  }
  let upperAt = 1
  let fails: (shard: number) => 'before' | 'after' | undefined = () => undefined
  const shards = clients.map((client, at): SqlShard => {
    const real = sqlShardOf(client, `s${at}`)
    return {
      name: `s${at}`,
      batch: async (statements, mode, each) => {
        const isRows = statements.some(({ sql }) => sql.includes('"thing"'))
        const fault = mode === 'write' && isRows ? fails(at) : undefined
        if (fault === 'before') throw new Error('the process died')
        const rows = await real.batch(statements.map(mutate), mode, each)
        if (fault === 'after') throw new AmbiguousWriteError(`s${at}`)
        return rows
      },
    }
  })
  const read = () =>
    slotMapOf('k', {
      shards: [0, 1].map((at) => ({ name: `s${at}`, url: `memory:${at}`, incarnation: 'one' })),
      slots: [
        { from: 0, to: half - 1, shard: 's0', epoch: 1 },
        { from: half, to: slotCount - 1, shard: `s${upperAt}`, epoch: 1 },
      ],
    })
  let held = read()
  const router = (): Router =>
    createRouter({
      slots: {
        current: () => Promise.resolve(held),
        refresh: () => Promise.resolve((held = read())),
      },
      open: ({ name }) => shards[Number(name.slice(1))] ?? Promise.reject(new Error(name)),
      sleep: () => Promise.resolve(),
    } as Parameters<typeof createRouter>[0])
  return {
    writer: (job = 'job') => new RowWriter({ router: router(), job, table, mapping }),
    fail: (next: typeof fails) => {
      fails = next
    },
    /** Moves the upper half to the other database, rows and all; who has an old map still asks the old one. */
    move: async () => {
      const target = 1 - upperAt
      const { rows } = (await clients[upperAt]?.execute({
        sql: 'SELECT id, label, size FROM thing WHERE id >= ?',
        args: [slotText(half)],
      })) ?? { rows: [] }
      await own(upperAt, upper, 'handed_off', `s${target}`)
      await own(target, upper, 'serving')
      for (const row of rows)
        await clients[target]?.execute({
          sql: 'INSERT OR IGNORE INTO thing (id, label, size) VALUES (?, ?, ?)',
          args: [row['id'] ?? null, row['label'] ?? null, row['size'] ?? null],
        })
      await clients[upperAt]?.execute({
        sql: 'DELETE FROM thing WHERE id >= ?',
        args: [slotText(half)],
      })
      upperAt = target
    },
    sql: async (at: number, sql: string) => (await clients[at]?.execute(sql))?.rows ?? [],
    labels: async (at: number) =>
      ((await clients[at]?.execute('SELECT label FROM thing ORDER BY label'))?.rows ?? []).map(
        ({ label }) => (typeof label === 'string' ? label : ''),
      ),
  }
}

type World = Awaited<ReturnType<typeof openWorld>>

function rowOf(line: number, slot: number, label: string, size = 1): MappedRow {
  const key = `${slotText(slot)}${String(line).padStart(17, '0')}`
  return { line, key, values: [key, label, size] }
}

const four = [rowOf(1, 1, 'a'), rowOf(2, 2, 'b'), rowOf(3, half, 'c'), rowOf(4, half + 1, 'd')]

async function all(world: World): Promise<readonly string[]> {
  return [...(await world.labels(0)), ...(await world.labels(1))].toSorted()
}

/** What the writer promises, whatever happens. */
const promises = {
  lostReply: 'doubles nothing after a lost reply, and lets a row deleted meanwhile stay deleted',
  refusedRow: 'reports a row that a rule refuses, and takes the others',
  movedSlot: 'sends rows to where their slot is now, and never to where it was',
  otherContent: 'reports other content under the same key, and leaves it as it is',
  halfWritten: 'completes a batch half written when its process died, also when slots have moved',
}

/** What each scenario must see; anything else is a violation. */
const scenarios: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  [promises.lostReply]: async (world) => {
    let lost = 0
    world.fail(() => (lost++ === 0 ? 'after' : undefined))
    const first = await world.writer().write('b', four, call)
    await world.sql(0, "DELETE FROM thing WHERE label = 'a'")
    const again = await world.writer().write('b', four, call)
    const labels = await all(world)
    return [first.inserted, again.inserted, labels.join('')]
  },
  [promises.refusedRow]: async (world) => {
    const rows = [...four, rowOf(5, 3, 'a'), rowOf(6, half, 'e', 500)]
    const { inserted, rejected } = await world.writer().write('b', rows, call)
    const twice = await world.writer().write('b', rows, call)
    const labels = await all(world)
    return [
      inserted,
      rejected.map(({ line }) => line).join(),
      twice.rejected.length,
      labels.join(''),
    ]
  },
  [promises.movedSlot]: async (world) => {
    await world.move()
    const { inserted } = await world.writer().write('b', four, call)
    const [there, gone] = [await world.labels(0), await world.labels(1)]
    return [inserted, there.join(''), gone.join('')]
  },
  [promises.otherContent]: async (world) => {
    await world.writer('earlier').write('b', [rowOf(1, 1, 'old'), rowOf(2, 2, 'b')], call)
    const { inserted, existing, rejected } = await world.writer().write('b', four, call)
    const again = await world.writer().write('b', four, call)
    const labels = await all(world)
    return [
      inserted,
      existing,
      rejected.map(({ line }) => line).join(),
      again.existing,
      labels.join(''),
    ]
  },
  [promises.halfWritten]: async (world) => {
    world.fail((shard) => (shard === 1 ? 'before' : undefined))
    await expect(world.writer().write('b', four, call)).rejects.toThrow('died')
    world.fail(() => undefined)
    await world.move()
    await world.writer().write('b', four, call)
    const labels = await all(world)
    return labels.join('')
  },
}

const expected: Readonly<Record<string, unknown>> = {
  [promises.lostReply]: [4, 4, 'bcd'],
  [promises.refusedRow]: [4, '5,6', 2, 'abcd'],
  [promises.movedSlot]: [4, 'abcd', ''],
  [promises.otherContent]: [2, 1, '1', 1, 'bcdold'],
  [promises.halfWritten]: 'abcd',
}

/** The scenarios that go wrong under `mutate`. */
async function violations(mutate?: Mutation): Promise<readonly string[]> {
  const found: string[] = []
  for (const [name, run] of Object.entries(scenarios)) {
    const world = await openWorld(mutate)
    const outcome = await run(world).catch((error: unknown) => String(error))
    if (JSON.stringify(outcome) !== JSON.stringify(expected[name])) found.push(name)
  }
  return found
}

/** The protocol without one of its safeguards, and the promise that breaks. */
const mutants: Readonly<Record<string, { readonly mutate: Mutation; readonly breaks: string }>> = {
  'a second try is not recognised': {
    mutate: ({ sql, args }) => ({
      sql: sql.replace('INSERT INTO _import', 'INSERT OR REPLACE INTO _import'),
      args,
    }),
    breaks: promises.lostReply,
  },
  'every conflict is ignored, not only that of the key': {
    mutate: ({ sql, args }) => ({
      sql: sql.replace(/ON CONFLICT \(.*\) DO NOTHING/, 'ON CONFLICT DO NOTHING'),
      args,
    }),
    breaks: promises.refusedRow,
  },
  'refused rows are not kept in the record': {
    mutate: ({ sql, args }) => ({
      sql,
      args: sql.includes('INSERT INTO _import') ? args.with(2, '[]') : args,
    }),
    breaks: promises.refusedRow,
  },
  'nobody asks the shard whether it owns the keys': {
    mutate: (statement) =>
      statement.sql.includes('_guard') ? { sql: 'SELECT 1', args: [] } : statement,
    breaks: promises.movedSlot,
  },
  'rows that were there before are not looked at': {
    mutate: ({ sql, args }) => ({ sql: sql.replace('WHERE EXISTS', 'WHERE 0 AND EXISTS'), args }),
    breaks: promises.otherContent,
  },
  'a record names the batch, and not which of its rows': {
    mutate: ({ sql, args }) => ({
      sql,
      args: sql.includes('_import')
        ? args.map((value) => (typeof value === 'string' ? value.replace(/^b\/.*/, 'b') : value))
        : args,
    }),
    breaks: promises.halfWritten,
  },
}

describe('RowWriter', () => {
  test.each(Object.entries(scenarios))('%s', async (name, run) => {
    expect(await run(await openWorld())).toEqual(expected[name])
  })

  test('reports the second of two lines that give one key other content', async () => {
    const world = await openWorld()
    const twin = { ...rowOf(9, 1, 'other'), key: four[0]?.key ?? '' }
    const twins = [...four, { ...four[0], line: 8 } as MappedRow]
    const other = { ...twin, values: [twin.key, 'other', 1] }

    const { inserted, existing, rejected } = await world
      .writer()
      .write('b', [...twins, other], call)

    expect([inserted, existing]).toEqual([4, 1])
    expect(rejected).toEqual([
      { line: 9, reason: 'conflict: line 1 has the same key and other content' },
    ])
  })

  test('writes rows that one statement cannot bind as several', async () => {
    const world = await openWorld()
    const rows = Array.from({ length: 1_234 }, (_, at) => rowOf(at, at % half, `label ${at}`))

    expect(await world.writer().write('b', rows, call)).toMatchObject({ inserted: 1_234 })
    expect((await all(world)).length).toBe(1_234)
  })

  test.each(Object.entries(mutants))(
    'would be caught when %s',
    async (name, { mutate, breaks }) => {
      const found = await violations(mutate)

      process.stdout.write(`mutant caught: ${name} (${found.length} scenarios)\n`)
      expect(found).toContain(breaks)
    },
  )
})
