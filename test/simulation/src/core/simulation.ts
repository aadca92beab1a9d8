import type { Clock, Random } from '@stoa/kernel'

import { type Chance, createChance } from './chance.ts'
import { type Faults, swarm } from './faults.ts'
import { Network } from './network.ts'
import { Process } from './process.ts'
import { Scheduler, timePassed } from './scheduler.ts'
import { createTrace, type Trace } from './trace.ts'

/** What was found wrong: a name to count by, and the evidence. */
export type Violation = { readonly kind: string; readonly message: string }

export type SimulationOptions = {
  /** Keeps the words of the trace, for a person to read. */
  readonly keepsTrace?: boolean
  /** What may go wrong. Default: a random half of all faults. */
  readonly faults?: (chance: Chance) => Faults
}

/** How long a dead process stays dead, on average, in milliseconds. */
const restartMs = 60

/** One world: virtual time, a faulty network, and the processes that live in it. */
export class Simulation {
  readonly seed: number
  readonly chance: Chance
  readonly trace: Trace
  readonly scheduler: Scheduler
  readonly network: Network
  readonly #labels = new Set<string>()
  readonly #running = new Map<string, Process>()
  #violation: Violation | undefined
  #isHealed = false

  constructor(seed: number, { keepsTrace = false, faults = swarm }: SimulationOptions = {}) {
    this.seed = seed
    this.chance = createChance(seed)
    this.trace = createTrace(keepsTrace)
    this.scheduler = new Scheduler(this.chance.fork(), this.trace)
    this.network = new Network(this.scheduler, this.chance.fork(), faults(this.chance))
  }

  get violation(): Violation | undefined {
    return this.#violation
  }

  get labels(): ReadonlySet<string> {
    return this.#labels
  }

  /** Whether faults have ended for good: from now on everything must come to its end. */
  get isHealed(): boolean {
    return this.#isHealed
  }

  heal(): void {
    this.#isHealed = true
    this.network.heal()
    this.scheduler.note('healed')
  }

  /** Processes whose work is not done. */
  get running(): number {
    return this.#running.size
  }

  get names(): readonly string[] {
    return [...this.#running.keys()]
  }

  /** Says that something worth testing happened: a batch of runs in which it never does proves nothing about it. */
  sometimes(label: string): void {
    this.#labels.add(label)
  }

  /** Ends the run: something that must always hold does not. The first one counts. */
  violate(kind: string, message: string): void {
    this.#violation ??= { kind, message }
    this.scheduler.note(`VIOLATION ${kind}: ${message}`)
  }

  /**
   * Runs `body` as a process until it is done. When it is killed it starts again after a while, with no memory: a body
   * may rest only on what it finds in the databases, or is handed as its caller's own notes.
   */
  spawn(name: string, body: (process: Process) => Promise<void>): void {
    const process = new Process(name, () => {
      this.scheduler.note(`killed ${name}`)
      this.scheduler.after(this.chance.wait(restartMs), `started ${name}`, () =>
        this.spawn(name, body),
      )
    })
    this.#running.set(name, process)
    body(process).then(
      () => this.#running.delete(name),
      (error: unknown) => {
        const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
        if (process.isAlive) this.violate('crash', `${name}: ${words}`)
      },
    )
  }

  /** Time as `process` feels it: when it is dead, no alarm wakes it. */
  clockOf(process: Process): Required<Clock> {
    const { clock } = this.scheduler
    return {
      now: clock.now,
      after: (ms) => {
        const alarm = new AbortController()
        this.scheduler.after(ms, '', () => {
          if (process.isAlive) alarm.abort(timePassed)
        })
        return alarm.signal
      },
    }
  }

  random(): Random {
    return this.chance.fork()
  }

  /** Lets virtual time run until `isDone`. False, and a violation, when that does not come within `ms`. */
  async until(isDone: () => boolean, ms: number): Promise<boolean> {
    const isOver = () => this.#violation !== undefined || isDone()
    return this.scheduler.drive(isOver, this.scheduler.elapsedMs + ms)
  }
}
