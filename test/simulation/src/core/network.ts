import type { Chance } from './chance.ts'
import { type Faults, noFaults } from './faults.ts'
import { never, type Process } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** Why a call gave no answer: it had no effect (`refused`, `busy`), or nobody can tell (`lost`). */
export type NetworkFailure = 'refused' | 'busy' | 'lost'

export class NetworkError extends Error {
  override readonly name = 'NetworkError'
  readonly failure: NetworkFailure

  constructor(failure: NetworkFailure) {
    super(`The call was ${failure}`)
    this.failure = failure
  }
}

/** One call of a port. */
export type Request<T> = {
  /** What is asked, in the trace. */
  readonly label: string
  /** What happens on arrival. It may run twice, or long after the caller has gone; each time it must take one event. */
  effect(): Promise<T>
  /** What came of it, in the trace: two runs that only seem alike differ here. */
  spell(answer: T): string
  /** Ends the wait of the caller, never the request. */
  readonly signal: AbortSignal
}

/** Mean one-way time of a message, in milliseconds. */
const latencyMs = 4
/** A caller that hears nothing gives up after this, as an HTTP client does. */
const patienceMs = 400
/** How late a late message may be, at most. */
const latenessMs = 1_500
/** Changes that a message may wait for: one move makes half as many. */
const changesMost = 12
/** Faults last: a restart or a partition takes up to this. */
const outageMs = 600

/** Everything between the processes and the databases, queues and caches that they call. */
export class Network {
  readonly #scheduler: Scheduler
  readonly #chance: Chance
  #faults: Faults
  /** Endpoints, and pairs `process>endpoint`, that hear nothing now. */
  readonly #silent = new Map<string, number>()
  readonly #held = new Set<Held>()
  /** Requests and replies under way. */
  #inFlight = 0

  constructor(scheduler: Scheduler, chance: Chance, faults: Faults) {
    this.#scheduler = scheduler
    this.#chance = chance
    this.#faults = faults
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** No fault happens from now on; what is under way still arrives. */
  heal(): void {
    this.#faults = noFaults
    this.#silent.clear()
  }

  /** Lets endpoints restart and links break from time to time, until {@link Network.heal}. */
  disturb(endpoints: readonly string[], processes: readonly string[]): void {
    const again = (everyMs: number, targets: readonly string[]): void => {
      const [first, ...others] = targets
      if (everyMs === 0 || first === undefined) return
      this.#scheduler.after(this.#chance.wait(everyMs), '', () => {
        if (this.#faults === noFaults) return
        this.#silence(this.#chance.pick([first, ...others]))
        again(everyMs, targets)
      })
    }
    again(this.#faults.restartEveryMs, endpoints)
    const links = processes.flatMap((name) => endpoints.map((endpoint) => `${name}>${endpoint}`))
    again(this.#faults.partitionEveryMs, links)
  }

  #silence(target: string): void {
    this.#scheduler.note(`silent ${target}`)
    const until = this.#scheduler.elapsedMs + this.#chance.fraction() * outageMs
    this.#silent.set(target, until)
  }

  #isSilent(from: string, to: string): boolean {
    const now = this.#scheduler.elapsedMs
    return [to, `${from}>${to}`].some((target) => (this.#silent.get(target) ?? 0) > now)
  }

  /** @throws NetworkError, or the reason of the signal when that comes first; never settles for a dead process. */
  call<T>(from: Process, to: string, request: Request<T>): Promise<T> {
    if (!from.isAlive || this.#dies(from)) return never()
    const exchange = new Exchange(from, this.#scheduler, request)
    const label = `${from.name} -> ${to} ${request.label}`
    const refusal = this.#refusal()
    const sent = { from, to, label, request, refusal }
    this.#send(exchange, sent)
    // What is refused has no effect, so it must not come again.
    if (refusal === undefined && this.#chance.happens(this.#faults.duplicate))
      this.#arriveLate(exchange, { ...sent, label: `${label} again` })
    if (this.#dies(from)) return never()
    return exchange.answer
  }

  #dies(from: Process): boolean {
    if (!from.isAlive || !this.#chance.happens(this.#faults.kill)) return !from.isAlive
    from.kill()
    return true
  }

  #send<T>(exchange: Exchange<T>, sent: Sent<T>): void {
    if (this.#chance.happens(this.#faults.lostRequest)) {
      this.#scheduler.note(`lost ${sent.label}`)
      return
    }
    if (this.#chance.happens(this.#faults.late)) this.#arriveLate(exchange, sent)
    else this.#arrive(exchange, this.#chance.wait(latencyMs), sent)
  }

  /** A little late, behind what was sent next; very late, when the caller has gone; or when it hurts. */
  #arriveLate<T>(exchange: Exchange<T>, sent: Sent<T>): void {
    if (this.#chance.happens(this.#faults.held))
      return this.#hold(() => this.#arrive(exchange, 0, sent))
    const mostMs = this.#chance.pick([latencyMs * 20, latenessMs])
    this.#arrive(exchange, this.#chance.fraction() * mostMs, sent)
  }

  /** Keeps a message until something has changed, once or often, see {@link Network.stir}; or for very long. */
  #hold(release: () => void): void {
    this.#inFlight += 1
    let changes = 1 + this.#chance.whole(changesMost)
    const timer = this.#scheduler.after(latenessMs * 3, '', () => held.release())
    const held: Held = {
      feel: () => {
        changes -= 1
        return changes === 0
      },
      release: () => {
        timer.cancel()
        this.#held.delete(held)
        this.#inFlight -= 1
        release()
      },
    }
    this.#held.add(held)
  }

  /** Says that something has changed for good, anywhere: now is when a message from before hurts most. */
  stir(): void {
    for (const held of this.#held) {
      if (!held.feel()) continue
      this.#scheduler.after(this.#chance.wait(latencyMs * 3), '', () => {
        if (this.#held.has(held)) held.release()
      })
    }
  }

  #arrive<T>(exchange: Exchange<T>, delayMs: number, sent: Sent<T>): void {
    const { from, to, label, request, refusal } = sent
    this.#inFlight += 1
    this.#scheduler.after(delayMs, label, () => {
      this.#inFlight -= 1
      if (this.#isSilent(from.name, to)) return this.#scheduler.note(`unheard ${label}`)
      if (refusal !== undefined)
        return this.#reply(exchange, label, () => exchange.reject(new NetworkError(refusal)))
      void this.#take(exchange, label, request)
    })
  }

  /** What happens at the other end: within this event, for databases are asked at once. */
  async #take<T>(exchange: Exchange<T>, label: string, request: Request<T>): Promise<void> {
    try {
      const answer = await request.effect()
      this.#scheduler.note(`  = ${request.spell(answer)}`)
      this.#reply(exchange, label, () => exchange.resolve(answer))
    } catch (error) {
      this.#scheduler.note(`  ! ${error instanceof Error ? error.message : String(error)}`)
      this.#reply(exchange, label, () => exchange.reject(error))
    }
  }

  #refusal(): 'refused' | 'busy' | undefined {
    if (this.#chance.happens(this.#faults.refused)) return 'refused'
    return this.#chance.happens(this.#faults.busy) ? 'busy' : undefined
  }

  #reply<T>(exchange: Exchange<T>, label: string, settle: () => void): void {
    if (exchange.isSettled) return
    if (this.#chance.happens(this.#faults.lostReply)) {
      return this.#scheduler.note(`lost reply ${label}`)
    }
    this.#inFlight += 1
    const isLate = this.#chance.happens(this.#faults.late)
    const delayMs = isLate ? this.#chance.fraction() * latenessMs : this.#chance.wait(latencyMs)
    this.#scheduler.after(delayMs, '', () => {
      this.#inFlight -= 1
      if (exchange.isSettled || this.#dies(exchange.from)) return
      settle()
    })
  }
}

type Sent<T> = {
  readonly from: Process
  readonly to: string
  readonly label: string
  readonly request: Request<T>
  readonly refusal: 'refused' | 'busy' | undefined
}

/** A message on its way, that waits for its moment. */
type Held = {
  /** Something has changed: whether this was what it waited for. */
  readonly feel: () => boolean
  readonly release: () => void
}

/** What the caller waits for: the first reply, its own patience, or its signal. */
class Exchange<T> {
  readonly from: Process
  readonly answer: Promise<T>
  readonly #settled: PromiseWithResolvers<T>
  readonly #request: Request<T>
  readonly #patience: { cancel(): void }
  #isSettled = false

  constructor(from: Process, scheduler: Scheduler, request: Request<T>) {
    this.from = from
    this.#request = request
    this.#settled = Promise.withResolvers<T>()
    this.answer = this.#settled.promise
    // A caller that raced this call and went on does not hear of it again.
    this.answer.catch(() => undefined)
    this.#patience = scheduler.after(patienceMs, '', () => this.reject(new NetworkError('lost')))
    request.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  readonly #onAbort = (): void => this.reject(this.#request.signal.reason)

  get isSettled(): boolean {
    return this.#isSettled || !this.from.isAlive
  }

  #end(): boolean {
    if (this.isSettled) return false
    this.#isSettled = true
    this.#patience.cancel()
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    return true
  }

  resolve(answer: T): void {
    if (this.#end()) this.#settled.resolve(answer)
  }

  reject(error: unknown): void {
    if (this.#end()) this.#settled.reject(error)
  }
}
