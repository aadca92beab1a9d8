import type { DoneMessage, FromThread, JobMessage, ThreadOptions } from './messages.ts'
import { closeThread, isFree, lostReply, send, startThread } from './thread.ts'
import type { Job, Lane, Thread } from './thread.ts'

export type PoolOptions = ThreadOptions & {
  readonly maxThreads: number
  /** Threads started without hesitation; more only when a database has waited for `growAfterMs`. */
  readonly eagerThreads: number
}

/** A thread that keeps a database waiting for longer is in a slow query: another thread is worth its start. */
const growAfterMs = 20
/** How long an expired stream is remembered, and how many of them: sqld remembers them for as long. */
const expiredMemoryMs = 300_000
const maxExpired = 1000
export type Submission = Omit<JobMessage, 'type' | 'id' | 'schemaVersion' | 'expired'> & {
  readonly piece?: (text: string) => void
}

export type Ticket = {
  readonly id: number
  readonly done: Promise<DoneMessage>
  /** Asks a cursor for its next piece. */
  more(): void
  /** The caller has gone: what has not begun will not begin. */
  cancel(): void
}

/**
 * Spreads databases over threads.
 *
 * A database is at one thread at a time, and a thread works for one database at a time, so that a slow query holds up
 * its own database only. Idle databases move to idle threads; open streams tie theirs down. Databases that found no
 * thread take turns.
 */
export class Pool {
  readonly #options: PoolOptions
  readonly #threads: Thread[] = []
  readonly #lanes = new Map<string, Lane>()
  readonly #waiting: Lane[] = []
  #growth: NodeJS.Timeout | undefined
  #nextId = 1
  #isClosed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Requests of a database that have no answer yet. */
  loadOf(database: string): number {
    const lane = this.#lanes.get(database)
    return lane === undefined ? 0 : lane.inFlight + lane.queue.length
  }

  /** Moves with every change of a database's schema that a thread has reported. */
  schemaVersionOf(database: string): number {
    return this.#lanes.get(database)?.schemaVersion ?? 0
  }

  submit(submission: Submission): Ticket {
    const { piece, ...fields } = submission
    const id = this.#nextId
    this.#nextId += 1
    const lane = this.#laneOf(fields.database)
    const { promise, resolve } = Promise.withResolvers<DoneMessage>()
    const message: JobMessage = {
      type: 'job',
      id,
      ...fields,
      schemaVersion: lane.schemaVersion,
      expired: lane.expired.size === 0 ? [] : [...lane.expired.keys()],
    }
    const job: Job = { message, lane, done: resolve, piece, thread: undefined, isWaiting: false }
    const start = (): void => this.#start(job)
    if (this.#isClosed) resolve(lostReply(id))
    else this.#enqueue(lane, start)
    return {
      id,
      done: promise,
      more: () => this.#enqueue(lane, () => this.#more(job)),
      cancel: () => this.#cancel(job, start),
    }
  }

  #laneOf(name: string): Lane {
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    const lane: Lane = {
      name,
      home: undefined,
      inFlight: 0,
      queue: [],
      isQueued: false,
      streams: 0,
      schemaVersion: 0,
      expired: new Map(),
    }
    this.#lanes.set(name, lane)
    return lane
  }

  /** Gives `task` a thread at once, or lines its database up for one. */
  #enqueue(lane: Lane, task: () => void): void {
    const thread = lane.queue.length === 0 ? this.#threadFor(lane) : undefined
    if (thread !== undefined) {
      this.#lend(thread, lane)
      task()
      return
    }
    lane.queue.push(task)
    this.#lineUp(lane)
  }

  #lineUp(lane: Lane): void {
    if (lane.isQueued) return
    lane.isQueued = true
    this.#waiting.push(lane)
    this.#growth ??= setTimeout(() => this.#grow(), growAfterMs)
  }

  /** A thread that may take `lane` now. */
  #threadFor(lane: Lane): Thread | undefined {
    const { home } = lane
    const isTied = home !== undefined && (lane.inFlight > 0 || lane.streams > 0)
    if (home !== undefined && isFree(home)) return home
    // A leased thread takes more of the same database only while no other waits, or it would never be free for them.
    if (home?.lease === lane && this.#waiting.length === 0) return home
    if (isTied) return undefined
    const idle = this.#threads.find(isFree)
    if (idle !== undefined) return idle
    return this.#threads.length < this.#options.eagerThreads ? this.#spawn() : undefined
  }

  #lend(thread: Thread, lane: Lane): void {
    thread.lease = lane
    lane.home = thread
  }

  #start(job: Job): void {
    const thread = job.lane.home
    if (thread === undefined) return
    job.thread = thread
    job.lane.inFlight += 1
    thread.running += 1
    thread.jobs.set(job.message.id, job)
    // The schema may have moved while the request stood in line.
    const { schemaVersion } = job.lane
    send(thread, { ...job.message, schemaVersion })
  }

  #more(job: Job): void {
    const { thread } = job
    if (thread === undefined || !thread.jobs.has(job.message.id)) {
      if (job.lane.home !== undefined) this.#settle(job.lane.home)
      return
    }
    this.#resume(job, thread)
    send(thread, { type: 'more', id: job.message.id })
  }

  #cancel(job: Job, start: () => void): void {
    const { thread, lane } = job
    if (thread !== undefined) {
      if (thread.jobs.has(job.message.id)) send(thread, { type: 'cancel', id: job.message.id })
      return
    }
    const at = lane.queue.indexOf(start)
    if (at < 0) return
    lane.queue.splice(at, 1)
    job.done(lostReply(job.message.id))
  }

  #resume(job: Job, thread: Thread): void {
    if (!job.isWaiting) return
    job.isWaiting = false
    thread.running += 1
    thread.lease ??= job.lane
  }

  #receive(thread: Thread, message: FromThread): void {
    if (message.type === 'expired') {
      this.#expire(message.database, message.stream, message.streams)
      return
    }
    const job = thread.jobs.get(message.id)
    if (job === undefined) return
    if (message.type === 'resumed') {
      this.#resume(job, thread)
      return
    }
    if (!job.isWaiting) thread.running -= 1
    job.isWaiting = message.type === 'waiting'
    if (message.type === 'done') this.#finish(job, thread, message)
    this.#settle(thread)
    if (message.type === 'waiting' && message.body !== undefined) job.piece?.(message.body)
  }

  #finish(job: Job, thread: Thread, message: DoneMessage): void {
    const { lane } = job
    thread.jobs.delete(message.id)
    lane.inFlight -= 1
    lane.streams = message.streams
    if (message.changedSchema) lane.schemaVersion += 1
    job.done(message)
  }

  #expire(database: string, stream: string, streams: number): void {
    const lane = this.#laneOf(database)
    const now = performance.now()
    lane.streams = streams
    for (const [id, untilMs] of lane.expired) {
      if (untilMs > now && lane.expired.size < maxExpired) break
      lane.expired.delete(id)
    }
    lane.expired.set(stream, now + expiredMemoryMs)
    this.#dispatch()
  }

  /** Ends a thread's lease when its work is done, and looks who is next. */
  #settle(thread: Thread): void {
    if (thread.running === 0) thread.lease = undefined
    if (this.#waiting.length > 0) this.#dispatch()
  }

  /** Lets databases in line have the threads that are free, first come, first served. */
  #dispatch(): void {
    const lanes = this.#waiting.splice(0)
    for (const lane of lanes) {
      lane.isQueued = false
      if (lane.queue.length === 0) continue
      const thread = this.#threadFor(lane)
      if (thread === undefined) {
        lane.isQueued = true
        this.#waiting.push(lane)
        continue
      }
      this.#lend(thread, lane)
      for (const task of lane.queue.splice(0)) task()
    }
    if (this.#waiting.length === 0) {
      clearTimeout(this.#growth)
      this.#growth = undefined
    }
  }

  #grow(): void {
    this.#growth = undefined
    if (this.#waiting.length === 0 || this.#isClosed) return
    if (this.#threads.length < this.#options.maxThreads) this.#spawn()
    this.#dispatch()
    if (this.#waiting.length > 0) this.#growth = setTimeout(() => this.#grow(), growAfterMs)
  }

  #spawn(): Thread {
    const thread: Thread = startThread(this.#options, {
      received: (message) => this.#receive(thread, message),
      ended: () => this.#lose(thread),
    })
    this.#threads.push(thread)
    return thread
  }

  /** A thread died: its requests get an answer, its streams are gone, its databases go elsewhere. */
  #lose(thread: Thread): void {
    if (thread.isClosed) return
    thread.isClosed = true
    this.#threads.splice(this.#threads.indexOf(thread), 1)
    for (const lane of this.#lanes.values()) {
      if (lane.home !== thread) continue
      lane.home = undefined
      lane.inFlight = 0
      lane.streams = 0
      lane.schemaVersion += 1
    }
    for (const job of thread.jobs.values()) job.done(lostReply(job.message.id))
    if (!this.#isClosed) this.#dispatch()
  }

  /** Closes every file and ends every thread; one stuck in a query is left behind after two seconds. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#growth)
    await Promise.all(this.#threads.splice(0).map((thread) => closeThread(thread)))
  }
}
