import { slotText, type SqlShard } from '@stoa/kernel'
import { isWritable, ownerOf, readableStates } from '@stoa/sharding'

import type { Known, Ledger } from './real-ledger.ts'
import { call, type RealWorld, rowsIn } from './real-world.ts'

/** The tables that the writers write, with the column that names a row, and the one it is routed by. */
const tables = [
  { name: 'thing', id: 'id', key: 'id' },
  { name: 'entry', id: 'id', key: 'id' },
  { name: 'idempotency', id: 'key', key: 'slot' },
  { name: 'outbox', id: 'id', key: 'okey' },
] as const

/** A row of a shard, and whether the shard serves its key. */
type Found = { readonly served: string[]; readonly stray: string[] }

async function findRows(shards: readonly SqlShard[]): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>()
  for (const shard of shards) {
    for (const { name, id, key } of tables) {
      const rows = await rowsIn(shard, `SELECT "${id}", ${isWritable(`"${key}"`)} FROM "${name}"`)
      for (const [text, isServed] of rows) {
        const row = `${name} ${String(text)}`
        const places = found.get(row) ?? { served: [], stray: [] }
        found.set(row, places)
        places[Number(isServed) === 1 ? 'served' : 'stray'].push(shard.name)
      }
    }
  }
  return found
}

const leastAndMost: Readonly<Record<Known, readonly [number, number]>> = {
  there: [1, 1],
  'perhaps there': [0, 1],
  gone: [0, 0],
  'perhaps gone': [0, 1],
}

/** Rows that are lost, doubled, returned from the dead, of nobody, or left with one who does not serve them. */
function* wrongRows(ledger: Ledger, found: ReadonlyMap<string, Found>): Generator<string> {
  for (const [row, known] of ledger.rows) {
    const { served, stray } = found.get(row) ?? { served: [], stray: [] }
    const [least, most] = leastAndMost[known]
    if (served.length < least) yield `lost: ${row}`
    if (served.length > most)
      yield `too many: ${row}, which is ${known}, in ${served.join(' and ')}`
    if (stray.length > 0) yield `left behind: ${row} in ${stray.join(' and ')}`
  }
  for (const row of found.keys()) if (!ledger.rows.has(row)) yield `of nobody: ${row}`
}

/** Things whose version is not what was acknowledged, or does not go with the rows of the same batches. */
async function* wrongVersions(world: RealWorld, ledger: Ledger): AsyncGenerator<string> {
  for (const shard of world.shards) {
    const rows = await rowsIn(
      shard,
      `SELECT id, version, (SELECT count(*) FROM outbox WHERE okey = thing.id),
(SELECT max(seq) FROM outbox WHERE okey = thing.id) FROM thing WHERE ${isWritable('id')}`,
    )
    for (const [id, ...numbers] of rows) {
      const { least, most } = ledger.things.get(String(id)) ?? { least: 1, most: 1 }
      const [version = 0, events = 0, newest = 0] = numbers.map(Number)
      if (version < least || version > most)
        yield `lost or doubled: version ${version} of ${String(id)}, not ${least} to ${most}`
      if (events !== version - 1 || (events > 0 && newest !== version))
        yield `torn: ${String(id)} has version ${version} and ${events} events`
    }
  }
}

/** Keys that have no owner, two, or another than the topology says. */
async function* wrongOwners(world: RealWorld, slots: readonly number[]): AsyncGenerator<string> {
  const keys = slots.flatMap((slot) =>
    ['', '00', '01', '02', '03'].map((owner) => slotText(slot) + owner),
  )
  const owners = new Map<string, string[]>(keys.map((key) => [key, []]))
  for (const shard of world.shards) {
    const sql = `SELECT k.value, ${ownerOf('k.value', 'state')} IN ${readableStates} FROM json_each(?) AS k`
    for (const [key, serves] of await rowsIn(shard, sql, JSON.stringify(keys)))
      if (Number(serves) === 1) owners.get(String(key))?.push(shard.name)
  }
  await world.refresh()
  for (const [key, names] of owners) {
    const place = await world.router.shardOf(key, call)
    if (names.join() !== place) yield `"${key}" is in ${place}, and served by: ${names.join(' ')}`
  }
}

/** What moves have left in a database where none is at work. */
const leftovers: Readonly<Record<string, string>> = {
  'pieces with a job': '_slot_owner WHERE job IS NOT NULL',
  'pieces that move': "_slot_owner WHERE state NOT IN ('serving', 'handed_off')",
  'captured changes': '_cdc',
  chunks: '_mv_chunk',
  'a pass for a mover': '_fence WHERE mover IS NOT NULL',
}

async function* leftIn(shard: SqlShard): AsyncGenerator<string> {
  for (const [what, from] of Object.entries(leftovers)) {
    const [[count] = []] = await rowsIn(shard, `SELECT count(*) FROM ${from}`)
    if (Number(count) > 0) yield `${shard.name} has ${what}: ${String(count)}`
  }
}

/** All that is wrong, now that no move is at work and nobody writes. */
export async function wrongsOfReal(
  world: RealWorld,
  ledger: Ledger,
  slots: readonly number[],
): Promise<readonly string[]> {
  const wrongs = new Set(ledger.wrongs)
  for (const wrong of wrongRows(ledger, await findRows(world.shards))) wrongs.add(wrong)
  for await (const wrong of wrongVersions(world, ledger)) wrongs.add(wrong)
  for await (const wrong of wrongOwners(world, slots)) wrongs.add(wrong)
  for (const shard of world.shards) for await (const wrong of leftIn(shard)) wrongs.add(wrong)
  return [...wrongs]
}
