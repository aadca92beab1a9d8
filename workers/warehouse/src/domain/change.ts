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

/** A wish for goods. The database decides, and says one of the two events. */
export type Reserve = Line & {
  readonly kind: 'reserve'
  readonly order: string
  /** Cells of one database, in the order of preference. The first decides for all of them, once for the order. */
  readonly cells: readonly [AskedCell, ...AskedCell[]]
  readonly reserved: StoaEvent<'stock.reserved'>
  /** When none of the cells has enough: others are asked, or there are none. */
  readonly otherwise: StoaEvent<'stock.passed_on'> | StoaEvent<'stock.refused'>
}

/** The end of a wish: what was reserved is free again, and what comes later reserves nothing. */
export type Release = Line & {
  readonly kind: 'release'
  readonly order: string
  /** Cells of one database. */
  readonly cells: readonly [AskedCell, ...AskedCell[]]
  /** The cell at which the order asks first. */
  readonly entry: string
}

/** Units that left another cell and come in here. */
export type Take = Line & {
  readonly kind: 'take'
  readonly transfer: string
  readonly from: string
  readonly to: string
}

/** What an event does to the stock of one product. */
export type StockChange = (Arrival | Reserve | Release | Take) & { readonly cause: StoaEvent }

/** Units that are to leave `from`, if they are still free; `moved` says that they did. */
export type Give = {
  readonly transfer: string
  readonly from: string
  readonly to: string
  readonly quantity: number
  readonly moved: StoaEvent<'stock.moved'>
}

/** One line for each product: an order may name a product twice, and its stock is asked once. */
export function mergeLines(lines: readonly Line[]): readonly Line[] {
  const merged = new Map<string, number>()
  for (const { product, quantity } of lines) {
    merged.set(product, (merged.get(product) ?? 0) + quantity)
  }
  return [...merged].map(([product, quantity]) => ({ product, quantity }))
}
