import { clientOf, type Links } from '@stoa/contracts'
import { notifier } from '@stoa/contracts/notifier'
import { orders } from '@stoa/contracts/orders'
import { payments } from '@stoa/contracts/payments'
import { reconciler } from '@stoa/contracts/reconciler'
import { stats } from '@stoa/contracts/stats'

import type { Upkeep } from '../domain/upkeep.ts'

/** Every service that has something to go on with. A request each. */
export function upkeepsOf({ fetcher }: Links): readonly Upkeep[] {
  const body = {}
  return [
    (call) => clientOf(orders, fetcher('orders')).sweepOrders({ body }, call),
    (call) => clientOf(payments, fetcher('payments')).sweepPayments({ body }, call),
    (call) => clientOf(stats, fetcher('stats')).sweepCounts({ body }, call),
    (call) => clientOf(notifier, fetcher('notifier')).sweepDeliveries({ body }, call),
    (call) => clientOf(reconciler, fetcher('reconciler')).sweepReconciliation({ body }, call),
  ]
}
