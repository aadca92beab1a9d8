import { report } from '@stoa/http'
import type { Call } from '@stoa/kernel'
import { type Effect, isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'

/** Lists each new product in its category, exactly once, however often and in whatever order events come. */
export async function listProducts(
  { categories, inbox, products }: Pick<Deps, 'categories' | 'inbox' | 'products'>,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const created = events.filter((event) => isOf(event, 'product.created'))
  const effects = created.map((event): Effect => categories.list(event))
  const news = created.map(({ seq, data }) => ({ id: data.product, version: seq }))
  // A delivery is not refused for the cache: "there is none" is gone by itself before it would come again.
  const forgotten = products
    .heard(news, call)
    .catch((error: unknown) => report(error, call.requestId))
  await Promise.all([inbox.apply(effects, call), forgotten])
}
