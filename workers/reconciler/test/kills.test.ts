import { afterEach, expect, test } from 'vitest'

import { momentOf, newId, select, spoil, startWorld, unspoil, write } from './harness.ts'
import { seedStock } from './seed.ts'

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]
const own = { path: 'reconciler' }
/** More requests than a life with one break needs. */
const requestsMax = 200
const patience = { timeout: 300_000 }

afterEach(unspoil)

let lives = 0

/** What becomes of one break in a life in which `rule` spoils requests to the reconciler's databases. */
async function live(rule: object) {
  lives += 1
  // Each life has days of its own, so that none of its runs has finished before.
  const at = momentOf('kills', 10) + 3 * lives * dayMs
  const world = await startWorld(at, { comparisons: ['stock'] })
  const open = [{ order: newId(), quantity: 3 }]
  const key = await seedStock({ at: at - dayMs, reserved: 1, open })
  const sql = 'UPDATE stock SET reserved = 3 WHERE product = ?'
  world.mend = () => write('warehouse', key, { sql, args: [key] })
  const state = async () => {
    const [row] = await select('reconciler', 'SELECT state FROM discrepancy WHERE key = ?', key)
    return row?.[0]
  }
  const grow = async () => {
    for (const wait of [0, 2 * minuteMs, 2 * hourMs]) {
      world.clock.advance(wait)
      // One that dies has said so; what matters is what the next one finds.
      await world.service.sweep().catch(() => undefined)
    }
  }
  await spoil(rule)
  await grow()
  await unspoil()
  const first = await state()
  world.restart()
  let last = first
  for (let lifetimes = 0; lifetimes < 2 && last !== 'resolved'; lifetimes += 1) {
    await grow()
    last = await state()
  }
  const mended = world.mended.filter((each) => each.key === key).length
  return { first, last, mended }
}

test('ends as it would have, after a death before any of its statements', patience, async () => {
  let deaths = 0
  for (let skip = 0; skip < requestsMax; skip += 1) {
    const { first, last, mended } = await live({ action: 'partition', match: own, skip })

    expect({ skip, last, mended }).toEqual({ skip, last: 'resolved', mended: 1 })
    if (first === 'resolved') break
    deaths += 1
  }

  expect(deaths).toBeGreaterThan(10)
})

test('ends as it would have, when one reply on its way is lost', patience, async () => {
  for (let skip = 0; skip < 36; skip += 4) {
    const { last, mended } = await live({ action: 'drop-reply', match: own, skip })

    expect({ skip, last, mended }).toEqual({ skip, last: 'resolved', mended: 1 })
  }
})
