import type { Message, Phase } from './model.ts'

/** A first-in first-out line of messages that are in one phase; those that left the phase are skipped. */
export class Line {
  readonly #phase: Phase
  #items: Message[] = []
  #head = 0

  constructor(phase: Phase) {
    this.#phase = phase
  }

  push(message: Message): void {
    message.phase = this.#phase
    this.#items.push(message)
  }

  peek(): Message | undefined {
    for (;;) {
      const message = this.#items[this.#head]
      if (message === undefined) {
        this.#items = []
        this.#head = 0
        return undefined
      }
      if (message.phase === this.#phase) return message
      this.#drop()
    }
  }

  shift(): Message | undefined {
    const message = this.peek()
    if (message !== undefined) this.#drop()
    return message
  }

  /** How many still wait. Costs O(n). */
  count(): number {
    let total = 0
    for (let at = this.#head; at < this.#items.length; at += 1) {
      if (this.#items[at]?.phase === this.#phase) total += 1
    }
    return total
  }

  /** Drops one, and the dead half of the array now and then. */
  #drop(): void {
    this.#head += 1
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
