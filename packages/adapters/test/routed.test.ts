import { readFile } from 'node:fs/promises'

import { createClient } from '@libsql/client'
import { lookup } from '@stoa/data/shared'
import { rootCall, slotCount, slotRange, slotText } from '@stoa/kernel'
import { cacheTopology, createRouter, evenSlots } from '@stoa/sharding'
import { and, eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, expectTypeOf, test } from 'vitest'

import { drizzleOn, type DrizzleRouter, drizzleRouter, sqlShardOf } from '../src/libsql.ts'

const ddl = await readFile(
  new URL('../../../drizzle/shared/0000_shared.sql', import.meta.url),
  'utf8',
)
const call = rootCall('routed')
const db = drizzleOn()
const names = ['a', 'b']
const ranges = evenSlots(names)

let clients: ReturnType<typeof createClient>[]
let batches: number
let router: DrizzleRouter

beforeEach(async () => {
  batches = 0
  clients = await Promise.all(
    ranges.map(async ({ from, to, shard }) => {
      const client = createClient({ url: 'file::memory:', intMode: 'bigint' })
      await client.batch(ddl.split('--> statement-breakpoint'), 'write')
      const slots = Array.from({ length: to - from + 1 }, (_, index) => slotRange(from + index))
      await client.batch(
        [
          {
            sql: "INSERT INTO _shard_meta (id, shard, incarnation) VALUES (1, ?, 'i')",
            args: [shard],
          },
          {
            sql: `INSERT INTO _slot_owner (lo, hi, epoch, state)
SELECT value ->> 'from', value ->> 'to', 1, 'serving' FROM json_each(?)`,
            args: [JSON.stringify(slots)],
          },
        ],
        'write',
      )
      return client
    }),
  )
  const shards = names.map((name) => ({ name, url: name, incarnation: 'i' }))
  const topology = { version: 1, keyspaces: { things: { shards, slots: ranges } } }
  router = drizzleRouter(
    createRouter({
      slots: cacheTopology(async () => topology).slots('things'),
      open: ({ name }) => {
        const client = clients[names.indexOf(name)]
        if (client === undefined) throw new Error(`no database ${name}`)
        const shard = sqlShardOf(client, name)
        return {
          name,
          batch: (...args) => {
            batches += 1
            return shard.batch(...args)
          },
        }
      },
      sleep: async () => undefined,
    }),
  )
})
afterEach(() => {
  for (const client of clients) client.close()
})

const row = (slot: number, text: string) => ({
  slot: slotText(slot),
  kind: 'k',
  text,
  ownerId: '0'.repeat(20),
  claimedAt: 5,
})
const selectText = (slot: number) =>
  db
    .select({ text: lookup.text, at: lookup.claimedAt })
    .from(lookup)
    .where(and(eq(lookup.slot, slotText(slot)), eq(lookup.kind, 'k')))
    .limit(10)

test('drizzle queries go to the owner of their key, typed, in one round trip each', async () => {
  const insert = db.insert(lookup).values(row(3, 'x')).returning({ text: lookup.text })

  const [written] = await router.on(3).write([insert], call)
  const read = await router.on(3).read(selectText(3), call)

  expectTypeOf(written).toEqualTypeOf<{ text: string }[]>()
  expectTypeOf(read).toEqualTypeOf<{ text: string; at: number }[]>()
  expect([written, read]).toEqual([[{ text: 'x' }], [{ text: 'x', at: 5 }]])
  expect(batches).toBe(2)
})

test('a batch of many keys asks each shard once, and answers in the order of the keys', async () => {
  const slots = [slotCount - 1, 0, slotCount - 2, 1]
  for (const slot of slots)
    await router.on(slot).write([db.insert(lookup).values(row(slot, `t${slot}`))], call)
  batches = 0

  const answers = await router.batch(
    slots.map((slot) => ({ key: slot, query: selectText(slot) })),
    call,
  )

  expect(answers.map(([first]) => first?.text)).toEqual(slots.map((slot) => `t${slot}`))
  expect(batches).toBe(2)
  expect(await router.batch([], call)).toEqual([])
})
