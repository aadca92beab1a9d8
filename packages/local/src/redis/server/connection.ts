import { connect, type Socket } from 'node:net'

import type { Argv } from '../engine.ts'
import { EngineDownError } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { ReplyParser } from './reply-parser.ts'

type Pending = {
  readonly wanted: number
  readonly replies: Reply[]
  readonly since: number
  readonly resolve: (replies: readonly Reply[]) => void
  readonly reject: (error: Error) => void
}

/** A server that owes a reply this long is taken for hung, and everything it owes has failed. */
const hungMs = 15_000
const checkMs = 1_000

function encodeCommand(argv: Argv): string {
  let text = `*${argv.length}\r\n`
  for (const word of argv) text += `$${word.length}\r\n${word}\r\n`
  return text
}

/**
 * One socket to the server. Commands of many requests are under way on it at once; those of one request stand
 * together, so a transaction is never interleaved.
 */
export class Connection {
  readonly #socket: Socket
  #pending: Pending[] = []
  #first = 0
  #unsent = ''
  #closed: Error | undefined
  readonly #watch: NodeJS.Timeout
  /** Receives replies that answer nothing: what a subscriber or a monitor is sent. */
  onPush: (reply: Reply) => void = () => {}
  onClose: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    const parser = new ReplyParser((reply) => this.#accept(reply))
    socket.on('data', (chunk) => {
      try {
        parser.push(chunk)
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined)
      }
    })
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('The connection was closed')))
    this.#watch = setInterval(() => this.#checkHung(), checkMs)
    this.#watch.unref()
  }

  /** @throws EngineDownError when nobody listens at `path`. */
  static async open(path: string): Promise<Connection> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (cause) => {
        reject(new EngineDownError(`Cannot reach the Redis server at ${path}`, { cause }))
      })
    })
    socket.removeAllListeners()
    return new Connection(socket)
  }

  get isOpen(): boolean {
    return this.#closed === undefined
  }

  /** One reply a command, in order. @throws EngineDownError when the connection breaks before the last of them. */
  send(commands: readonly Argv[]): Promise<readonly Reply[]> {
    if (this.#closed) return Promise.reject(down(this.#closed))
    if (commands.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      const since = performance.now()
      this.#pending.push({ wanted: commands.length, replies: [], since, resolve, reject })
      if (this.#unsent === '') setImmediate(() => this.#flush())
      for (const argv of commands) this.#unsent += encodeCommand(argv)
    })
  }

  /** The reply to one command. @throws ReplyError when that is an error. */
  async ask(argv: Argv): Promise<Reply> {
    const [reply = null] = await this.send([argv])
    if (reply instanceof ReplyError) throw reply
    return reply
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    const text = this.#unsent
    this.#unsent = ''
    if (text !== '' && !this.#closed) this.#socket.write(text, 'latin1')
  }

  #accept(reply: Reply): void {
    const pending = this.#pending[this.#first]
    if (!pending) return this.onPush(reply)
    pending.replies.push(reply)
    if (pending.replies.length < pending.wanted) return
    this.#first++
    if (this.#first === this.#pending.length || this.#first > 1024) {
      this.#pending = this.#pending.slice(this.#first)
      this.#first = 0
    }
    pending.resolve(pending.replies)
  }

  #checkHung(): void {
    const oldest = this.#pending[this.#first]
    if (oldest && performance.now() - oldest.since > hungMs) {
      this.#socket.destroy(new Error(`No reply for ${hungMs} ms`))
    }
  }

  #fail(error: Error): void {
    if (this.#closed) return
    this.#closed = error
    clearInterval(this.#watch)
    for (const { reject } of this.#pending.slice(this.#first)) reject(down(error))
    this.#pending = []
    this.onClose()
  }
}

function down(cause: Error): EngineDownError {
  return new EngineDownError('The Redis server went away', { cause })
}
