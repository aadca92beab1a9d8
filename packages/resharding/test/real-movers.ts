import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { MoveLimits, MovePhase, MoveRequest } from '../src/index.ts'
import type { Safeguards } from '../src/safeguards.ts'
import type { Where } from './real-shard.ts'

export type Job = {
  readonly request: MoveRequest
  /** What is done with a move on the way, or while it holds. */
  readonly ending: 'through' | 'abort' | 'complete' | 'reverse'
  readonly meta: Where
  readonly token: string
  readonly without: readonly (keyof Safeguards)[]
  readonly limits: Partial<MoveLimits>
}

export type ToMover = Job

/** What a mover is about to send; the hand-over has steps of its own. */
export type Step = 'freeze' | 'hand-off' | 'open' | 'other'

export type FromMover =
  | { readonly type: 'batch'; readonly step: Step }
  | {
      readonly type: 'ended'
      readonly id: string
      readonly phase: MovePhase
      readonly note: string | undefined
    }
  | { readonly type: 'failed'; readonly id: string; readonly why: string }

export type Ended = { readonly phase: MovePhase; readonly note: string | undefined }

/** Mover processes: one at work, one that waits to take over. */
export type Movers = {
  /** Has a job done by whoever is alive, and answers how it ended. */
  play(this: void, job: Job): Promise<Ended>
  /** Kills the one at work with SIGKILL; the other goes on with its job. */
  kill(this: void): void
  /** Has the one that waits do the same job at the same time. */
  join(this: void): void
  /** Told of each batch of the movers. */
  watch(this: void, watcher: (step: Step) => void): void
  close(this: void): void
}

export function openMovers(): Movers {
  let watcher: (step: Step) => void = () => undefined
  let current: { job: Job; end: (ended: Ended) => void; fail: (error: Error) => void } | undefined
  let isClosed = false
  const hear = (message: FromMover): void => {
    if (message.type === 'batch') return watcher(message.step)
    if (message.id !== current?.job.request.id) return undefined
    if (message.type === 'ended') return current.end(message)
    return current.fail(new Error(`${message.id}: ${message.why}`))
  }
  const spawn = (): ChildProcess => {
    const child = fork(fileURLToPath(new URL('./real-mover.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    })
    child.on('message', hear)
    child.on('exit', (code, signal) => {
      if (!isClosed && signal !== 'SIGKILL')
        current?.fail(new Error(`a mover ended by itself: ${code ?? signal}`))
    })
    return child
  }
  let working = spawn()
  let waiting = spawn()
  return {
    play: (job) =>
      new Promise((resolve, reject) => {
        current = { job, end: resolve, fail: reject }
        working.send(job)
      }),
    kill: () => {
      if (isClosed) return
      working.kill('SIGKILL')
      working = waiting
      waiting = spawn()
      if (current !== undefined) working.send(current.job)
    },
    join: () => {
      if (current !== undefined) waiting.send(current.job)
    },
    watch: (next) => {
      watcher = next
    },
    close: () => {
      isClosed = true
      working.kill('SIGKILL')
      waiting.kill('SIGKILL')
    },
  }
}
