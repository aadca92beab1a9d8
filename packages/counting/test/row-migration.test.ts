import { readFile } from 'node:fs/promises'

import { createClient } from '@libsql/client'
import { createIds, manualClock, secureRandom, slotText, timeOf } from '@stoa/kernel'
import { expect, test } from 'vitest'

import { rowKeyOf } from '../src/index.ts'
import { idOfRow, partsOf } from '../src/subject.ts'

const folder = new URL('../../../drizzle/stats/migrations/', import.meta.url)
const read = (name: string) => readFile(new URL(`${name}.sql`, folder), 'utf8')

/** How rows had their ids before: the time since 2037 in units of 4 ms with the owner, and what is left. */
function wordsOf(id: string): readonly [slot: string, hi: number, lo: number] {
  const { owner, time, tail } = partsOf(id)
  const hi = Math.floor((time - Date.UTC(2037)) / 4) * 1024 + owner
  return [id.slice(0, 3), hi, ((time % 4) << 30) | tail]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

const times = [0, Date.UTC(2020) - 1, Date.UTC(2020), Date.UTC(2037) - 1, 2 ** 41, 2 ** 45 - 1]
const anyTime = () => Date.UTC(2019) + (secureRandom.uint32() / 2 ** 32) * 36 * 365 * 86_400_000

test('the migration of rows to bytes keeps every object and its counts, of whatever time', async () => {
  const client = createClient({ url: 'file::memory:' })
  for (const name of ['0002_counting', '0003_sweep']) await client.executeMultiple(await read(name))
  const ids = [...times, ...Array.from({ length: 2_000 }, anyTime)].map((time) => {
    const place = `${slotText(secureRandom.uint32() % 16_384)}${['00', '7Z', 'ZZ'][Math.floor(time) % 3]}`
    return createIds({ clock: manualClock(Math.floor(time)), random: secureRandom }).rootAt(place)
  })
  const rows = JSON.stringify(ids.map((id, index) => [...wordsOf(id), index]))
  const into = (table: string, columns: string, values: string) => ({
    sql: `INSERT INTO ${table} (slot, hi, lo, ${columns}) SELECT value ->> 0, value ->> 1, value ->> 2, ${values} FROM json_each(?)`,
    args: [rows],
  })
  await client.batch([
    into('count_post', 'views, shares', 'value ->> 3, -1'),
    into('count_thaw', 'kind', "'post'"),
  ])

  await client.executeMultiple(await read('0004_count_ids'))

  const { rows: found } = await client.execute(
    'SELECT slot AS slot, lower(hex(id)) AS rest FROM count_post WHERE shares = -1 ORDER BY views',
  )
  const keys = found.map(({ slot, rest }) => ({ slot: textOf(slot), rest: textOf(rest) }))
  expect(keys).toEqual(ids.map(rowKeyOf))
  expect(keys.map(idOfRow)).toEqual(ids)
  const thawed = await client.execute(
    "SELECT count(*) FROM count_post AS c JOIN count_thaw AS t USING (slot, id) WHERE t.kind = 'post'",
  )
  expect(thawed.rows[0]?.[0]).toBe(ids.length)
  expect(new Set(ids.map(timeOf)).size).toBeGreaterThan(1_900)
  client.close()
})
