import { Worker } from 'node:worker_threads'

import type { DoneMessage, FromThread, JobMessage, ThreadOptions, ToThread } from './messages.ts'

/** One request on its way through a thread. */
export type Job = {
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
export type Lane = {
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

export type Thread = {
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

/** How long a thread may take to close its files before it is ended. */
const closePatienceMs = 2000

/** Starts a thread. `ended` is told once when it dies, but not when it is closed. */
export function startThread(
  options: ThreadOptions,
  events: { readonly received: (message: FromThread) => void; readonly ended: () => void },
): Thread {
  const { dataDir, batonKey, streamTtlMs, lockTimeoutMs } = options
  const workerData: ThreadOptions = { dataDir, batonKey, streamTtlMs, lockTimeoutMs }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData })
  worker.on('message', events.received)
  worker.on('error', events.ended)
  worker.on('exit', events.ended)
  return { worker, outbox: [], jobs: new Map(), running: 0, lease: undefined, isClosed: false }
}

export function isFree(thread: Thread): boolean {
  return thread.running === 0
}

/** Sends at the end of this turn of the event loop, with what else is sent by then. */
export function send(thread: Thread, message: ToThread): void {
  thread.outbox.push(message)
  if (thread.outbox.length === 1) setImmediate(() => flush(thread))
}

function flush({ worker, outbox }: Thread): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage(outbox.splice(0))
}

/** Ends a thread; one stuck in a query is left behind after a while. */
export async function closeThread(thread: Thread): Promise<void> {
  thread.isClosed = true
  for (const job of thread.jobs.values()) job.done(lostReply(job.message.id))
  send(thread, { type: 'close' })
  const ended = new Promise((resolve) => thread.worker.once('exit', resolve))
  const late = new Promise((resolve) => setTimeout(resolve, closePatienceMs).unref())
  await Promise.race([ended, late])
  // Not terminated: the addon aborts the process when its thread is stopped in the middle of a query.
  thread.worker.unref()
}

/** The answer when the thread, or the server, is gone. */
export function lostReply(id: number): DoneMessage {
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
