import {
  rootCall,
  ShardFencedError,
  slotCount,
  slotRange,
  slotText,
  type Statement,
  type SqlValue,
} from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { inWaves, SplitWriteError } from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet

/** A slot of each database. */
const [low, high] = [5, 16_000]

const insert = (slot: number, text: string): Statement => ({
  sql: 'INSERT INTO lookup (slot, kind, text, owner_id, claimed_at) VALUES (?, ?, ?, ?, 1)',
  args: [slotText(slot), 'k', text, '0'.repeat(20)],
})
const select = (slot: number, column = 'text'): Statement => ({
  sql: `SELECT ${column} AS found FROM lookup WHERE slot = ?`,
  args: [slotText(slot)],
})
const own = (name: 'a' | 'b', slot: number, row: readonly [string, number, (string | null)?]) =>
  fleet[name].run(
    `INSERT INTO _slot_owner (state, epoch, peer, lo, hi) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lo) DO UPDATE SET state = excluded.state, epoch = excluded.epoch, peer = excluded.peer`,
    row[0],
    row[1],
    row[2] ?? null,
    slotText(slot),
    slotRange(slot).to,
  )
const texts = (name: 'a' | 'b') => fleet[name].run('SELECT text FROM lookup ORDER BY text')

/** Moves slot `low` from a to b, as the mover does; the topology tells it only when `publish`. */
async function handOff(publish = true): Promise<void> {
  await own('a', low, ['handed_off', 2, 'b'])
  await own('b', low, ['serving', 2])
  if (!publish) return
  const { shards, slots } = fleet.topology.keyspaces['things'] ?? { shards: [], slots: [] }
  const [first, second] = slots
  if (first === undefined || second === undefined) throw new Error('there are two ranges')
  const moved = [
    { ...first, to: low - 1 },
    { from: low, to: low, shard: 'b', epoch: 2 },
    { ...first, from: low + 1 },
    second,
  ]
  fleet.topology = { version: 2, keyspaces: { things: { shards, slots: moved } } }
}

beforeEach(async () => {
  fleet = await openFleet()
})
afterEach(() => fleet.close())

describe('a write', () => {
  test('goes to the owner, in one batch, and gives only the rows of its own statements', async () => {
    const rows = await fleet.router.write(high, [insert(high, 'x'), select(high)], call)

    expect(rows.map((each) => each.rows)).toEqual([[], [['x']]])
    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([0, 1])
  })

  test('follows a slot that was handed off, and leaves nothing behind', async () => {
    await fleet.router.write(low, [insert(low, 'before')], call)
    await handOff()

    await fleet.router.write(low, [insert(low, 'after')], call)

    expect(await texts('a')).toEqual([['before']])
    expect(await texts('b')).toEqual([['after']])
    expect([fleet.reads, fleet.slept]).toEqual([2, []])
  })

  test('follows the peer at once, though the topology does not tell of the hand-off', async () => {
    await fleet.router.write(low, [insert(low, 'before')], call)
    await handOff(false)

    await fleet.router.write(low, [insert(low, 'after')], call)
    const { rows } = await fleet.router.read(low, select(low), call)

    expect(await texts('b')).toEqual([['after']])
    expect(rows).toEqual([['after']])
    expect(fleet.slept).toEqual([])
  })

  test('follows the peer when the meta database is gone', async () => {
    await fleet.router.write(low, [insert(low, 'before')], call)
    await handOff(false)
    fleet.isMetaGone = true

    await fleet.router.write(low, [insert(low, 'after')], call)

    expect(await texts('b')).toEqual([['after']])
  })

  test('waits for a peer that was named and has not opened yet', async () => {
    await handOff(false)
    await own('b', low, ['importing', 1])
    fleet.onSleep = async () => {
      if (fleet.slept.length === 2) await own('b', low, ['serving', 2])
    }

    await fleet.router.write(low, [insert(low, 'after')], call)

    expect(await texts('b')).toEqual([['after']])
    expect(fleet.slept).toEqual([25, 50])
  })

  test('takes the word of a shard that serves at an epoch the map does not know', async () => {
    await own('a', low, ['serving', 9])

    await fleet.router.write(low, [insert(low, 'x')], call)

    expect(await texts('a')).toEqual([['x']])
  })

  test('waits while the slot is frozen, each time longer, and is done when it thaws', async () => {
    await own('a', low, ['frozen', 1])
    fleet.onSleep = async () => {
      if (fleet.slept.length === 3) await own('a', low, ['serving', 1])
    }

    await fleet.router.write(low, [insert(low, 'x')], call)

    expect(await texts('a')).toEqual([['x']])
    expect(fleet.slept).toEqual([25, 50, 100])
  })

  test('gives up on a slot that stays frozen for two seconds, having written nothing', async () => {
    await own('a', low, ['frozen', 1])

    await expect(fleet.router.write(low, [insert(low, 'x')], call)).rejects.toMatchObject({
      code: 'shard_fenced',
      state: 'frozen',
    })

    expect(await texts('a')).toEqual([])
    expect(fleet.slept.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(2_000)
  })

  test('ends with its call while it waits', async () => {
    await own('a', low, ['frozen', 1])
    const hungUp = new AbortController()
    fleet.onSleep = async () => hungUp.abort(new Error('hung up'))

    const writing = fleet.router.write(low, [insert(low, 'x')], {
      ...rootCall('t'),
      signal: hungUp.signal,
    })

    await expect(writing).rejects.toThrow('hung up')
  })

  test.each([
    ['a slot that nobody has', undefined],
    ['a slot that is still being copied', ['importing', 1]],
  ] as const)('stops at %s', async (_what, row) => {
    if (row === undefined) await fleet.a.run('DELETE FROM _slot_owner WHERE lo = ?', slotText(low))
    else await own('a', low, row)

    await expect(fleet.router.write(low, [insert(low, 'x')], call)).rejects.toThrow(
      ShardFencedError,
    )

    expect(await texts('a')).toEqual([])
  })

  test('stops at a copy of the database', async () => {
    await fleet.a.run("UPDATE _shard_meta SET incarnation = 'copy'")

    await expect(fleet.router.write(low, [insert(low, 'x')], call)).rejects.toMatchObject({
      state: 'clone',
    })
  })

  test('of many slots commits all or nothing', async () => {
    await own('a', low + 1, ['frozen', 1])

    const writing = fleet.router.writeAll(
      [low, low + 1],
      [insert(low, 'x'), insert(low + 1, 'y')],
      call,
    )

    await expect(writing).rejects.toMatchObject({ slot: low + 1, state: 'frozen' })
    expect(await texts('a')).toEqual([])
  })

  test('of slots in two shards is refused before anything is sent', async () => {
    const writing = fleet.router.writeAll([low, high], [insert(low, 'x')], call)

    await expect(writing).rejects.toThrow(SplitWriteError)
    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([0, 0])
  })

  test('whose slots parted between grouping and writing is refused, and written nowhere', async () => {
    const slots = [low, low + 1]
    expect(await fleet.router.groups(slots, (slot) => slot, call)).toEqual([slots])
    await handOff()

    const writing = fleet.router.writeAll(
      slots,
      slots.map((slot) => insert(slot, 'x')),
      call,
    )

    await expect(writing).rejects.toMatchObject({ code: 'split_write', retryable: true })
    expect([await texts('a'), await texts('b')]).toEqual([[], []])
  })

  test('is refused without a slot', async () => {
    await expect(fleet.router.writeAll([], [insert(low, 'x')], call)).rejects.toThrow(RangeError)
  })

  test('is not repeated when its reply is lost: that is for whoever knows how', async () => {
    fleet.a.spoil('reply')

    await expect(fleet.router.write(low, [insert(low, 'x')], call)).rejects.toMatchObject({
      code: 'ambiguous_write',
    })
    expect(fleet.a.sent).toHaveLength(1)
  })

  test('carries riders at its end, which do not show in its rows', async () => {
    const taken: string[] = []
    fleet.close()
    fleet = await openFleet((shard) => {
      taken.push(shard)
      return [insert(low, 'rider')]
    })

    const rows = await fleet.router.write(low, [select(low)], call)

    expect(rows.map((each) => each.rows)).toEqual([[]])
    expect([taken, await texts('a')]).toEqual([['a'], [['rider']]])
  })
})

describe('a read', () => {
  test('gives the rows of the owner, in one round trip', async () => {
    await fleet.router.write(low, [insert(low, 'x'), insert(low, 'y')], call)
    fleet.a.sent.length = 0

    const rows = await fleet.router.read(low, select(low), call)

    expect(rows).toEqual({ columns: ['found'], rows: [['x'], ['y']], rowsAffected: 0 })
    expect(fleet.a.sent).toHaveLength(1)
  })

  test('tells nothing found from a row of nulls', async () => {
    await fleet.router.write(low, [insert(low, 'x')], call)

    const nulls = await fleet.router.read(low, select(low, 'NULL'), call)
    const nothing = await fleet.router.read(low + 1, select(low + 1, 'NULL'), call)

    expect([nulls.rows, nothing.rows]).toEqual([[[null]], []])
    expect(nothing.columns).toEqual(['found'])
  })

  test('keeps the order of a limited list', async () => {
    const all = Array.from({ length: 50 }, (_, index) => String(index).padStart(2, '0'))
    await fleet.router.write(
      low,
      all.map((text) => insert(low, text)),
      call,
    )
    const { sql, args } = select(low)
    const newest = { sql: `${sql} ORDER BY text DESC LIMIT 10`, args }

    const { rows } = await fleet.router.read(low, newest, call)

    expect(rows.flat()).toEqual(all.toReversed().slice(0, 10))
  })

  test.each(['handed_off', 'importing'])(
    'never gives the rows of a copy that is %s',
    async (state) => {
      await fleet.router.write(low, [insert(low, 'stale')], call)
      await own('a', low, [state, 1, 'b'])

      await expect(fleet.router.read(low, select(low), call)).rejects.toMatchObject({
        code: 'shard_fenced',
        state,
        peer: 'b',
      })
    },
  )

  test('never takes the emptiness of a stranger for an answer', async () => {
    await fleet.a.run('DELETE FROM _slot_owner WHERE lo = ?', slotText(low))

    await expect(fleet.router.read(low, select(low), call)).rejects.toMatchObject({
      code: 'shard_fenced',
      state: 'unknown',
    })
  })

  test('follows a slot that was handed off', async () => {
    await fleet.router.write(low, [insert(low, 'stale')], call)
    await handOff()
    await fleet.b.run(insert(low, 'fresh').sql, ...(insert(low, 'fresh').args as SqlValue[]))

    const { rows } = await fleet.router.read(low, select(low), call)

    expect(rows).toEqual([['fresh']])
  })

  test.each(['frozen', 'migrating'])('goes on while the slot is %s', async (state) => {
    await fleet.router.write(low, [insert(low, 'x')], call)
    await own('a', low, [state, 1])

    expect((await fleet.router.read(low, select(low), call)).rows).toEqual([['x']])
  })

  test('of many slots takes one round trip a shard, and answers in the order of the questions', async () => {
    const slots = [high, low, high + 1, low + 1, low]
    for (const slot of new Set(slots))
      await fleet.router.write(slot, [insert(slot, `t${slot}`)], call)
    fleet.a.sent.length = 0
    fleet.b.sent.length = 0

    const queries = slots.map((slot) => ({ key: slot, statement: select(slot) }))
    const answers = await fleet.router.readMany(queries, call)

    expect(answers.map(({ rows }) => rows[0]?.[0])).toEqual(slots.map((slot) => `t${slot}`))
    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([1, 1])
  })

  test('of many slots gives none of them when one is not owned', async () => {
    await own('b', high, ['importing', 1])
    const queries = [low, high].map((slot) => ({ key: slot, statement: select(slot) }))

    await expect(fleet.router.readMany(queries, call)).rejects.toMatchObject({ slot: high })
  })

  test('of nothing costs nothing', async () => {
    expect(await fleet.router.readMany([], call)).toEqual([])
    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([0, 0])
  })
})

describe('a range of keys', () => {
  const prefix = `${slotText(low)}XY`
  const insertKey = (key: string): Statement => ({
    sql: "INSERT INTO inbox (slot, consumer, event_id, at) VALUES (?, 'c', ?, 1)",
    args: [key, '0'.repeat(20)],
  })
  const selectKeys = ({ from, to }: { from: string; to: string }): Statement => ({
    sql: 'SELECT slot AS found FROM inbox WHERE slot >= ? AND slot < ? ORDER BY slot LIMIT 100',
    args: [from, to],
  })
  const keys = ['1A', '3B', '5C', '7D'].map((end) => prefix + end)

  /** Hands keys `lo` to `hi` over to b, with `there` in it; the topology does not tell. */
  const spread = async (lo: string, hi: string, there: readonly string[]) => {
    await fleet.a.run(
      "INSERT INTO _slot_owner (lo, hi, epoch, state, peer) VALUES (?, ?, 9, 'handed_off', 'b')",
      lo,
      hi,
    )
    await fleet.b.run(
      "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 9, 'serving')",
      lo,
      hi,
    )
    for (const key of there) await fleet.b.run(insertKey(key).sql, key, '0'.repeat(20))
    const things = fleet.topology.keyspaces['things'] ?? { shards: [], slots: [] }
    const ranges = [{ from: lo, to: hi, shard: 'b', epoch: 9 }]
    fleet.topology = { version: 2, keyspaces: { things: { ...things, ranges } } }
  }

  test('that is spread over shards is written to and read back in order', async () => {
    for (const key of keys) await fleet.router.write(key, [insertKey(key)], call)
    // The rows that were handed over are still in a: nobody must read them there.
    await spread(`${prefix}3`, `${prefix}6`, keys.slice(1, 3))
    const late = `${prefix}4Z`
    await fleet.router.write(late, [insertKey(late)], call)
    fleet.a.sent.length = 0
    fleet.b.sent.length = 0

    const parts = await fleet.router.readRange(
      { from: prefix, to: `${prefix}ZZ` },
      selectKeys,
      call,
    )

    expect(parts.flatMap(({ rows }) => rows.flat())).toEqual([
      keys[0],
      keys[1],
      late,
      keys[2],
      keys[3],
    ])
    expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([1, 1])
    expect(await fleet.b.run('SELECT count(*) FROM inbox WHERE slot = ?', late)).toEqual([[1]])
    expect(await fleet.a.run('SELECT count(*) FROM inbox WHERE slot = ?', late)).toEqual([[0]])
  })

  test('is never read from an old copy of a part, though the map is old', async () => {
    for (const key of keys) await fleet.router.write(key, [insertKey(key)], call)
    await spread(`${prefix}3`, `${prefix}6`, [`${prefix}4N`])

    const parts = await fleet.router.readRange(
      { from: prefix, to: `${prefix}ZZ` },
      selectKeys,
      call,
    )

    expect(parts.flatMap(({ rows }) => rows.flat())).toEqual([keys[0], `${prefix}4N`, keys[3]])
  })

  test('is read where it is now, though the map is old', async () => {
    await fleet.router.write(String(keys[1]), [insertKey(String(keys[1]))], call)
    await spread(`${prefix}3`, `${prefix}6`, [String(keys[1]), `${prefix}5M`])

    const { rows } = await fleet.router.read(
      `${prefix}5M`,
      selectKeys({ from: `${prefix}5`, to: `${prefix}6` }),
      call,
    )

    expect(rows).toEqual([[`${prefix}5M`]])
  })
})

test('groups, names and lists the shards by the map', async () => {
  const groups = await fleet.router.groups([low, high, slotCount - 1, 0], (slot) => slot, call)

  expect(groups).toEqual([
    [low, 0],
    [high, slotCount - 1],
  ])
  expect(await fleet.router.shardOf(high, call)).toBe('b')
  expect((await fleet.router.shards(call)).map(({ name }) => name)).toEqual(['a', 'b'])
})

test('waves hold at most five at a time, and try no later wave after a failure', async () => {
  let [busy, most, begun] = [0, 0, 0]
  const work = async (item: number) => {
    begun += 1
    busy += 1
    most = Math.max(most, busy)
    await Promise.resolve()
    busy -= 1
    if (item === 7) throw new Error('seven')
  }

  await inWaves([1, 2, 3, 4, 5, 6], work)
  await expect(inWaves([7, 1, 1, 1, 1, 1], work)).rejects.toThrow('seven')

  expect([most, begun]).toEqual([5, 11])
})

describe('keys of one slot that were handed off together', () => {
  const inboxRow = (key: string): Statement => ({
    sql: "INSERT INTO inbox (slot, consumer, event_id, at) VALUES (?, 'c', ?, 1)",
    args: [key, '0'.repeat(20)],
  })

  test('are followed in one batch, though the topology does not tell', async () => {
    await fleet.router.write(low, [insert(low, 'before')], call)
    await handOff(false)
    const keys = [`${slotText(low)}AB`, `${slotText(low)}CD`]

    await fleet.router.writeAll(keys, keys.map(inboxRow), call)

    expect(await fleet.b.run('SELECT count(*) FROM inbox')).toEqual([[2]])
    expect(await fleet.a.run('SELECT count(*) FROM inbox')).toEqual([[0]])
  })

  test('are refused in one batch when one of them stayed', async () => {
    await fleet.router.write(low, [insert(low, 'before')], call)
    const [gone, stayed] = [`${slotText(low)}AB`, `${slotText(low)}CD`]
    const piece = 'INSERT INTO _slot_owner (lo, hi, epoch, state, peer) VALUES (?, ?, 9, ?, ?)'
    await fleet.a.run(piece, gone, `${gone}Z`, 'handed_off', 'b')
    await fleet.b.run(piece, gone, `${gone}Z`, 'serving', null)

    const writing = fleet.router.writeAll([gone, stayed], [inboxRow(gone), inboxRow(stayed)], call)

    await expect(writing).rejects.toMatchObject({ retryable: true })
    expect(await fleet.b.run('SELECT count(*) FROM inbox')).toEqual([[0]])
    expect(await fleet.a.run('SELECT count(*) FROM inbox')).toEqual([[0]])
  })
})
