/**
 * A clock that can be stopped and moved forward, never back. While it runs it follows the base clock
 * at an offset; it does not go backwards even if the base does.
 */
export class VirtualClock {
  readonly #base: () => number
  #offset: number
  #frozenAt: number | undefined
  #latest = Number.NEGATIVE_INFINITY

  constructor(base: () => number, offset = 0) {
    this.#base = base
    this.#offset = offset
  }

  get paused(): boolean {
    return this.#frozenAt !== undefined
  }

  /** How far it is ahead of the base clock. */
  get offsetMs(): number {
    return this.#frozenAt === undefined ? this.#offset : this.#frozenAt - this.#base()
  }

  now(): number {
    if (this.#frozenAt !== undefined) return this.#frozenAt
    this.#latest = Math.max(this.#latest, this.#base() + this.#offset)
    return this.#latest
  }

  pause(): void {
    this.#frozenAt ??= this.now()
  }

  /** Runs on from where it stands. */
  resume(): void {
    if (this.#frozenAt === undefined) return
    this.#offset = this.#frozenAt - this.#base()
    this.#latest = this.#frozenAt
    this.#frozenAt = undefined
  }

  /** Only while paused; a time in the past is ignored. */
  moveTo(time: number): void {
    if (this.#frozenAt !== undefined) this.#frozenAt = Math.max(this.#frozenAt, time)
  }
}
