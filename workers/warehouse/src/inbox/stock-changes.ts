import type { Clock, Ids } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

import { open, receive } from '../domain/arrive.ts'
import type { StockChange } from '../domain/change.ts'
import { release, reserve } from '../domain/reserve.ts'

/** What `event` does to stock; nothing, for an event that is for others. */
export function stockChangesOf(
  event: StoaEvent,
  deps: { readonly ids: Ids; readonly clock: Clock },
): readonly StockChange[] {
  if (isOf(event, 'product.created')) return open(event)
  if (isOf(event, 'goods.received')) return receive(event)
  if (isOf(event, 'order.placed')) return reserve(event, deps)
  if (isOf(event, 'order.rejected')) return release(event)
  return []
}
