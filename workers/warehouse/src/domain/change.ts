import type { StoaEvent } from '@stoa/messaging'

type Line = { readonly product: string; readonly quantity: number }

/** Goods that come in: `ref` is what brought them, and brings them once. */
export type Arrival = Line & {
  readonly kind: 'opening' | 'receipt'
  readonly ref: string
  readonly movement: string
}

/** A wish for goods. The database decides, and says one of the two events. */
export type Reserve = Line & {
  readonly kind: 'reserve'
  readonly reservation: string
  readonly order: string
  readonly movement: string
  readonly reserved: StoaEvent<'stock.reserved'>
  readonly refused: StoaEvent<'stock.refused'>
}

/** The end of a wish: what was reserved is free again, and what comes later reserves nothing. */
export type Release = Line & {
  readonly kind: 'release'
  readonly reservation: string
  readonly order: string
  readonly movement: string
}

/** What an event does to the stock of one product. */
export type StockChange = (Arrival | Reserve | Release) & { readonly cause: StoaEvent }

/** One line for each product: an order may name a product twice, and its stock is asked once. */
export function mergeLines(lines: readonly Line[]): readonly Line[] {
  const merged = new Map<string, number>()
  for (const { product, quantity } of lines) {
    merged.set(product, (merged.get(product) ?? 0) + quantity)
  }
  return [...merged].map(([product, quantity]) => ({ product, quantity }))
}
