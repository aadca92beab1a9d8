import { type QueueMessage, type QueuePort, QueueUnavailableError } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createCircuits, publishEvents, sweepOutbox } from '../src/index.ts'
import { claimEvents } from '../src/outbox.ts'
import { call } from './databases.ts'
import { clock, idIn, idsIn, registered } from './harness.ts'
import { claim, leave, type Left, pruneRules, sweepRules } from './rules.ts'
import { publicUrl, World } from './world.ts'

let world: World
beforeEach(async () => {
  world = await World.open()
})
afterEach(() => world.close())

function first<T>(list: readonly T[]): T {
  const [item] = list
  if (item === undefined) throw new Error('The list is empty')
  return item
}

describe('a claim', () => {
  test('holds its rules', async () => {
    await expect(sweepRules((sql) => sql)).resolves.toBeUndefined()
  })

  test('takes of each key a run from its first, and something whenever anything may be taken', async () => {
    const database = first(world.databases)
    const now = 1_000
    const row = fc.record({
      key: fc.integer({ min: 0, max: 3 }),
      nextAt: fc.integer({ min: 995, max: 1_003 }),
      isLeased: fc.boolean(),
    })
    const keys = Array.from({ length: 4 }, () => world.aggregate(0))
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 24 }),
        fc.integer({ min: 1, max: 6 }),
        async (rows, limit) => {
          await database.run('DELETE FROM outbox')
          const left = rows.map(({ key, nextAt, isLeased }, index): Left => ({
            okey: keys[key] ?? '',
            seq: index + 1,
            nextAt,
            // One in eight, or nothing would ever be free.
            leaseUntil: isLeased && index % 4 === 0 ? 2_000 : 0,
          }))
          await leave(world, database, left)
          const isFree = ({ nextAt, leaseUntil = 0 }: Left) => nextAt <= now && leaseUntil <= now

          const claimed = await claim(database, 'w', now, limit)

          expect(claimed.length).toBeLessThanOrEqual(limit)
          for (const key of keys) {
            const all = left.filter(({ okey }) => okey === key)
            const taken = claimed
              .filter(({ event }) => event.key === key)
              .map(({ event }) => event.seq)
            expect(taken).toEqual(all.slice(0, taken.length).map(({ seq }) => seq))
            expect(all.slice(0, taken.length).every(isFree)).toBe(true)
          }
          const heads = keys.flatMap((key) => left.filter(({ okey }) => okey === key).slice(0, 1))
          expect(claimed.length > 0).toBe(heads.some(isFree))
        },
      ),
      { numRuns: 150 },
    )
  })

  test('goes past a key that waits, however many stand behind its first', async () => {
    const database = first(world.databases)
    const [stuck, free] = [world.aggregate(0), world.aggregate(0)]
    const behind = Array.from({ length: 300 }, (_, index) => ({
      okey: stuck,
      seq: index + 2,
      nextAt: 1,
    }))
    await leave(world, database, [
      { okey: stuck, seq: 1, nextAt: 2_000 },
      ...behind,
      { okey: free, seq: 1, nextAt: 900 },
    ])

    const before = await claim(database, 'w', 1_000)
    const after = await claim(database, 'w', 2_000)

    expect(before.map(({ event }) => event.key)).toEqual([free])
    expect(after.map(({ event }) => event.seq)).toEqual([1])
  })

  test('finds the first of a key by its index, however many were sent', async () => {
    const { sql, args } = claimEvents({ worker: 'w', now: 1, leaseMs: 1, limit: 100 })
    // What the statement looks for, without what it then does: the engine explains no UPDATE in a batch.
    const search = sql
      .replace(/UPDATE [\s\S]*?WHERE id IN \(/, '')
      .replace(/\)\s*RETURNING[\s\S]*/, '')
    const database = first(world.databases)
    const explain = { sql: `EXPLAIN QUERY PLAN ${search}`, args: args.slice(0, 4) }
    const [plan] = await database.batch([explain], 'read', call)
    const steps = (plan?.rows ?? []).map((row) => String(row[3]))

    for (const alias of ['head', 'left_out'])
      expect(steps).toContainEqual(expect.stringMatching(`SEARCH ${alias} USING .*outbox_left`))
    expect(steps).toContainEqual(expect.stringMatching('SEARCH one USING INDEX outbox_ready'))
  })
})

describe('a sweep', () => {
  test('ends after two thousand events, and says that there are more', async () => {
    const database = first(world.databases)
    const keys = Array.from({ length: 50 }, () => world.aggregate(0))
    const all = keys.flatMap((okey) =>
      Array.from({ length: 41 }, (_, index) => ({ okey, seq: index + 1, nextAt: index })),
    )
    await database.run(
      'CREATE TABLE given AS SELECT value FROM json_each(?)',
      JSON.stringify(all.map((row) => ({ ...row, id: world.ids.child(row.okey) }))),
    )
    await database.run(`INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at)
SELECT value ->> 'id', 'post', 'post.created', value ->> 'okey', value ->> 'seq', '{}', 1, value ->> 'nextAt' FROM given`)
    const messages: QueueMessage[] = []
    const queue: QueuePort = {
      publish: async (given) => {
        messages.push(...given)
        return given.map(() => ({ messageId: 'm', deduplicated: false }))
      },
    }
    const deps = { queue, publicUrl, clock: world.clock, worker: 'w' }

    const report = await sweepOutbox(database, deps, call)
    const rest = await sweepOutbox(database, deps, call)

    expect(report).toMatchObject({ published: 2_000, failed: 0, hasMore: true })
    expect(rest).toMatchObject({ published: 50, failed: 0, hasMore: false })
    const social = messages.filter(({ url }) => url.endsWith('social'))
    const bodies = social.flatMap(
      ({ body }) => (JSON.parse(body) as { events: { key: string; seq: number }[] }).events,
    )
    for (const key of keys)
      expect(bodies.filter((event) => event.key === key).map(({ seq }) => seq)).toEqual(
        Array.from({ length: 41 }, (_, index) => index + 1),
      )
  })
})

describe('publishEvents', () => {
  test('finds the one event for which the queue refuses a whole batch, and publishes all others', async () => {
    const events = Array.from({ length: 130 }, () => registered(idIn(5)))
    const bad = events[77]?.id ?? ''
    const taken: QueueMessage[] = []
    let calls = 0
    const queue: QueuePort = {
      publish: async (messages) => {
        calls += 1
        if (messages.some(({ body }) => body.includes(bad)))
          throw new QueueUnavailableError('rejected')
        taken.push(...messages)
        return messages.map(() => ({ messageId: 'm', deduplicated: false }))
      },
    }

    const { published, failed } = await publishEvents(events, { queue, publicUrl }, call)

    expect(failed).toEqual([{ id: bad, error: 'rejected', isRefused: true }])
    expect(published).toHaveLength(129)
    expect(taken.flatMap(idsIn).toSorted()).toEqual([...published].toSorted())
    expect(calls).toBeLessThan(20)
  })

  test.each(['network', 'rate_limited', 'unauthorized'] as const)(
    'blames no event when the queue is not there (%s)',
    async (reason) => {
      const queue: QueuePort = { publish: () => Promise.reject(new QueueUnavailableError(reason)) }

      await expect(
        publishEvents([registered(idIn(5))], { queue, publicUrl }, call),
      ).rejects.toMatchObject({ code: 'queue_unavailable', reason })
    },
  )
})

describe('the clean-up', () => {
  test('holds its rules', async () => {
    await expect(pruneRules((sql) => sql)).resolves.toBeUndefined()
  })
})

describe('a circuit', () => {
  test('opens at the third failure in a row, for twice as long each time, at most fifteen minutes', () => {
    const circuits = createCircuits(clock)
    const waits: number[] = []
    for (let failures = 1; failures <= 9; failures += 1) {
      circuits.failed('a')
      let waited = 0
      for (; !circuits.isClosed('a'); waited += 1) clock.advance(60_000)
      waits.push(waited)
    }

    expect(waits).toEqual([0, 0, 1, 2, 4, 8, 15, 15, 15])
    circuits.failed('a')
    expect([circuits.isClosed('a'), circuits.isClosed('b')]).toEqual([false, true])
    circuits.succeeded('a')
    expect(circuits.isClosed('a')).toBe(true)
  })
})
