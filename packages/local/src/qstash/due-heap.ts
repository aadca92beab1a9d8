import type { Message } from './model.ts'

/** Messages by time due, then by order of acceptance. Push and pop cost O(log n); entries are dropped lazily. */
export class DueHeap {
  readonly #items: { readonly at: number; readonly message: Message }[] = []

  get size(): number {
    return this.#items.length
  }

  push(message: Message): void {
    const items = this.#items
    items.push({ at: message.dueAt, message })
    let child = items.length - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!this.#before(child, parent)) break
      this.#swap(child, parent)
      child = parent
    }
  }

  /** When the next message is due; stale entries are thrown away on the way. */
  nextAt(): number | undefined {
    for (;;) {
      const top = this.#items[0]
      if (top === undefined) return undefined
      if (isCurrent(top)) return top.at
      this.#removeTop()
    }
  }

  /** The next message due at or before `now`, removed. */
  pop(now: number): Message | undefined {
    const at = this.nextAt()
    if (at === undefined || at > now) return undefined
    const top = this.#items[0]
    this.#removeTop()
    return top?.message
  }

  #removeTop(): void {
    const items = this.#items
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    items[0] = last
    let parent = 0
    for (;;) {
      const left = parent * 2 + 1
      if (left >= items.length) return
      const right = left + 1
      const child = right < items.length && this.#before(right, left) ? right : left
      if (!this.#before(child, parent)) return
      this.#swap(child, parent)
      parent = child
    }
  }

  #before(a: number, b: number): boolean {
    const x = this.#items[a]
    const y = this.#items[b]
    if (x === undefined || y === undefined) return false
    return x.at === y.at ? x.message.seq < y.message.seq : x.at < y.at
  }

  #swap(a: number, b: number): void {
    const x = this.#items[a]
    const y = this.#items[b]
    if (x === undefined || y === undefined) return
    this.#items[a] = y
    this.#items[b] = x
  }
}

function isCurrent(item: { readonly at: number; readonly message: Message }): boolean {
  return item.message.phase === 'timed' && item.message.dueAt === item.at
}
