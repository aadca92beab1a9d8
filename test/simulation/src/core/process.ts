/** Nothing ever comes of it: what a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}

/**
 * One life of a program: an isolate, a coordinator. A promise cannot be aborted, so killing works at the ports: whatever a
 * dead process waits for never comes, and whatever it asks for is never sent. What it sent before still arrives.
 */
export class Process {
  readonly name: string
  #isAlive = true
  readonly #onKill: () => void

  constructor(name: string, onKill: () => void = () => undefined) {
    this.name = name
    this.#onKill = onKill
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  kill(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#onKill()
  }
}
