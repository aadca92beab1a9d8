import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { type LocalConfig, type ServerName, serverNames } from './config.ts'
import type { ServerMessage } from './serve.ts'

/** How long a server that died at once, again and again, waits before its next start. */
const restartDelayMs = 200
/** How long a server may take to end before it is killed. */
const endMsMax = 5_000

export type Supervised = {
  readonly ports: Readonly<Record<ServerName, number>>
  /** The process id of a server now; it changes when the server is restarted. */
  pid(name: ServerName): number | undefined
  close(): Promise<void>
}

type OnRestart = (name: ServerName, why: string) => void

/** Keeps one server process alive until it is told to end. */
class Keeper {
  readonly #name: ServerName
  readonly #onRestart: OnRestart
  #config: LocalConfig
  #child: ChildProcess | undefined
  #ending = false

  constructor(name: ServerName, config: LocalConfig, onRestart: OnRestart) {
    this.#name = name
    this.#config = config
    this.#onRestart = onRestart
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the process and answers its port. A restart keeps that port. */
  async start(): Promise<number> {
    const child = fork(
      fileURLToPath(new URL('./serve.ts', import.meta.url)),
      [this.#name, JSON.stringify(this.#config)],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    )
    this.#child = child
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message: ServerMessage) => {
        if (message.type === 'ready') resolve(message.port)
        else reject(new Error(message.message))
      })
      child.once('exit', (code, signal) => {
        reject(new Error(`${this.#name} ended before it was ready (${signal ?? code})`))
      })
    })
    this.#config = { ...this.#config, ports: { ...this.#config.ports, [this.#name]: port } }
    child.once('exit', (code, signal) => this.#ended(signal ?? `exit ${code}`))
    return port
  }

  #ended(why: string): void {
    if (this.#ending) return
    this.#onRestart(this.#name, why)
    this.start().catch((error: unknown) => {
      setTimeout(
        () => this.#ended(error instanceof Error ? error.message : String(error)),
        restartDelayMs,
      )
    })
  }

  async end(): Promise<void> {
    this.#ending = true
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), endMsMax)
    await ended
    clearTimeout(timer)
  }
}

/**
 * Runs the servers as processes of their own and restarts each that dies, on its port and with its data.
 *
 * @throws Error with the server's own words when one cannot start; the others are ended first.
 */
export async function supervise(
  config: LocalConfig,
  onRestart: OnRestart = () => undefined,
): Promise<Supervised> {
  const keepers = serverNames.map((name) => [name, new Keeper(name, config, onRestart)] as const)
  const close = async () => {
    await Promise.all(keepers.map(([, keeper]) => keeper.end()))
  }
  const started = await Promise.allSettled(keepers.map(([, keeper]) => keeper.start()))
  const failure = started.find((each) => each.status === 'rejected')
  if (failure !== undefined) {
    await close()
    throw failure.reason
  }
  const ports = { libsql: 0, redis: 0, qstash: 0, psp: 0 }
  for (const [index, result] of started.entries()) {
    const name = serverNames[index]
    if (name !== undefined && result.status === 'fulfilled') ports[name] = result.value
  }
  return {
    ports,
    pid: (name) => keepers.find(([each]) => each === name)?.[1].pid,
    close,
  }
}
