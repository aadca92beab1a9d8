import type { StoaEvent } from '@stoa/messaging'

type Line = { readonly product: string; readonly quantity: number }

/** Goods that come in, at the product's home: `ref` is what brought them, and brings them once. */
export type Arrival = Line & {
  readonly kind: 'opening' | 'receipt'
  readonly ref: string
  readonly movement: string
}

/** A cell that is asked, with the ids of what an order does to it. */
export type AskedCell = {
  readonly cell: string
  readonly reservation: string
  readonly movement: string
}

/** Units that left another cell and come in here. */
export type Take = Line & {
  readonly kind: 'take'
  readonly transfer: string
  readonly from: string
  readonly to: string
}

/** What an event does to the stock of one product. */
export type StockChange = (Arrival | Take) & { readonly cause: StoaEvent }

/** Units that are to leave `from`, if they are still free; `moved` says that they did. */
export type Give = {
  readonly transfer: string
  readonly from: string
  readonly to: string
  readonly quantity: number
  readonly moved: StoaEvent<'stock.moved'>
}

/** One line for each product: a receipt may name a product twice, and its stock rises once. */
export function mergeLines(lines: readonly Line[]): readonly Line[] {
  const merged = new Map<string, number>()
  for (const { product, quantity } of lines) {
    merged.set(product, (merged.get(product) ?? 0) + quantity)
  }
  return [...merged].map(([product, quantity]) => ({ product, quantity }))
}
