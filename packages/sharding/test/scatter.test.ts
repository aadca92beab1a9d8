import { type Statement, slotCount, slotRange, slotText } from '@stoa/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { ScatterQuery } from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await openFleet()
})
afterEach(() => fleet.close())

const id = (text: string) => text.padEnd(20, '0')

function put(slot: number, text: string): Promise<unknown> {
  const sql = "INSERT INTO lookup (slot, kind, text, owner_id, claimed_at) VALUES (?, 'k', ?, ?, 1)"
  return fleet.router.write(slot, [{ sql, args: [slotText(slot), text, id('')] }], call)
}

const page = (after: string, limit: number): ScatterQuery => ({
  select: (isOwned): Statement => ({
    sql: `SELECT text FROM lookup WHERE text > ? AND ${isOwned('slot')} ORDER BY text LIMIT ?`,
    args: [after, limit],
  }),
  order: [{ column: 'text' }],
  limit,
  unreachable: 'fail',
})

/** Moves `slot` from a to b as the mover does, leaving the old rows where they were. */
async function move(slot: number): Promise<void> {
  const { from: lo, to: hi } = slotRange(slot)
  const rows = await fleet.a.run('SELECT text FROM lookup WHERE slot = ?', lo)
  for (const [text] of rows)
    await fleet.b.run(
      "INSERT INTO lookup (slot, kind, text, owner_id, claimed_at) VALUES (?, 'k', ?, ?, 1)",
      lo,
      text ?? null,
      id(''),
    )
  const hand = "UPDATE _slot_owner SET state = 'handed_off', peer = 'b', epoch = 3 WHERE lo = ?"
  await fleet.a.run(hand, lo)
  const take = "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 3, 'serving')"
  await fleet.b.run(take, lo, hi)
}

/** Tells the topology what `move` did. */
function publish(slot: number): void {
  const { version, keyspaces } = fleet.topology
  const things = keyspaces['things'] ?? { shards: [], slots: [] }
  const slots = things.slots.flatMap((range) => {
    if (slot < range.from || slot > range.to) return [range]
    const left = { ...range, to: slot - 1 }
    const right = { ...range, from: slot + 1 }
    const moved = { from: slot, to: slot, shard: 'b', epoch: 3 }
    return [left, moved, right].filter(({ from, to }) => from <= to)
  })
  fleet.topology = {
    version: version + 1,
    keyspaces: { things: { ...things, slots } },
  }
}

test('a page over all shards is in order, and each shard is asked once', async () => {
  for (const [index, text] of ['d', 'a', 'c', 'b', 'e'].entries())
    await put(index % 2 === 0 ? index : slotCount - 1 - index, text)
  fleet.a.sent.length = 0
  fleet.b.sent.length = 0

  const { rows, missing } = await fleet.router.scatter(page('a', 3), call)

  expect(rows.rows.flat()).toEqual(['b', 'c', 'd'])
  expect(missing).toEqual([])
  expect([fleet.a.sent.length, fleet.b.sent.length]).toEqual([1, 1])
})

test('a page neither misses nor doubles what was moved, though the map is old', async () => {
  for (const [index, text] of ['a', 'b', 'c'].entries()) await put(index, text)
  await move(1)
  fleet.onSleep = async () => publish(1)

  const { rows } = await fleet.router.scatter(page('', 10), call)

  expect(rows.rows.flat()).toEqual(['a', 'b', 'c'])
})

test('a slot that moves between two shards of one page makes the page be read anew', async () => {
  for (const [index, text] of ['a', 'b', 'c'].entries()) await put(index, text)
  // a has answered already when b is asked: without the check, slot 1 would come twice.
  let isMoved = false
  fleet.b.before = async () => {
    if (isMoved) return
    isMoved = true
    await move(1)
    publish(1)
  }

  const { rows } = await fleet.router.scatter(page('', 10), call)

  expect(rows.rows.flat()).toEqual(['a', 'b', 'c'])
})

test('pages that are read while slots move always give each row once, in order', async () => {
  const texts = fc.uniqueArray(fc.stringMatching(/^[a-z]{3}$/), { minLength: 5, maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 6 }), async (all, limit) => {
      fleet.close()
      fleet = await openFleet()
      fleet.onSleep = async () => undefined
      for (const [index, text] of all.entries()) await put(index % 6, text)
      const found: string[] = []
      for (let turn = 0; ; turn += 1) {
        const { rows } = await fleet.router.scatter(page(found.at(-1) ?? '', limit), call)
        found.push(...rows.rows.flat().map(String))
        if (rows.rows.length < limit) break
        if (turn < 6) {
          await move(turn)
          publish(turn)
        }
      }

      expect(found).toEqual(all.toSorted())
    }),
    { numRuns: 10 },
  )
})

test('overrides are where the map says, and nowhere else', async () => {
  const prefix = `${slotText(4)}XY`
  await put(4, 'a')
  await put(slotCount - 1, 'z')
  const own = 'INSERT INTO _slot_owner (lo, hi, epoch, state, peer) VALUES (?, ?, 2, ?, ?)'
  await fleet.a.run(own, prefix, `${prefix}Z`, 'handed_off', 'b')
  await fleet.b.run(own, prefix, `${prefix}Z`, 'serving', null)
  const things = fleet.topology.keyspaces['things'] ?? { shards: [], slots: [] }
  const ranges = [{ from: prefix, to: `${prefix}Z`, shard: 'b', epoch: 2 }]
  fleet.topology = { version: 2, keyspaces: { things: { ...things, ranges } } }

  expect((await fleet.router.scatter(page('', 9), call)).rows.rows.flat()).toEqual(['a', 'z'])

  // A piece that is being split off by a move is still this shard's.
  await fleet.a.run(own, `${slotText(5)}AB`, `${slotText(5)}AC`, 'migrating', null)
  expect((await fleet.router.scatter(page('', 9), call)).rows.rows.flat()).toEqual(['a', 'z'])
})

test('a shard that cannot be asked fails the page, or is named', async () => {
  await put(0, 'a')
  await put(slotCount - 1, 'z')
  fleet.b.spoil('refused', 'refused')

  await expect(fleet.router.scatter(page('', 9), call)).rejects.toMatchObject({
    code: 'shard_unavailable',
  })
  const { rows, missing } = await fleet.router.scatter(
    { ...page('', 9), unreachable: 'skip' },
    call,
  )

  expect([rows.rows.flat(), missing]).toEqual([['a'], ['b']])
})

test('a shard that never agrees with the map fails the page', async () => {
  await move(1)

  await expect(fleet.router.scatter(page('', 9), call)).rejects.toMatchObject({
    code: 'shard_fenced',
  })
})
