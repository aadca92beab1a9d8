import type { Call } from '@stoa/kernel'
import { type Effect, isOf, type StoaEvent } from '@stoa/messaging'

import type { Deps } from '../deps.ts'

/** Lists each new product in its category, exactly once, however often and in whatever order events come. */
export async function listProducts(
  { categories, inbox }: Pick<Deps, 'categories' | 'inbox'>,
  events: readonly StoaEvent[],
  call: Call,
): Promise<void> {
  const effects = events.flatMap((event): readonly Effect[] =>
    isOf(event, 'product.created') ? [categories.list(event)] : [],
  )
  await inbox.apply(effects, call)
}
