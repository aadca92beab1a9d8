import { slotOfId } from '@stoa/kernel'
import { expect, test } from 'vitest'

import { deliver, eventsAbout, follow, homeOf, members, rowsOfEach, write } from './harness.ts'

const tables = [0, 1, 2, 3]

test('lie in the table that bits 6 and 7 of the slot name, and in no other; in each database no table is idle', async () => {
  const [author = '', ...readers] = await members(120)
  for (const reader of readers) await follow(reader, author)
  const followed = await eventsAbout([author])
  for (let start = 0; start < followed.length; start += 100)
    await deliver(followed.slice(start, start + 100))
  await write(author, 'To everybody.')
  await deliver((await eventsAbout([author])).filter(({ type }) => type === 'post.created'))

  const found = await Promise.all(
    tables.map((table) =>
      rowsOfEach(`SELECT owner FROM timeline_${table} WHERE author = ?`, [author]),
    ),
  )

  const owners: string[] = []
  for (const table of tables) {
    for (const [shard, rows] of found[table] ?? []) {
      expect([shard, table, rows.length > 0]).toEqual([shard, table, true])
      for (const [owner] of rows) {
        owners.push(String(owner))
        expect((slotOfId(String(owner)) >> 6) & 3).toBe(table)
      }
    }
  }
  expect(owners.toSorted()).toEqual([author, ...readers].toSorted())
  for (const reader of [author, ...readers.slice(0, 8)])
    expect(await homeOf(reader)).toEqual(['To everybody.'])
})
