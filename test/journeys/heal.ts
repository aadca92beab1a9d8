import type { System } from '@stoa/testing'
import { expect, vi } from 'vitest'

import { control } from './people.ts'
import { everywhere } from './shards.ts'

const keyspaces = [
  'users',
  'social',
  'catalog',
  'orders',
  'payments',
  'warehouse',
  'procurement',
  'stats',
  'notifier',
]

/** Runs a sweep and lets an hour of the queue's time pass; answers how much is left: events to publish, orders to end. */
async function sweepOnce(system: System): Promise<number> {
  await system.runScheduled()
  await control(system, 'qstash', { method: 'POST', path: 'clock', body: { advance: '1h' } })
  const counts = await Promise.all(
    keyspaces.map((keyspace) =>
      everywhere(system, keyspace, {
        sql: "SELECT count(*) AS n FROM outbox WHERE state = 'ready'",
      }),
    ),
  )
  const orders = await everywhere(system, 'orders', {
    sql: 'SELECT count(*) AS n FROM saga WHERE finished_at IS NULL',
  })
  return [...counts.flat(), ...orders].reduce((sum, { n }) => sum + Number(n), 0)
}

/** Ends all faults, then lets sweeps and retries do their work until every outbox is empty and every order has ended. */
export async function heal(system: System): Promise<void> {
  for (const server of ['libsql', 'qstash'] as const) {
    const clear = () => control(system, server, { method: 'DELETE', path: 'faults' })
    // A server that was killed a moment ago is on its way back.
    await vi.waitFor(clear, { timeout: 60_000, interval: 100 })
  }
  // An event may wait 1 s for its fast path and 30 s for the lease of a sweep that died; an order 60 s for that.
  await expect
    .poll(() => sweepOnce(system).catch(() => -1), { timeout: 120_000, interval: 1_000 })
    .toBe(0)
}
