import type { Call } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'
import { open, receive } from '../domain/arrive.ts'
import type { StockChange } from '../domain/change.ts'
import { askOn, release, reserve } from '../domain/reserve.ts'
import { take } from '../domain/spread.ts'

/** What `event` does to stock; nothing, for an event that is for others. */
export async function stockChangesOf(
  event: StoaEvent,
  deps: Deps,
  call: Call,
): Promise<readonly StockChange[]> {
  if (isOf(event, 'product.created')) return open(event)
  if (isOf(event, 'goods.received')) return receive(event)
  if (isOf(event, 'order.placed')) return reserve(event, deps, call)
  if (isOf(event, 'stock.passed_on')) return askOn(event, deps, call)
  if (isOf(event, 'order.rejected')) return release(event, deps, call)
  if (isOf(event, 'stock.moved')) return take(event)
  return []
}
