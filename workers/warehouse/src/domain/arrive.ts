import type { StoaEvent } from '@stoa/messaging'

import { mergeLines, type StockChange } from './change.ts'
import { derivedId } from './derived-id.ts'

/** The stock that a product begins with: added to what may have arrived before the product was known. */
export function open(event: StoaEvent<'product.created'>): readonly StockChange[] {
  const { product, stock } = event.data
  const movement = derivedId(product, ['opening', product])
  return [{ kind: 'opening', cause: event, product, quantity: stock, ref: product, movement }]
}

/** The goods of a receipt, product by product. */
export function receive(event: StoaEvent<'goods.received'>): readonly StockChange[] {
  const { receipt, lines } = event.data
  const wished = lines.map(({ product, received }) => ({ product, quantity: received }))
  return mergeLines(wished).map(({ product, quantity }) => {
    const movement = derivedId(product, ['receipt', product, receipt])
    return { kind: 'receipt', cause: event, product, quantity, ref: receipt, movement }
  })
}
