import type { Flight, Hub } from './hub.ts'
import { nextWakeAt, pump } from './pump.ts'
import { saveRecord } from './records.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Node's timers overflow above 2^31 ms; waking early costs nothing. */
const longestTimerMs = 3_600_000
/** While time is moved, a destination gets this much real time per delivery; then the clock goes on without it. */
const graceMs = 2000
/** Moves of the clock per command, so that a minute's cron over a century cannot hang the process. */
const maxSteps = 200_000

/** Drives the engine: one real timer for the next thing due, and journeys through virtual time. */
export class Runner {
  readonly #hub: Hub
  readonly #clock: VirtualClock
  #timer: NodeJS.Timeout | undefined
  #travelling = false
  #commands: Promise<unknown> = Promise.resolve()
  readonly #slow = new WeakSet<Flight>()

  constructor(hub: Hub, clock: VirtualClock) {
    this.#hub = hub
    this.#clock = clock
    hub.wake = () => this.wake()
  }

  /** Does what is due and sets the timer for what is next. */
  wake(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    pump(this.#hub)
    if (this.#hub.closed || this.#travelling || this.#clock.paused) return
    const at = nextWakeAt(this.#hub)
    if (at === undefined) return
    const wait = Math.min(longestTimerMs, Math.max(0, at - this.#clock.now()))
    this.#timer = setTimeout(() => this.wake(), wait)
    this.#timer.unref()
  }

  /**
   * Moves the clock to `target`, stopping at every moment at which something is due and waiting for the
   * deliveries made there, in order. Resolves `false` when it gave up before `target` (see `maxSteps`).
   */
  travel(target: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const wasPaused = this.#clock.paused
      this.#clock.pause()
      this.#travelling = true
      try {
        return await this.#steps(target)
      } finally {
        this.#travelling = false
        if (!wasPaused) this.#clock.resume()
        await this.#rememberOffset()
        this.wake()
      }
    })
  }

  setPaused(paused: boolean): Promise<void> {
    return this.#inTurn(async () => {
      if (paused) this.#clock.pause()
      else this.#clock.resume()
      await this.#rememberOffset()
      this.wake()
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#hub.closed = true
    for (const flight of this.#hub.flights.values()) flight.abort.abort(new Error('shutting down'))
  }

  async #steps(target: number): Promise<boolean> {
    pump(this.#hub)
    await this.#settle()
    for (let step = 0; step < maxSteps; step += 1) {
      const next = nextWakeAt(this.#hub)
      if (this.#hub.closed) return false
      if (next === undefined || next > target) {
        this.#clock.moveTo(target)
        return true
      }
      this.#clock.moveTo(next)
      pump(this.#hub)
      await this.#settle()
    }
    return false
  }

  /** Waits until nothing is under way, apart from deliveries that used up their grace. */
  async #settle(): Promise<void> {
    for (;;) {
      const pending = [...this.#hub.flights.values()].filter((flight) => !this.#slow.has(flight))
      if (pending.length === 0) return
      if (await landed(pending)) continue
      for (const flight of pending) this.#slow.add(flight)
    }
  }

  async #rememberOffset(): Promise<void> {
    const offsetMs = this.#clock.offsetMs
    saveRecord(this.#hub, { kind: 'setting', key: 'clock' }, { offsetMs })
    await this.#hub.journal.commit()
  }

  #inTurn<T>(command: () => Promise<T>): Promise<T> {
    const result = this.#commands.then(command)
    this.#commands = result.catch(() => undefined)
    return result
  }
}

/** Whether all of `flights` landed within the grace. */
async function landed(flights: readonly Flight[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), graceMs)
  })
  const all = Promise.all(flights.map((flight) => flight.done)).then(() => true)
  const result = await Promise.race([all, late])
  clearTimeout(timer)
  return result
}
