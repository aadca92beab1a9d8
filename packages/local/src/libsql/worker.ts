import { parentPort, workerData } from 'node:worker_threads'

import { runCursor } from './cursor.ts'
import { CancelledError, engineFailureOf, ProtocolError } from './errors.ts'
import { StatementError, StreamExpiredError } from './errors.ts'
import { batchV1, executeV1, runStatements } from './legacy.ts'
import type { LegacyAnswer } from './legacy.ts'
import type { DoneMessage, FromThread, JobMessage, ThreadOptions, ToThread } from './messages.ts'
import { closeStream, runPipeline } from './pipeline.ts'
import type { PipelineCall } from './pipeline.ts'
import type { Counts, Scope } from './program.ts'
import { Store } from './store.ts'
import type { Stream } from './stream.ts'
import { newStream } from './stream.ts'
import type { Cancellation } from './write-lock.ts'

/** Files one thread keeps open; past this the longest unused is closed. */
const maxOpenStores = 400

type OpenStore = { readonly store: Store; schemaVersion: number }

type Job = {
  readonly message: JobMessage
  readonly store: Store
  readonly counts: Counts
  readonly cancellation: Cancellation
  changedSchema: boolean
  more: (() => void) | undefined
}

type Reply = { readonly status: number; readonly isJson: boolean; readonly body: string }

/** The work of one thread: the files it has open and the requests it is at. */
class Thread {
  readonly #options: ThreadOptions
  readonly #post: (message: FromThread) => void
  readonly #stores = new Map<string, OpenStore>()
  readonly #jobs = new Map<number, Job>()

  constructor(options: ThreadOptions, post: (message: FromThread) => void) {
    this.#options = options
    this.#post = post
  }

  receive(message: ToThread): void {
    switch (message.type) {
      case 'job':
        void this.#run(message)
        return
      case 'more':
        this.#jobs.get(message.id)?.more?.()
        return
      case 'cancel':
        this.#cancel(message.id)
        return
      case 'close':
        for (const { store } of this.#stores.values()) store.close()
        // Ends this thread alone; idle streams' timers would keep it.
        process.exit()
    }
  }

  #cancel(id: number): void {
    const job = this.#jobs.get(id)
    if (job === undefined) return
    job.cancellation.isCancelled = true
    job.cancellation.onCancel?.()
  }

  async #run(message: JobMessage): Promise<void> {
    const store = this.#storeOf(message)
    const job: Job = {
      message,
      store,
      counts: { statements: 0, rowsRead: 0, rowsWritten: 0 },
      cancellation: { isCancelled: false, onCancel: undefined },
      changedSchema: false,
      more: undefined,
    }
    this.#jobs.set(message.id, job)
    store.active += 1
    const reply = await this.#replyTo(job)
    store.active -= 1
    this.#jobs.delete(message.id)
    const done: DoneMessage = {
      type: 'done',
      id: message.id,
      ...reply,
      ...job.counts,
      changedSchema: job.changedSchema,
      streams: store.streams.size,
    }
    this.#post(done)
  }

  #storeOf(message: JobMessage): Store {
    const { database } = message
    const open = this.#stores.get(database) ?? this.#openStore(database)
    // The map's order is the order of last use.
    this.#stores.delete(database)
    this.#stores.set(database, open)
    if (open.schemaVersion !== message.schemaVersion) open.store.schema.version += 1
    open.schemaVersion = message.schemaVersion
    return open.store
  }

  #openStore(name: string): OpenStore {
    if (this.#stores.size >= maxOpenStores) this.#closeOldest()
    const expired = (stream: string): void => {
      const streams = store.streams.size
      this.#post({ type: 'expired', database: name, stream, streams })
    }
    const store: Store = new Store({ ...this.#options, name, expired })
    return { store, schemaVersion: 0 }
  }

  #closeOldest(): void {
    for (const [name, { store }] of this.#stores) {
      if (!store.isIdle) continue
      store.close()
      this.#stores.delete(name)
      return
    }
  }

  async #replyTo(job: Job): Promise<Reply> {
    try {
      return await this.#perform(job)
    } catch (error) {
      return failureReply(error)
    }
  }

  async #perform(job: Job): Promise<Reply> {
    const { message, store } = job
    switch (message.operation) {
      case 'open':
        closeStream(store, newStream(store.connection()))
        return { status: 200, isJson: true, body: '{}' }
      case 'pipeline':
        return { status: 200, isJson: true, body: await runPipeline(store, this.#callOf(job)) }
      case 'cursor':
        await runCursor(store, this.#callOf(job), (chunk) => this.#emit(job, chunk))
        return { status: 200, isJson: false, body: '' }
      case 'execute':
        return this.#oneShot(job, (scope) => executeV1(message.body, scope))
      case 'batch':
        return this.#oneShot(job, (scope) => batchV1(message.body, scope))
      case 'statements':
        return this.#oneShot(job, (scope) => runStatements(message.body, scope))
    }
  }

  /** Runs with a stream of its own that ends with the request. */
  async #oneShot(job: Job, run: (scope: Scope) => Promise<LegacyAnswer>): Promise<Reply> {
    const stream = newStream(job.store.connection())
    try {
      return { ...(await run(this.#scopeOf(job, stream))), isJson: true }
    } finally {
      closeStream(job.store, stream)
    }
  }

  #callOf(job: Job): PipelineCall {
    const { body, version, expired } = job.message
    return { body, version, expired, scopeOf: (stream) => this.#scopeOf(job, stream) }
  }

  #scopeOf(job: Job, stream: Stream): Scope {
    const { store, message } = job
    return {
      connection: stream.connection,
      lock: store.lock,
      counts: job.counts,
      mayWrite: message.mayWrite,
      lockTimeoutMs: this.#options.lockTimeoutMs,
      cancellation: job.cancellation,
      waiting: (isWaiting) =>
        this.#post({ type: isWaiting ? 'waiting' : 'resumed', id: message.id }),
      schemaChanged: () => {
        store.schema.version += 1
        job.changedSchema = true
      },
    }
  }

  #emit(job: Job, chunk: string): Promise<void> {
    if (job.cancellation.isCancelled) return Promise.reject(new CancelledError('no reader'))
    return new Promise((resolve, reject) => {
      job.more = resolve
      job.cancellation.onCancel = () => reject(new CancelledError('no reader'))
      this.#post({ type: 'waiting', id: job.message.id, body: chunk })
    })
  }
}

function failureReply(error: unknown): Reply {
  if (error instanceof ProtocolError) return { status: 400, isJson: false, body: error.message }
  if (error instanceof StreamExpiredError) {
    const body = JSON.stringify({ message: error.message, code: error.code })
    return { status: 400, isJson: true, body }
  }
  const status = error instanceof StatementError ? 400 : 500
  const failure = engineFailureOf(error)
  const message = error instanceof Error ? error.message : String(error)
  const text = failure === undefined ? `Internal Error: \`${message}\`` : failure.message
  return { status, isJson: true, body: JSON.stringify({ error: text }) }
}

if (parentPort !== null) {
  const port = parentPort
  const thread = new Thread(workerData as ThreadOptions, (message) => port.postMessage(message))
  port.on('message', (messages: readonly ToThread[]) => {
    for (const message of messages) thread.receive(message)
  })
}
