import { Worker } from 'node:worker_threads'

import { ImportStoppedError } from './faults.ts'
import type { Results, Setup, TaskName, Tasks } from './tasks.ts'
import type { Reply } from './worker.ts'

/** How long batches that are being written may take to end when the import is stopped. */
const endMsMax = 10_000

type Waiting = {
  readonly resolve: (result: Results[TaskName]) => void
  readonly reject: (error: Error) => void
}

/** One worker thread, which does one thing at a time. */
class Thread {
  readonly #worker: Worker
  #waiting: Waiting | undefined
  #ended: Error | undefined

  constructor(setup: Setup) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: setup,
      // Those of this process may say how its own program is to be read.
      execArgv: [],
    })
    this.#worker.on('message', (reply: Reply) => this.#take(reply))
    this.#worker.on('error', (error: Error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(new ImportStoppedError('Cannot go on: a thread ended')))
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (reply.ok) waiting?.resolve(reply.result)
    else if (reply.isFault)
      waiting?.reject(new ImportStoppedError(`Cannot go on: ${reply.message}`))
    else waiting?.reject(new Error(reply.message))
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  ask<K extends TaskName>(name: K, input: Tasks[K]): Promise<Results[K]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    return new Promise<Results[TaskName]>((resolve, reject) => {
      this.#waiting = { resolve, reject }
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage({ name, input })
      // The thread answers a request with the result of the handler of that name.
    }) as Promise<Results[K]>
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Threads that work through a list. Each holds one immutable copy of one item, and takes the next when it is done. */
export class Crew {
  readonly #threads: readonly Thread[]
  readonly #stop = new AbortController()
  #isClosed = false

  constructor(setup: Setup, threads: number) {
    this.#threads = Array.from({ length: threads }, () => new Thread(setup))
  }

  /** Aborts as soon as a thread has failed: nothing more is begun. */
  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  /**
   * Has every item of `inputs` done by some thread, and hands each result to `take` in this one.
   *
   * @throws ImportStoppedError when a thread fails or dies; the others end what they hold.
   */
  async run<K extends TaskName>(
    name: K,
    inputs: AsyncGenerator<Tasks[K], void>,
    take: (result: Results[K], input: Tasks[K]) => Promise<void> | void,
  ): Promise<void> {
    const work = async (thread: Thread): Promise<void> => {
      // The next item is made while the thread is busy with this one.
      let next = inputs.next()
      for (;;) {
        const item = await next
        if (item.done === true || this.#stop.signal.aborted) return
        const result = thread.ask(name, item.value)
        next = inputs.next()
        next.catch(() => undefined)
        await take(await result, item.value)
      }
    }
    const lanes = this.#threads.map((thread) =>
      work(thread).catch((error: unknown) => {
        this.#stop.abort()
        throw error
      }),
    )
    const ended = await Promise.allSettled(lanes)
    await inputs.return()
    const failed = ended.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  /** Ends the threads when `signal` has aborted and they have not ended by themselves. */
  endAfter(signal: AbortSignal): void {
    const end = () => setTimeout(() => void this.#close(), endMsMax).unref()
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
