import { parentPort, workerData } from 'node:worker_threads'

import { isFault, rootCall } from '@stoa/kernel'

import type { Handlers, Results, Setup, TaskName, Tasks } from './tasks.ts'
import { handlersOf } from './tasks.ts'

/** What a thread is told, and what it answers: clones, so that two threads never hold the same thing. */
export type Request = {
  readonly [K in TaskName]: { readonly name: K; readonly input: Tasks[K] }
}[TaskName]
export type Reply =
  | { readonly ok: true; readonly result: Results[TaskName] }
  | { readonly ok: false; readonly isFault: boolean; readonly message: string }

async function answer<K extends TaskName>(
  handlers: Handlers,
  name: K,
  input: Tasks[K],
): Promise<Reply> {
  try {
    return { ok: true, result: await handlers[name](input) }
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return isFault(error)
      ? { ok: false, isFault: true, message: error.message }
      : { ok: false, isFault: false, message }
  }
}

if (parentPort !== null) {
  const port = parentPort
  const handlers = handlersOf(workerData as Setup, rootCall('import'))
  port.on('message', ({ name, input }: Request) => {
    answer(handlers, name, input).then(
      (reply) => port.postMessage(reply),
      (error: unknown) => {
        throw error
      },
    )
  })
}
