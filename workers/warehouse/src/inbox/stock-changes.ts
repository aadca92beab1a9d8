import { isOf, type StoaEvent } from '@stoa/messaging'

import { open, receive } from '../domain/arrive.ts'
import type { StockChange } from '../domain/change.ts'
import { take } from '../domain/spread.ts'

/** What `event` does to stock; nothing, for an event that is for others. */
export function stockChangesOf(event: StoaEvent): readonly StockChange[] {
  if (isOf(event, 'product.created')) return open(event)
  if (isOf(event, 'goods.received')) return receive(event)
  if (isOf(event, 'stock.moved')) return take(event)
  return []
}
