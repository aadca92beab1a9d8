import { prefixOf, xxh32 } from '@stoa/kernel'

/**
 * The characters of lanes. An id has one of them where others have the first digit of their time, which comes to G
 * in the year 2527: so the lanes of a product are ranges of keys with nothing else between them.
 */
const lanes = 'GHJKMNPQRSTVWXYZ'

function inLane(product: string, lane: string): string {
  return `${prefixOf(product)}${lane}${product.slice(6)}`
}

function lanesOf(product: string): readonly string[] {
  return Array.from(lanes, (lane) => inLane(product, lane))
}

/** Every cell that the stock of `product` may lie in: the lanes, and its home, which is the product itself. */
export function cellsOf(product: string): readonly string[] {
  return [...new Set([...lanesOf(product), product])]
}

/** The keys of all cells of `product`; where they are cut, they are cut between two lanes. */
export function rangeOf(product: string): { readonly from: string; readonly to: string } {
  const prefix = prefixOf(product)
  return { from: prefix, to: `${prefix}~` }
}

/** The cell at which an order asks first, for ever: there it is known whether the order has asked before. */
export function entryOf(product: string, order: string): string {
  return lanesOf(product)[xxh32(order) % lanes.length] ?? product
}

/** The cells to ask after `cell`, in turn: lane after lane, then the home. */
export function afterCell(product: string, cell: string): readonly string[] {
  const all = lanesOf(product)
  const start = all.indexOf(cell) + 1
  return [...new Set([...all.slice(start), ...all.slice(0, start), product])]
}

/** `count` cells as far apart as can be, the home among them: so that each part of the lanes has some. */
export function spreadCells(product: string, count: number): readonly string[] {
  const inLanes = count - 1
  const all = lanesOf(product)
  const chosen = Array.from(
    { length: inLanes },
    (_, index) => all[Math.floor((index * all.length) / inLanes)] ?? product,
  )
  return [...new Set([product, ...chosen])]
}
