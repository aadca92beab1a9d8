import type { Clock, Ids } from '@stoa/kernel'
import { newEvent, type StoaEvent } from '@stoa/messaging'

import { mergeLines, type StockChange } from './change.ts'
import { derivedId, reservationId } from './derived-id.ts'

/** A reservation says once what became of it. */
const outcomeSeq = 1

type Deps = { readonly ids: Ids; readonly clock: Clock }

/** A wish for each product of the order, with both outcomes prepared: the database picks one. */
export function reserve(
  event: StoaEvent<'order.placed'>,
  { ids, clock }: Deps,
): readonly StockChange[] {
  const { order, lines } = event.data
  const at = clock.now()
  return mergeLines(lines).map(({ product, quantity }) => {
    const reservation = reservationId(product, order)
    const data = { order, product, quantity }
    const source = { key: reservation, seq: outcomeSeq, at, cause: event.id, data }
    return {
      kind: 'reserve',
      cause: event,
      ...data,
      reservation,
      movement: derivedId(product, ['reserve', product, order]),
      reserved: newEvent(ids, 'stock.reserved', source),
      refused: newEvent(ids, 'stock.refused', source),
    }
  })
}

/** Gives back, product by product, what the order had. */
export function release(event: StoaEvent<'order.rejected'>): readonly StockChange[] {
  const { order, release: lines } = event.data
  return mergeLines(lines).map(({ product, quantity }) => ({
    kind: 'release',
    cause: event,
    order,
    product,
    quantity,
    reservation: reservationId(product, order),
    movement: derivedId(product, ['release', product, order]),
  }))
}
