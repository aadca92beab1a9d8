import { setImmediate as turn } from 'node:timers/promises'

import type { Clock } from '@stoa/kernel'

import type { Chance } from './chance.ts'
import { Heap } from './heap.ts'
import type { Trace } from './trace.ts'

type Event = {
  readonly at: number
  /** Orders events of one moment by chance. */
  readonly tie: number
  readonly label: string
  readonly run: () => void
  isCancelled: boolean
}

/** Why a signal of the clock aborts: one for all, since making one costs more than most events. */
export const timePassed = new DOMException('The time has passed', 'TimeoutError')

/** When virtual time begins: a moment whose ids have the usual form. */
const startMs = Date.UTC(2026, 0, 1)

/**
 * Virtual time, and the one place where anything happens: events run one at a time, in the order of their time and,
 * at the same time, of chance. Between two events every promise that can settle settles.
 */
export class Scheduler {
  readonly #events: Heap<Event>
  readonly #chance: Chance
  readonly #trace: Trace
  #nowMs = startMs
  #steps = 0

  constructor(chance: Chance, trace: Trace) {
    this.#chance = chance
    this.#trace = trace
    this.#events = new Heap((a, b) => (a.at === b.at ? a.tie < b.tie : a.at < b.at))
  }

  /** Events so far: an order of time finer than the clock's. */
  get steps(): number {
    return this.#steps
  }

  /** Milliseconds of virtual time since the run began. */
  get elapsedMs(): number {
    return this.#nowMs - startMs
  }

  /** Stands still between two events, as a Worker's does between two I/O operations. */
  readonly clock: Required<Clock> = {
    now: () => Math.floor(this.#nowMs),
    after: (ms) => {
      const alarm = new AbortController()
      this.after(ms, '', () => alarm.abort(timePassed))
      return alarm.signal
    },
  }

  /** Runs `run` when `ms` have passed, unless cancelled before. An event without a label leaves no trace. */
  after(ms: number, label: string, run: () => void): { cancel(): void } {
    const at = this.#nowMs + Math.max(0, ms)
    const event: Event = { at, tie: this.#chance.uint32(), label, run, isCancelled: false }
    this.#events.push(event)
    return {
      cancel: () => {
        event.isCancelled = true
      },
    }
  }

  /**
   * Runs events until `isDone`, or nothing is left to happen, or virtual time is at `deadlineMs` (since the run began).
   * True when `isDone`.
   */
  async drive(isDone: () => boolean, deadlineMs: number): Promise<boolean> {
    await turn()
    while (!isDone()) {
      const event = this.#events.pop()
      if (event === undefined) return false
      if (event.isCancelled) continue
      if (event.at - startMs > deadlineMs) {
        this.#events.push(event)
        this.#nowMs = startMs + deadlineMs
        return false
      }
      this.#nowMs = event.at
      this.#steps += 1
      if (event.label !== '') this.note(event.label)
      event.run()
      // A turn of the event loop, not one `await`: the whole queue of promises must be empty before the next event.
      await turn()
    }
    return true
  }

  note(text: string): void {
    this.#trace.add(this.elapsedMs, text)
  }
}
