import type { Heard, Subscription } from './engine.ts'

/** A subscriber this far behind is cut off, as Redis cuts off a client whose output buffer is full. */
const maxWaiting = 10_000

/** What a subscriber has not read yet. Iterate it once. */
export class HeardQueue implements AsyncIterable<Heard> {
  #waiting: Heard[] = []
  #ended = false
  #wake: () => void = () => {}

  push(heard: Heard): void {
    if (this.#ended) return
    this.#waiting.push(heard)
    if (this.#waiting.length > maxWaiting) this.end()
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Heard, void, undefined> {
    for (;;) {
      const batch = this.#waiting
      this.#waiting = []
      yield* batch
      if (this.#waiting.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** A queue that ends with the signal; `onEnd` runs once when it does. */
export function queueUntil(signal: AbortSignal, onEnd: () => void): HeardQueue & Subscription {
  const queue = new HeardQueue()
  const stop = () => {
    queue.end()
    onEnd()
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  return queue
}
