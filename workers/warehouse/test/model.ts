import { isOf, type StoaEvent } from '@stoa/messaging'

type Line = { readonly product: string; readonly quantity: number }
type Level = { onHand: number; reserved: number }
type Wish = { state: 'reserved' | 'refused' | 'released'; quantity: number; outcome: string[] }

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
    } else if (isOf(event, 'order.placed')) {
      for (const [product, sum] of summed(event.data.lines))
        this.#place(product, event.data.order, sum)
    } else if (isOf(event, 'order.rejected')) {
      for (const [product, sum] of summed(event.data.release))
        this.#reject(product, event.data.order, sum)
    }
  }

  #arrive(product: string, quantity: number, ref: string): void {
    if (this.#arrived.has(`${product}|${ref}`)) return
    this.#arrived.add(`${product}|${ref}`)
    const level = this.#levels.get(product) ?? { onHand: 0, reserved: 0 }
    this.#levels.set(product, { ...level, onHand: level.onHand + quantity })
  }

  #place(product: string, order: string, quantity: number): void {
    const key = `${product}|${order}`
    if (this.#wishes.has(key)) return
    const level = this.#levels.get(product)
    const fits = level !== undefined && level.onHand - level.reserved >= quantity
    if (fits) level.reserved += quantity
    const state = fits ? 'reserved' : 'refused'
    this.#wishes.set(key, { state, quantity, outcome: [`stock.${state}`] })
  }

  #reject(product: string, order: string, quantity: number): void {
    const key = `${product}|${order}`
    const wish = this.#wishes.get(key)
    const level = this.#levels.get(product)
    if (wish === undefined) this.#wishes.set(key, { state: 'released', quantity, outcome: [] })
    if (wish?.state !== 'reserved' || level === undefined) return
    level.reserved -= wish.quantity
    wish.state = 'released'
  }
}
