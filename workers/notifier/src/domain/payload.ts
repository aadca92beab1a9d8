import { typedId } from '@stoa/kernel'
import { isOf, type StoaEvent } from '@stoa/messaging'

/** The events that merchants are told of. */
export type OrderEvent =
  | StoaEvent<'order.confirmed'>
  | StoaEvent<'order.rejected'>
  | StoaEvent<'order.cancelled'>

export function isOrderEvent(event: StoaEvent): event is OrderEvent {
  return (
    isOf(event, 'order.confirmed') ||
    isOf(event, 'order.rejected') ||
    isOf(event, 'order.cancelled')
  )
}

function dataOf(event: OrderEvent, seller: string) {
  const { order, buyer, sellers } = event.data
  const common = {
    order: typedId('ord', order),
    buyer: typedId('usr', buyer),
    seller: typedId('usr', seller),
    ...(isOf(event, 'order.cancelled') ? { by: event.data.by } : {}),
  }
  // The event does not say whose product a line is, and nobody is told what others have sold.
  if (sellers.some((each) => each !== seller)) return common
  if (isOf(event, 'order.rejected')) {
    return { ...common, missing: event.data.missing.map((product) => typedId('prd', product)) }
  }
  const { lines, totalMinor, currency } = event.data
  return {
    ...common,
    lines: lines.map(({ product, quantity }) => ({ product: typedId('prd', product), quantity })),
    totalMinor,
    currency,
  }
}

/**
 * What a merchant is sent of `event`, in the form of Standard Webhooks. Lines and sums only when the merchant is the
 * only seller of the order.
 */
export function payloadOf(event: OrderEvent, seller: string): string {
  return JSON.stringify({
    type: event.type,
    timestamp: new Date(event.at).toISOString(),
    data: dataOf(event, seller),
  })
}
