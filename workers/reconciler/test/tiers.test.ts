import { rootCall } from '@stoa/kernel'
import { beforeAll, expect, test } from 'vitest'

import {
  ask,
  ids,
  momentOf,
  newId,
  roundTrips,
  select,
  startWorld,
  type World,
  write,
} from './harness.ts'
import { published } from './queue.ts'
import { insert, seedCancellation, seedEdge, seedEvent, seedOrder, seedPayment } from './seed.ts'

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]

/** Half past: neither an hour nor a day begins in these tests. */
const at = momentOf('tiers', 13.5)

async function breaksOf(key: string): Promise<readonly unknown[]> {
  const sql = 'SELECT comparison, class, state FROM discrepancy WHERE key = ?'
  return select('reconciler', sql, key)
}

async function confirmed(order: string, decidedAt: number): Promise<void> {
  const data = { order, buyer: order, sellers: [], lines: [] }
  await seedEvent('orders', { key: order, seq: 2, type: 'order.confirmed', data, at: decidedAt })
}

let world: World
beforeAll(async () => {
  world = await startWorld(at)
  // What is due by the hour and the day is done before.
  await world.service.sweep()
}, 60_000)

test('looks at an order from a minute after its saga has ended', async () => {
  const order = await seedOrder({ at })
  await confirmed(order, at)

  world.clock.advance(30_000)
  await world.service.sweep()
  const early = await breaksOf(order)
  world.clock.advance(60_000)
  await world.service.sweep()

  expect(early).toEqual([])
  expect(await breaksOf(order)).toEqual([['orders', 'missing_external', 'open']])
})

test('looks at the money of an order from a minute after it was cancelled', async () => {
  const now = world.clock.now()
  const order = await seedOrder({ at: now - dayMs })
  await seedPayment({ order, at: now - dayMs })
  await seedCancellation({ order, at: now })
  const data = { order, buyer: order, sellers: [], lines: [], by: 'buyer' }
  await seedEvent('orders', { key: order, seq: 3, type: 'order.cancelled', data, at: now })

  world.clock.advance(30_000)
  await world.service.sweep()
  const early = await breaksOf(order)
  world.clock.advance(60_000)
  await world.service.sweep()

  expect(early).toEqual([])
  expect(await breaksOf(order)).toEqual([['orders', 'state_mismatch', 'open']])
})

test('looks each hour at what has changed in the last ones, and at nothing else', async () => {
  const now = world.clock.now()
  const [told, silent] = [
    await seedEdge({ at: now, hasCopy: false }),
    await seedEdge({ at: now, hasCopy: false }),
  ]
  const { follower, followee } = told
  await seedEvent('social', { type: 'member.followed', data: { follower, followee }, at: now })

  world.clock.advance(hourMs)
  await world.service.sweep()

  const key = `${follower}:${followee}`
  expect(await breaksOf(key)).toEqual([['twins', 'twin_drift', 'open']])
  expect(await breaksOf(`${silent.follower}:${silent.followee}`)).toEqual([])
})

test('says an edge once more to whoever lacks its copy, under a name that the queue knows again', async () => {
  const edge = await seedEdge({ at: at - dayMs, hasCopy: false })
  const body = { comparison: 'twins' }
  await ask(world, ['POST', '/v1/reconciliation-runs'], { body, key: crypto.randomUUID() })

  world.clock.advance(2 * minuteMs)
  await world.settle()
  await write('social', edge.followee, insert('follower', { ...edge, version: 1, active: 1, at }))
  world.clock.advance(hourMs)
  await world.settle()

  const key = `${edge.follower}:${edge.followee}`
  expect(await breaksOf(key)).toEqual([['twins', 'twin_drift', 'resolved']])
  const sent = await published('social')
  expect(sent.filter((event) => JSON.stringify(event).includes(edge.follower))).toEqual([
    expect.objectContaining({
      type: 'member.followed',
      seq: 1,
      data: { follower: edge.follower, followee: edge.followee },
    }),
  ])
})

test('sends an event again that its consumer lacks, out of the outbox of its producer', async () => {
  const data = { member: newId() }
  const event = await seedEvent('users', { type: 'member.registered', data, at: at - dayMs })
  const body = { comparison: 'members_to_social' }
  await ask(world, ['POST', '/v1/reconciliation-runs'], { body, key: crypto.randomUUID() })

  world.clock.advance(2 * minuteMs)
  await world.settle()

  expect(await breaksOf(event)).toEqual([['members_to_social', 'event_gap', 'repaired']])
  expect((await published('social')).map(({ id }) => id)).toContain(event)
})

test('lets the services themselves finish what they left half-way', async () => {
  const real = await startWorld(at, { real: ['orders/redrive_payment'] })
  const order = await seedOrder({ at: at - dayMs })
  await seedPayment({ order, at: at - dayMs, isBound: false })
  const body = { comparison: 'orders' }
  await ask(real, ['POST', '/v1/reconciliation-runs'], { body, key: crypto.randomUUID() })

  real.clock.advance(2 * minuteMs)
  await real.settle()

  expect(real.asked).toContain('orders POST /internal/orders/sweeps')
})

test('goes on with a run that its runner left, and takes no run for new that is finished', async () => {
  const id = ids.root('left')
  const row = { id, comparison: 'handles', state: 'running', started_at: 1, changed_at: 1 }
  await write('reconciler', id, insert('reconciliation_run', row))

  await world.service.sweep()
  const sql = 'SELECT state, finished_at FROM reconciliation_run WHERE id = ?'
  const first = await select('reconciler', sql, id)
  world.clock.advance(2 * minuteMs)
  await world.service.sweep()

  expect(first).toEqual([['finished', expect.any(Number)]])
  expect(await select('reconciler', sql, id)).toEqual(first)
})

test('asks each database a few times when nothing is due', async () => {
  const id = crypto.randomUUID()
  await world.settle()

  await world.service.sweep(rootCall(id))

  expect(await roundTrips(id)).toBeLessThanOrEqual(15)
})

test('compares a day again that its statement came late for', async () => {
  const late = await startWorld(at + 10 * dayMs)
  const order = await seedOrder({ at: at + 9 * dayMs })
  const operation = `op_${newId()}`
  const captures = [{ operation, amount: 500 }]
  const payment = await seedPayment({ order, at: at + 9 * dayMs, captures })
  const moved = at + 9 * dayMs
  const entry = {
    operation,
    payment,
    kind: 'capture',
    amount: 499,
    currency: 'EUR',
    at: moved,
  } as const
  late.provided.push(entry)
  late.isProviderDown = true

  await late.service.sweep()
  const sql = `SELECT class FROM discrepancy WHERE comparison = 'statement' AND key LIKE ?`
  const without = await select('reconciler', sql, `%${operation}`)
  late.isProviderDown = false
  late.clock.advance(dayMs)
  await late.service.sweep()

  expect(without).toEqual([])
  expect(await select('reconciler', sql, `%${operation}`)).toEqual([['amount_mismatch']])
})
