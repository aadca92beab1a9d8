import { type Call, rootCall, sleep, type SqlShard, type Statement } from '@stoa/kernel'
import { type EngineOptions, openEngine } from '@stoa/test-engine'
import { afterEach, describe, expect, test } from 'vitest'

import { createChance } from '../src/core/chance.ts'
import { type Database, runBatch, shardOf } from '../src/core/database.ts'
import { type Faults, noFaults } from '../src/core/faults.ts'
import { Heap } from '../src/core/heap.ts'
import { Process } from '../src/core/process.ts'
import { Simulation } from '../src/core/simulation.ts'

const call = rootCall('test')
const insert: Statement = { sql: 'INSERT INTO t (x) VALUES (1)', args: [] }
const open: Database[] = []

afterEach(() => {
  for (const { engine } of open.splice(0)) engine.close()
})

/** A world with one table in one database, and the faults that a test wants. */
async function openWorld(faults: Partial<Faults>, name: EngineOptions['name'] = 'sqlite') {
  const simulation = new Simulation(1, {
    keepsTrace: true,
    faults: () => ({ ...noFaults, ...faults }),
  })
  const schema = 'CREATE TABLE t (n INTEGER PRIMARY KEY, x INTEGER NOT NULL UNIQUE)'
  const database: Database = { name: 'd', engine: await openEngine({ name, schema }) }
  open.push(database)
  const rows = async () => {
    const [found] = await runBatch(database, [{ sql: 'SELECT x FROM t', args: [] }], 'read')
    return found?.rows ?? []
  }
  const reach = (process: Process): SqlShard => shardOf(database, process, simulation.network)
  return { simulation, database, rows, reach }
}

/** Lets one process do `work` and gives what it threw, or its answer, or that it never ended. */
async function outcome(
  simulation: Simulation,
  work: () => Promise<unknown>,
  ms = 60_000,
): Promise<unknown> {
  let ended: unknown = 'never'
  work().then(
    (answer) => (ended = answer),
    (error: unknown) => (ended = error),
  )
  await simulation.until(() => false, ms)
  return ended
}

describe('the heap', () => {
  test('gives back the least first, whatever it was given', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const chance = createChance(seed)
      const items = Array.from({ length: chance.whole(60) }, () => chance.whole(20))
      const heap = new Heap<number>((a, b) => a < b)
      for (const item of items) heap.push(item)

      const popped = items.map(() => heap.pop())

      expect(popped).toEqual(items.toSorted((a, b) => a - b))
      expect(heap.pop()).toBeUndefined()
    }
  })
})

describe('the scheduler', () => {
  test('runs events in order of time, and lets every promise settle between two', async () => {
    const { scheduler } = new Simulation(1)
    const seen: string[] = []
    const ripple = async (name: string) => {
      for (let depth = 0; depth < 50; depth += 1) await Promise.resolve()
      seen.push(name)
    }
    scheduler.after(20, 'b', () => void ripple('b'))
    scheduler.after(10, 'a', () => void ripple('a'))
    scheduler.after(15, 'x', () => seen.push('x')).cancel()

    await scheduler.drive(() => seen.length === 2, 1_000)

    expect(seen).toEqual(['a', 'b'])
    expect(scheduler.elapsedMs).toBe(20)
  })

  test('orders events of one moment by the seed', async () => {
    const orders = new Set<string>()
    for (let seed = 1; seed <= 60; seed += 1) {
      const { scheduler } = new Simulation(seed)
      const seen: string[] = []
      for (const name of ['a', 'b', 'c']) scheduler.after(5, name, () => seen.push(name))
      await scheduler.drive(() => false, 1_000)
      orders.add(seen.join(''))
    }

    expect([...orders].toSorted()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])
  })

  test('stops at the deadline, and goes on from there', async () => {
    const simulation = new Simulation(1)
    const process = new Process('p')
    let woken = false
    void sleep(500, simulation.clockOf(process), call.signal).then(() => (woken = true))

    expect(await simulation.until(() => woken, 499)).toBe(false)
    expect(await simulation.until(() => woken, 2)).toBe(true)
  })

  test('never wakes a dead process', async () => {
    const simulation = new Simulation(1)
    const process = new Process('p')
    const ended = outcome(simulation, () =>
      sleep(500, simulation.clockOf(process), call.signal).then(() => 'woken'),
    )
    process.kill()

    expect(await ended).toBe('never')
  })
})

describe.each(['sqlite', 'libsql'] as const)('a database of %s behind the network', (engine) => {
  const write = (shard: SqlShard, asked: Call = call) => shard.batch([insert], 'write', asked)

  test('answers as the port says when nothing goes wrong', async () => {
    const { simulation, reach, rows } = await openWorld({}, engine)
    const shard = reach(new Process('p'))
    const query: Statement = { sql: 'SELECT x, 2.5 AS y, NULL AS z FROM t WHERE x = ?', args: [1] }

    const answers = await outcome(simulation, async () => [
      await write(shard),
      await shard.batch([query], 'read', call),
    ])

    expect(answers).toMatchObject([
      [{ rowsAffected: 1 }],
      [{ columns: ['x', 'y', 'z'], rows: [[1, 2.5, null]] }],
    ])
    expect(await rows()).toEqual([[1]])
  })

  test('says which rule was broken, and writes nothing of the batch', async () => {
    const { simulation, reach, rows } = await openWorld({}, engine)
    const shard = reach(new Process('p'))

    const error = await outcome(simulation, () => shard.batch([insert, insert], 'write', call))

    expect(error).toMatchObject({ code: 'sql_constraint', type: 'unique', constraint: 't.x' })
    expect(await rows()).toEqual([])
  })

  test.each([
    ['lost on the way', { lostRequest: 1 }, 'ambiguous_write', 0],
    ['answered into the void', { lostReply: 1 }, 'ambiguous_write', 1],
    ['refused', { refused: 1 }, 'shard_unavailable', 0],
    ['turned away', { busy: 1 }, 'shard_busy', 0],
  ] as const)('leaves a write that is %s as it must', async (_, faults, code, written) => {
    const { simulation, reach, rows } = await openWorld(faults, engine)

    const error = await outcome(simulation, () => write(reach(new Process('p'))))

    expect(error).toMatchObject({ code })
    expect(await rows()).toHaveLength(written)
  })

  test('runs a doubled request twice, and answers once', async () => {
    const { simulation, database, reach } = await openWorld({ duplicate: 1 }, engine)
    const outcomes: string[] = []
    Object.assign(database, { watch: (_: unknown, how: string) => outcomes.push(how) })

    await outcome(simulation, () => write(reach(new Process('p'))))

    expect(outcomes).toHaveLength(2)
    expect(outcomes).toContain('ok')
  })

  test('keeps the second of two requests until something has changed', async () => {
    const { simulation, database, reach } = await openWorld({ duplicate: 1, held: 1 }, engine)
    const outcomes: string[] = []
    Object.assign(database, { watch: (_: unknown, how: string) => outcomes.push(how) })
    await outcome(simulation, () => write(reach(new Process('p'))), 1_000)
    expect(outcomes).toEqual(['ok'])

    for (let changes = 0; changes < 12; changes += 1) simulation.network.stir()
    await simulation.until(() => false, 200)

    expect(outcomes).toHaveLength(2)
  })

  test('takes the request of a process that dies after sending it, and never wakes the process', async () => {
    const { simulation, reach, rows } = await openWorld({}, engine)
    const process = new Process('p')
    const shard = reach(process)

    const ended = await outcome(simulation, () => {
      const writing = write(shard)
      process.kill()
      return writing
    })

    expect(ended).toBe('never')
    expect(await rows()).toHaveLength(1)
  })

  test('sends nothing for a dead process', async () => {
    const { simulation, reach, rows } = await openWorld({}, engine)
    const process = new Process('p')
    process.kill()

    expect(await outcome(simulation, () => write(reach(process)))).toBe('never')
    expect(await rows()).toEqual([])
  })

  test('lets a caller go when it gives up, and still takes what it sent', async () => {
    const { simulation, reach, rows } = await openWorld({}, engine)
    const hangUp = new AbortController()
    const shard = reach(new Process('p'))

    const error = await outcome(simulation, () => {
      const writing = write(shard, { requestId: 'r', signal: hangUp.signal })
      hangUp.abort(new Error('gone'))
      return writing
    })

    expect(error).toMatchObject({ code: 'ambiguous_write' })
    expect(await rows()).toHaveLength(1)
  })
})

describe('a process', () => {
  test('starts again after it was killed, until its work is done', async () => {
    const { simulation, reach, rows } = await openWorld({ kill: 0.4, duplicate: 0.3 })
    let lives = 0
    simulation.spawn('p', async (process) => {
      lives += 1
      for (let value = 1; value <= 5; value += 1) {
        const sql = 'INSERT INTO t (x) VALUES (?) ON CONFLICT DO NOTHING'
        await reach(process).batch([{ sql, args: [value] }], 'write', call)
      }
    })

    expect(await simulation.until(() => simulation.running === 0, 600_000)).toBe(true)
    expect(lives).toBeGreaterThan(1)
    expect(await rows()).toHaveLength(5)
  })

  test('is a violation when it throws', async () => {
    const simulation = new Simulation(1)
    simulation.spawn('p', () => Promise.reject(new Error('a bug')))

    await simulation.until(() => false, 1_000)

    expect(simulation.violation).toMatchObject({ kind: 'crash' })
  })
})
