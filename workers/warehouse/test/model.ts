import { isOf, type StoaEvent } from '@stoa/messaging'

import type { StockOp } from '../src/domain/branch.ts'

type Line = { readonly product: string; readonly quantity: number }
type Level = { onHand: number; reserved: number }
type Wish = { state: 'reserved' | 'refused' | 'released' | 'never'; quantity: number }

/** One operation of an order's branch for a product. */
export type Asked = Line & { readonly op: StockOp; readonly order: string }

function summed(lines: readonly Line[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { product, quantity } of lines) {
    sums.set(product, (sums.get(product) ?? 0) + quantity)
  }
  return sums
}

/** What the warehouse promises, said in the simplest way: one event after the other, in memory. */
export class Model {
  readonly #levels = new Map<string, Level>()
  readonly #arrived = new Set<string>()
  readonly #wishes = new Map<string, Wish>()

  level(product: string): Level | undefined {
    return this.#levels.get(product)
  }

  wish(product: string, order: string): Wish | undefined {
    return this.#wishes.get(`${product}|${order}`)
  }

  apply(event: StoaEvent): void {
    if (isOf(event, 'product.created')) {
      this.#arrive(event.data.product, event.data.stock, 'opening')
    } else if (isOf(event, 'goods.received')) {
      const lines = event.data.lines.map((line) => ({ ...line, quantity: line.received }))
      for (const [product, sum] of summed(lines)) this.#arrive(product, sum, event.data.receipt)
    }
  }

  #arrive(product: string, quantity: number, ref: string): void {
    if (this.#arrived.has(`${product}|${ref}`)) return
    this.#arrived.add(`${product}|${ref}`)
    const level = this.#levels.get(product) ?? { onHand: 0, reserved: 0 }
    this.#levels.set(product, { ...level, onHand: level.onHand + quantity })
  }

  /** What the branch answers. */
  ask({ op, product, order, quantity }: Asked): string {
    return op === 'try' ? this.#place(product, order, quantity) : this.#giveBack(product, order)
  }

  #place(product: string, order: string, quantity: number): string {
    const key = `${product}|${order}`
    const level = this.#levels.get(product)
    const wish = this.#wishes.get(key)
    if (wish?.state === 'refused') return 'out_of_stock'
    if (wish !== undefined) return wish.state === 'reserved' ? 'done' : 'hanging'
    const fits = level !== undefined && level.onHand - level.reserved >= quantity
    if (fits) level.reserved += quantity
    this.#wishes.set(key, { state: fits ? 'reserved' : 'refused', quantity })
    return fits ? 'done' : 'out_of_stock'
  }

  #giveBack(product: string, order: string): string {
    const key = `${product}|${order}`
    const wish = this.#wishes.get(key)
    const level = this.#levels.get(product)
    if (wish === undefined) this.#wishes.set(key, { state: 'never', quantity: 0 })
    if (wish?.state !== 'reserved' || level === undefined) return 'done'
    level.reserved -= wish.quantity
    wish.state = 'released'
    return 'done'
  }
}
