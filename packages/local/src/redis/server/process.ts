import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { EngineDownError } from '../engine.ts'
import type { Reply } from '../reply.ts'
import { writeConfiguration, type ServerFiles } from './configuration.ts'
import { Connection } from './connection.ts'
import { stopOrphan } from './orphan.ts'

/** Loading a large append-only file is slow but bounded by the disk. */
const startLimitMs = 120_000
const pollMs = 10
/** Less than a supervisor waits for the front; the append-only file is complete whenever the server ends. */
const stopLimitMs = 3_000
/** Pauses between attempts to restart a server that keeps dying. */
const firstPauseMs = 50
const maxPauseMs = 2_000

/**
 * A private server as a child process: started in its own folder, started again when it dies, ended by {@link stop}.
 */
export class ServerProcess {
  readonly #binary: string
  readonly #files: ServerFiles
  #child: ChildProcess | undefined
  #ready = false
  #stopping = false
  #restart: Promise<void> = Promise.resolve()
  /** Such as `redis-server 7.0.15`. */
  name = ''

  private constructor(binary: string, files: ServerFiles) {
    this.#binary = binary
    this.#files = files
  }

  /** @throws Error when the server does not come up. */
  static async start(binary: string, files: ServerFiles): Promise<ServerProcess> {
    await stopOrphan(files)
    const server = new ServerProcess(binary, files)
    try {
      await server.#launch()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  /** False from the death of the server until it answers again. */
  get isReady(): boolean {
    return this.#ready
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#ready = false
    // A restart under way ends with its child; the second look is for one it had begun meanwhile.
    await this.#end()
    await this.#restart
    await this.#end()
    const place = dirname(this.#files.socket)
    if (place !== this.#files.folder) rmSync(place, { recursive: true, force: true })
  }

  async #end(): Promise<void> {
    const child = this.#child
    if (!child || hasEnded(child)) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
    await ended
    clearTimeout(timer)
  }

  async #launch(): Promise<void> {
    writeConfiguration(this.#files)
    rmSync(this.#files.socket, { force: true })
    // Its own process group: Ctrl-C in a terminal is for the front, which then stops the server in order.
    const child = spawn(this.#binary, [this.#files.configuration], {
      cwd: this.#files.folder,
      stdio: 'ignore',
      detached: true,
    })
    this.#child = child
    const died = new Promise<never>((_, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        reject(new Error(`${this.#binary} ended (${signal ?? code}): ${lastWords(this.#files)}`))
      })
    })
    died.catch(() => this.#onDeath(child))
    this.name = await Promise.race([this.#untilReady(child), died])
    this.#ready = true
  }

  /** Waits until the server has loaded its data, and answers its name. */
  async #untilReady(child: ChildProcess): Promise<string> {
    const limit = performance.now() + startLimitMs
    while (performance.now() < limit && !hasEnded(child)) {
      const info = await serverInfo(this.#files.socket)
      if (info?.pid === child.pid && !info?.loading) return info?.name ?? ''
      await delay(pollMs)
    }
    child.kill('SIGKILL')
    throw new Error(`${this.#binary} did not come up in ${startLimitMs} ms`)
  }

  #onDeath(child: ChildProcess): void {
    if (child !== this.#child) return
    const wasReady = this.#ready
    this.#ready = false
    if (this.#stopping || !wasReady) return
    this.#restart = this.#relaunch()
  }

  async #relaunch(): Promise<void> {
    for (let pause = firstPauseMs; !this.#stopping; pause = Math.min(maxPauseMs, pause * 2)) {
      try {
        await this.#launch()
        return
      } catch {
        // The server's own log says why; requests are told meanwhile that it is away.
        await delay(pause)
      }
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function lastWords({ log }: ServerFiles): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-3).join(' | ')
  } catch {
    return 'it left no log'
  }
}

type ServerInfo = {
  readonly pid: number
  readonly loading: boolean
  readonly name: string
}

/** What the server at the socket says of itself; undefined when nobody answers. */
async function serverInfo(socket: string): Promise<ServerInfo | undefined> {
  try {
    const connection = await Connection.open(socket)
    try {
      return infoOf(await connection.ask(['INFO']))
    } finally {
      connection.close()
    }
  } catch (error) {
    if (error instanceof EngineDownError) return undefined
    throw error
  }
}

function infoOf(reply: Reply): ServerInfo {
  const text = typeof reply === 'string' ? reply : ''
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1]
  const valkey = field('valkey_version')
  return {
    pid: Number(field('process_id')),
    loading: field('loading') === '1',
    name:
      valkey === undefined ? `redis-server ${field('redis_version')}` : `valkey-server ${valkey}`,
  }
}
