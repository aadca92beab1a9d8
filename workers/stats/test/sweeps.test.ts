import { clientOf } from '@stoa/contracts'
import { stats } from '@stoa/contracts/stats'
import { createIds, manualClock, rootCall, secureRandom, slotText, systemClock } from '@stoa/kernel'
import { routerOf } from '@stoa/testing/keyspace'
import { exports } from 'cloudflare:workers'
import { expect, inject, test, vi } from 'vitest'

import { countsOf, drain, hot, report, typed } from './harness.ts'

const env = inject('stoaEnv')
const call = rootCall('test')
const router = routerOf('stats', env)
const client = clientOf(stats, (request) => exports.default.fetch(request))

const minuteMs = 60_000
const dayMs = 86_400_000
const old = createIds({
  clock: manualClock(systemClock.now() - 40 * dayMs),
  random: secureRandom,
})

/** Posts of 40 days ago in the first page of every bucket whose turn it is in this minute or the next. */
function posts(): readonly string[] {
  const turn = Math.floor(systemClock.now() / minuteMs) * 4
  return Array.from({ length: 8 }, (_, at) => old.rootAt(`${slotText(((turn + at) % 256) * 64)}00`))
}

async function rows(sql: string, id: string, ...args: readonly (string | number)[]) {
  const [answer] = await router.readMany([{ key: id, statement: { sql, args: [...args] } }], call)
  return answer?.rows ?? []
}

async function isFrozen(id: string): Promise<boolean> {
  const slot = id.slice(0, 3)
  const left = await rows('SELECT 1 AS one FROM count_post WHERE slot = ?', id, slot)
  const pages = await rows('SELECT 1 AS one FROM count_page WHERE slot = ?', id, slot)
  return left.length === 0 && pages.length === 1
}

test('a sweep freezes what is idle and forgets windows past their time, and changes no total', async () => {
  const ids = posts()
  await report(...ids.map((id) => ({ kind: 'post', subject: typed('post', id), by: 3 })))
  await vi.waitFor(
    async () => {
      await drain()
      const counts = await Promise.all(ids.map((id) => countsOf('post', id)))
      expect(counts).toEqual(ids.map(() => ({ views: 3 })))
    },
    { timeout: 20_000, interval: 200 },
  )
  // As after a day in which nobody looked.
  await hot.run(['DEL', ...ids.map((id) => `post:${id}`)], call, { idempotent: true })
  for (const id of ids) {
    const sql = `INSERT INTO count_window (slot, subject, metric, width, start, n) VALUES (?, ?, 'post.views', 3600000, 3600000, 1)`
    await router.write(id, [{ sql, args: [id.slice(0, 3), id] }], call)
  }

  await Promise.all([
    client.sweepCounts({ body: {} }, call),
    client.sweepCounts({ body: {} }, call),
  ])

  const frozen = (await Promise.all(ids.map(isFrozen))).filter(Boolean)
  const forgotten = await Promise.all(
    ids.map((id) =>
      rows('SELECT 1 AS one FROM count_window WHERE subject = ? AND start = 3600000', id, id),
    ),
  )
  expect(frozen.length).toBeGreaterThanOrEqual(4)
  expect(forgotten.filter(({ length }) => length === 0).length).toBeGreaterThanOrEqual(4)
  expect(await Promise.all(ids.map((id) => countsOf('post', id)))).toEqual(
    ids.map(() => ({ views: 3 })),
  )
})
