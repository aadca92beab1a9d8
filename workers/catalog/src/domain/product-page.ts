import { type Call, type Clock, within } from '@stoa/kernel'

import type { Neighbours, ProductStore } from './ports.ts'
import { type Product, ProductNotFoundError } from './product.ts'

/** How long the page waits for its neighbours: beyond it a reader is better served without them. */
export const neighbourMs = 2_000

/** A product with what other services know of it; `null` for what cannot be told now. */
export type ProductPage = Product & {
  readonly available: number | null
  readonly sold: number | null
}

type Deps = {
  readonly products: Pick<ProductStore, 'get'>
  readonly neighbours: Neighbours
  readonly clock: Clock
  /** Told why a part is missing. */
  readonly onMissing: (error: unknown, call: Call) => void
}

/** Rejects when the call ends, whether or not the one who was asked listens to its signal. */
function ended(call: Call): Promise<never> {
  return new Promise((_resolve, reject) => {
    const refuse = () => reject(call.signal.reason)
    if (call.signal.aborted) refuse()
    else call.signal.addEventListener('abort', refuse, { once: true })
  })
}

/**
 * Reads a product and asks its neighbours at the same time. They can make the page poorer, and at most
 * {@link neighbourMs} slower, never wrong.
 *
 * @throws ProductNotFoundError at once, without waiting for them.
 */
export async function readProductPage(
  { products, neighbours, clock, onMissing }: Deps,
  id: string,
  call: Call,
): Promise<ProductPage> {
  const brief = within(call, neighbourMs, clock)
  const late = ended(brief)
  late.catch(() => undefined)
  const orNull = async (asked: Promise<number>): Promise<number | null> => {
    try {
      return await Promise.race([asked, late])
    } catch (error) {
      onMissing(error, call)
      return null
    }
  }
  const parts = Promise.all([
    orNull(neighbours.available(id, brief)),
    orNull(neighbours.sold(id, brief)),
  ])
  const product = await products.get(id, call)
  if (product === undefined) throw new ProductNotFoundError()
  const [available, sold] = await parts
  return { ...product, available, sold }
}
