import type { Ids } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'

import { type Order, type OrderLine, refusedOf } from './order.ts'

/** When it happened, in milliseconds since 1970, and by which request or event. */
export type Occasion = { readonly at: number; readonly cause: string }

function counted(lines: readonly OrderLine[]) {
  return lines.map(({ product, quantity }) => ({ product, quantity }))
}

export function orderPlaced(ids: Ids, order: Order, occasion: Occasion): StoaEvent {
  return newEvent(ids, 'order.placed', {
    ...occasion,
    key: order.id,
    seq: 1,
    data: { order: order.id, buyer: order.buyer, lines: counted(order.lines) },
  })
}

/** What an order says that was decided or cancelled; nothing while it is pending. */
export function orderDecided(ids: Ids, order: Order, occasion: Occasion): readonly StoaEvent[] {
  const { id, buyer, lines, totalMinor, currency, payment, state, version } = order
  const sellers = [...new Set(lines.flatMap(({ seller }) => seller ?? []))]
  const source = { ...occasion, key: id, seq: version }
  const about = { order: id, buyer, sellers }
  switch (state) {
    case 'pending':
      return []
    case 'confirmed': {
      const data = { ...about, lines: counted(lines), totalMinor, currency }
      return [newEvent(ids, 'order.confirmed', { ...source, data })]
    }
    case 'cancelled': {
      const by = order.cancellation?.by ?? 'operator'
      const data = { ...about, lines: counted(lines), totalMinor, currency, by }
      return [newEvent(ids, 'order.cancelled', { ...source, data })]
    }
    case 'rejected': {
      const missing = [...refusedOf(order)]
      const data = { ...about, missing, ...(payment === null ? {} : { payment }) }
      return [newEvent(ids, 'order.rejected', { ...source, data })]
    }
  }
}
