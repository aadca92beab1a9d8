import type { Bytes } from '../bytes.ts'
import type { Interest, Subscription } from '../engine.ts'
import { queueUntil, type HeardQueue } from '../heard-queue.ts'
import { globOf } from './glob.ts'

type Listener = { readonly interest: Interest; readonly queue: HeardQueue }

/** The subscribers and watchers of one database. */
export class Hub {
  readonly #listeners = new Set<Listener>()

  get isWatched(): boolean {
    return [...this.#listeners].some(({ interest }) => interest.kind === 'monitor')
  }

  listen(interest: Interest): Subscription {
    const listener: Listener = {
      interest,
      queue: queueUntil(interest.signal, () => this.#listeners.delete(listener)),
    }
    if (interest.signal.aborted) return listener.queue
    this.#listeners.add(listener)
    if (interest.kind === 'monitor') listener.queue.push({ kind: 'monitor', parts: ['OK'] })
    for (const [at, name] of interest.names.entries()) {
      listener.queue.push({ kind: interest.kind, parts: [name, String(at + 1)] })
    }
    return listener.queue
  }

  publish(channel: Bytes, message: Bytes): number {
    let heard = 0
    for (const { interest, queue } of this.#listeners) {
      for (const name of interest.names) {
        if (interest.kind === 'subscribe' && name === channel) {
          queue.push({ kind: 'message', parts: [channel, message] })
          heard++
        } else if (interest.kind === 'psubscribe' && globOf(name)(channel)) {
          queue.push({ kind: 'pmessage', parts: [name, channel, message] })
          heard++
        }
      }
    }
    return heard
  }

  /** Shows a command to those who watch, as MONITOR prints it. */
  show(line: Bytes): void {
    for (const { interest, queue } of this.#listeners) {
      if (interest.kind === 'monitor') queue.push({ kind: 'monitor', parts: [line] })
    }
  }

  close(): void {
    for (const { queue } of this.#listeners) queue.end()
    this.#listeners.clear()
  }
}
