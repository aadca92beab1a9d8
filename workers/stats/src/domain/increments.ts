import { isOf, type StoaEvent } from '@stoa/messaging'

/** What an event adds to one counter of one subject. */
export type Increment = {
  readonly subject: string
  readonly metric: 'posts' | 'replies' | 'orders' | 'rejected_orders' | 'cancelled_orders' | 'sold'
  readonly by: number
}

type Line = { readonly product: string; readonly quantity: number }

/** Each product of an order counts once in its orders, however many lines name it. */
function ofLines(lines: readonly Line[]): readonly Increment[] {
  const sold = new Map<string, number>()
  for (const { product, quantity } of lines) {
    sold.set(product, (sold.get(product) ?? 0) + quantity)
  }
  return [...sold].flatMap(([subject, by]): readonly Increment[] => [
    { subject, metric: 'sold', by },
    { subject, metric: 'orders', by: 1 },
  ])
}

/** What `event` adds, at most once for each counter; nothing, for an event that is not counted. */
export function incrementsOf(event: StoaEvent): readonly Increment[] {
  if (isOf(event, 'post.created')) {
    return [{ subject: event.data.author, metric: 'posts', by: 1 }]
  }
  if (isOf(event, 'reply.created')) {
    return [{ subject: event.data.post, metric: 'replies', by: 1 }]
  }
  if (isOf(event, 'order.confirmed')) {
    const { buyer, lines } = event.data
    return [{ subject: buyer, metric: 'orders', by: 1 }, ...ofLines(lines)]
  }
  if (isOf(event, 'order.rejected')) {
    return [{ subject: event.data.buyer, metric: 'rejected_orders', by: 1 }]
  }
  // Beside what it counted when it was confirmed: counters tell what happened, and that it was sold has happened.
  if (isOf(event, 'order.cancelled')) {
    return [{ subject: event.data.buyer, metric: 'cancelled_orders', by: 1 }]
  }
  return []
}
