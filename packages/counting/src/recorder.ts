import type { Call, Clock, Random } from '@stoa/kernel'

import { CountBuffer } from './buffer.ts'
import { cutFlush, encodeFlush, flushId, newProducer } from './flush.ts'
import { type Log, logKey, logOfBucket } from './logs.ts'
import { bucketOf } from './subject.ts'

/** Flushes of one log that may wait for it; while there are so many, the buffer only grows to its own bound. */
const frozenMax = 16
/** How long a send is believed to be under way before another request sends the same flush again. */
const sendLeaseMs = 10_000

export type RecorderOptions = {
  readonly logs: readonly Log[]
  readonly clock: Clock
  readonly random: Random
  /** Distinct counters that make a flush due. Default: 1,000. */
  readonly flushSize?: number
  /** Age of the oldest increment that makes a flush due, in milliseconds. Default: 5,000. */
  readonly flushAgeMs?: number
  /** Distinct counters that the buffer of one log may hold. Default: 20,000, about 1 MB. */
  readonly bufferMax?: number
}

/** What became of a flush. */
export type Flushed = {
  /** Flushes that their log acknowledged. */
  readonly sent: number
  /** Flushes that wait, to be sent again as they are. */
  readonly waiting: number
  readonly failures: readonly unknown[]
}

type Frozen = { readonly id: string; readonly text: string; sentAt: number }
type Lane = { readonly log: Log; buffer: CountBuffer; readonly frozen: Frozen[] }

/**
 * The isolate's side of the flush log: increments gather in memory, one buffer a log, and go out as one XADD. The id of a
 * flush is made once, when it is frozen; until the log acknowledges it, it is sent again, the same bytes under the same
 * id, however often.
 */
export class Recorder {
  readonly flushAgeMs: number
  readonly bufferMax: number
  readonly #options: RecorderOptions
  readonly #flushSize: number
  readonly #logOf: (bucket: number) => number
  readonly #lanes: readonly Lane[]
  #producer: string | undefined
  #sequence = 0

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#flushSize = options.flushSize ?? 1_000
    this.flushAgeMs = options.flushAgeMs ?? 5_000
    this.bufferMax = options.bufferMax ?? 20_000
    this.#logOf = logOfBucket(options.logs)
    this.#lanes = options.logs.map((log) => ({ log, buffer: this.#newBuffer(log), frozen: [] }))
  }

  #newBuffer(log: Log): CountBuffer {
    return new CountBuffer(log.name, this.bufferMax)
  }

  /** Runs `add` on the buffer that takes the increments of `slot`. */
  record(slot: number, add: (buffer: CountBuffer) => void): void {
    const lane = this.#lanes[this.#logOf(bucketOf(slot))]
    if (lane === undefined) throw new RangeError(`Cannot count slot ${slot}: no log takes it`)
    add(lane.buffer)
    lane.buffer.since ??= this.#options.clock.now()
  }

  /** Milliseconds until something is due: 0 when it is now, `undefined` when nothing waits. */
  dueInMs(): number | undefined {
    const now = this.#options.clock.now()
    const waits = this.#lanes.flatMap(({ buffer, frozen }) => {
      const old = buffer.since === undefined ? [] : [buffer.since + this.flushAgeMs - now]
      const again = frozen.map(({ sentAt }) => sentAt + sendLeaseMs - now)
      return buffer.size >= this.#flushSize ? [0] : [...old, ...again]
    })
    return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits))
  }

  /** An id that no other isolate and no other moment of this one makes. */
  newId(): string {
    // Random numbers are forbidden while a Worker's module is being loaded.
    this.#producer ??= newProducer(this.#options.random)
    this.#sequence += 1
    return flushId(this.#options.clock.now(), this.#producer, this.#sequence)
  }

  #freeze(lane: Lane): void {
    if (lane.buffer.since === undefined || lane.frozen.length >= frozenMax) return
    for (const piece of cutFlush(lane.buffer.freeze())) {
      const id = this.newId()
      lane.frozen.push({ id, text: encodeFlush({ id, ...piece }), sentAt: -Infinity })
    }
    lane.buffer = this.#newBuffer(lane.log)
  }

  async #send(lane: Lane, call: Call): Promise<number> {
    const now = this.#options.clock.now()
    const due = lane.frozen.filter(({ sentAt }) => sentAt + sendLeaseMs <= now)
    if (due.length === 0) return 0
    for (const frozen of due) frozen.sentAt = now
    const commands = due.map(({ id, text }) => ['XADD', logKey, '*', 'f', id, 'd', text])
    try {
      const answers = await lane.log.redis.pipeline(commands, call, { idempotent: true })
      const done = due.filter((_, index) => 'result' in (answers[index] ?? { error: '' }))
      for (const one of done) lane.frozen.splice(lane.frozen.indexOf(one), 1)
      const refused = answers.find((answer) => 'error' in answer)
      if (refused !== undefined && 'error' in refused)
        throw new Error(`Cannot append to log "${lane.log.name}": ${refused.error}`)
      return done.length
    } finally {
      for (const frozen of due) frozen.sentAt = -Infinity
    }
  }

  /**
   * Freezes what each log's buffer holds and sends it, with what waits from before. One round trip for each log that has
   * something, all at once. Never throws: what a log did not acknowledge waits, and is sent again.
   */
  async flush(call: Call): Promise<Flushed> {
    for (const lane of this.#lanes) this.#freeze(lane)
    const ends = await Promise.allSettled(this.#lanes.map((lane) => this.#send(lane, call)))
    const sent = ends.reduce((sum, end) => sum + (end.status === 'fulfilled' ? end.value : 0), 0)
    const failures = ends.flatMap((end) =>
      end.status === 'rejected' ? [end.reason as unknown] : [],
    )
    const waiting = this.#lanes.reduce((sum, { frozen }) => sum + frozen.length, 0)
    return { sent, waiting, failures }
  }
}
