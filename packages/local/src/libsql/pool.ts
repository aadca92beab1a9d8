import { Worker } from 'node:worker_threads'

import type { DoneMessage, FromThread, JobMessage, ThreadOptions, ToThread } from './messages.ts'

/** One request on its way through a thread. */
type Job = {
  readonly message: JobMessage
  readonly lane: Lane
  readonly done: (message: DoneMessage) => void
  /** A piece of a cursor's answer. */
  readonly piece: ((text: string) => void) | undefined
  thread: Thread | undefined
  /** Told to wait by the thread: it does not keep the thread busy. */
  isWaiting: boolean
}

/** What the pool knows of one database. */
type Lane = {
  readonly name: string
  /** Where it last ran: its file is open there, and its prepared statements are. */
  home: Thread | undefined
  /** Requests a thread has, waiting ones too. */
  inFlight: number
  /** Requests and pieces for which no thread was free. */
  readonly queue: (() => void)[]
  isQueued: boolean
  streams: number
  schemaVersion: number
  /** Streams that expired, with the time they may be forgotten. */
  readonly expired: Map<string, number>
}

type Thread = {
  readonly worker: Worker
  /** Messages of this turn of the event loop: waking a thread costs more than a small query, so once is enough. */
  readonly outbox: ToThread[]
  readonly jobs: Map<number, Job>
  /** Requests it works on. */
  running: number
  /** The one database whose requests it takes while it works: no other waits behind them. */
  lease: Lane | undefined
  isClosed: boolean
}

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
/** How long a thread may take to close its files before it is ended. */
const closePatienceMs = 2000

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
    const { dataDir, batonKey, streamTtlMs, lockTimeoutMs } = this.#options
    const workerData: ThreadOptions = { dataDir, batonKey, streamTtlMs, lockTimeoutMs }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData })
    const jobs = new Map<number, Job>()
    const thread: Thread = {
      worker,
      outbox: [],
      jobs,
      running: 0,
      lease: undefined,
      isClosed: false,
    }
    worker.on('message', (message: FromThread) => this.#receive(thread, message))
    worker.on('error', () => this.#lose(thread))
    worker.on('exit', () => this.#lose(thread))
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

function isFree(thread: Thread): boolean {
  return thread.running === 0
}

function send(thread: Thread, message: ToThread): void {
  thread.outbox.push(message)
  if (thread.outbox.length === 1) setImmediate(() => flush(thread))
}

function flush({ worker, outbox }: Thread): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage(outbox.splice(0))
}

async function closeThread(thread: Thread): Promise<void> {
  thread.isClosed = true
  for (const job of thread.jobs.values()) job.done(lostReply(job.message.id))
  send(thread, { type: 'close' })
  const ended = new Promise((resolve) => thread.worker.once('exit', resolve))
  const late = new Promise((resolve) => setTimeout(resolve, closePatienceMs).unref())
  await Promise.race([ended, late])
  void thread.worker.terminate()
  thread.worker.unref()
}

/** The answer when the thread, or the server, is gone. */
function lostReply(id: number): DoneMessage {
  return {
    type: 'done',
    id,
    status: 500,
    isJson: true,
    body: '{"error":"Internal Error: `the database thread has ended`"}',
    statements: 0,
    rowsRead: 0,
    rowsWritten: 0,
    changedSchema: false,
    streams: 0,
  }
}
