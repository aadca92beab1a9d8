import type { Bytes } from '../bytes.ts'
import { EngineDownError } from '../engine.ts'
import type { Argv, Heard, Interest, Mode, Outcome, RedisEngine, Subscription } from '../engine.ts'
import { queueUntil, type HeardQueue } from '../heard-queue.ts'
import { isList, isStatus, type Reply } from '../reply.ts'
import { ownChannel, serverChannel } from './channels.ts'
import { serverDatabases, serverFiles, serverUser } from './configuration.ts'
import { Connection } from './connection.ts'
import { ServerProcess } from './process.ts'
import { planOf } from './translation.ts'

export type ServerEngineOptions = { readonly folder: string; readonly binary: string }

/** Redis proper, as a child process of ours, over one socket a database. */
export class ServerEngine implements RedisEngine {
  readonly capacity = serverDatabases
  readonly #server: ServerProcess
  readonly #socket: string
  readonly #connections = new Map<number, Promise<Connection>>()
  readonly #listening = new Set<Connection>()

  private constructor(server: ServerProcess, socket: string) {
    this.#server = server
    this.#socket = socket
  }

  /** @throws Error when the server does not come up. */
  static async start({ folder, binary }: ServerEngineOptions): Promise<ServerEngine> {
    const files = serverFiles(folder)
    return new ServerEngine(await ServerProcess.start(binary, files), files.socket)
  }

  get name(): string {
    return this.#server.name
  }

  /** The child, for tests that kill it. */
  get pid(): number | undefined {
    return this.#server.pid
  }

  async run(db: number, commands: readonly Argv[], mode: Mode): Promise<Outcome> {
    const { wire, read } = planOf(commands, mode, { db, native: knowsConditions(this.name) })
    const connection = await this.#connection(db)
    return read(await connection.send(wire))
  }

  listen(db: number, interest: Interest): Subscription {
    let connection: Connection | undefined
    const queue = queueUntil(interest.signal, () => connection?.close())
    const follow = async () => {
      connection = await this.#open(db)
      if (interest.signal.aborted) return connection.close()
      const opened = connection
      this.#listening.add(opened)
      opened.onClose = () => {
        this.#listening.delete(opened)
        queue.end()
      }
      await hear(opened, db, { interest, queue })
    }
    follow().catch(() => queue.end())
    return queue
  }

  async close(): Promise<void> {
    for (const connection of this.#listening) connection.close()
    const opened = await Promise.allSettled(this.#connections.values())
    this.#connections.clear()
    for (const each of opened) if (each.status === 'fulfilled') each.value.close()
    await this.#server.stop()
  }

  #connection(db: number): Promise<Connection> {
    const found = this.#connections.get(db)
    if (found) return found
    const opening = this.#open(db)
    this.#connections.set(db, opening)
    const forget = () => {
      if (this.#connections.get(db) === opening) this.#connections.delete(db)
    }
    const watch = async () => {
      const connection = await opening
      connection.onClose = forget
      if (!connection.isOpen) forget()
    }
    watch().catch(forget)
    return opening
  }

  async #open(db: number): Promise<Connection> {
    if (!this.#server.isReady) throw new EngineDownError('The Redis server is starting')
    const connection = await Connection.open(this.#socket)
    await connection.ask(['SELECT', String(db)])
    await connection.ask(['AUTH', serverUser, ''])
    return connection
  }
}

/** Whether the server has `SET … IFEQ` and `IFNE` of its own, as Redis has from 8.4 on. */
function knowsConditions(name: string): boolean {
  const match = /^redis-server (\d+)\.(\d+)/.exec(name)
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])]
  return major > 8 || (major === 8 && minor >= 4)
}

type Ears = { readonly interest: Interest; readonly queue: HeardQueue }

/** Subscribes on a socket of its own: a subscribed socket can do nothing else. */
async function hear(connection: Connection, db: number, { interest, queue }: Ears): Promise<void> {
  const { kind, names } = interest
  connection.onPush = (reply) => {
    if (kind === 'monitor') showLine(queue, db, reply)
    else if (isList(reply)) queue.push(heardOf(reply, db))
  }
  if (kind === 'monitor') {
    await connection.ask(['MONITOR'])
    queue.push({ kind: 'monitor', parts: ['OK'] })
    return
  }
  // Redis confirms each name by itself.
  const replies = await connection.send(
    names.map((name) => [kind.toUpperCase(), serverChannel(db, name)]),
  )
  for (const reply of replies) if (isList(reply)) queue.push(heardOf(reply, db))
}

/** `message`, channel, text; `pmessage`, pattern, channel, text; or the confirmation of one name. */
function heardOf(reply: readonly Reply[], db: number): Heard {
  const [kind = '', ...parts] = reply.map((part) => (part === null ? '' : plainText(part)))
  const names = kind === 'pmessage' ? 2 : 1
  return { kind, parts: parts.map((part, at) => (at < names ? ownChannel(db, part) : part)) }
}

function plainText(part: Reply): Bytes {
  return typeof part === 'object' ? '' : String(part)
}

/** MONITOR shows every database; a line begins `<time> [<database> <address>]`. */
function showLine(queue: HeardQueue, db: number, reply: Reply): void {
  if (reply === null || !isStatus(reply)) return
  const match = /^(\S+) \[(\d+) ([^\]]*)\] (.*)$/s.exec(reply.status)
  if (!match || Number(match[2]) !== db) return
  queue.push({ kind: 'monitor', parts: [`${match[1]} [0 0.0.0.0:0] ${match[4]}`] })
}
