import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { EngineDownError } from '../engine.ts'
import type { Argv, Interest, Mode, Outcome, RedisEngine, Subscription } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { matchesArity, option, word, type Command, type Context } from './command.ts'
import { findCommand } from './commands.ts'
import { unknownCommand, wrongArity } from './errors.ts'
import { Hub } from './hub.ts'
import { Keyspace, type Clock } from './keyspace.ts'
import { Log, type Change } from './log.ts'
import { attempt, Scripts } from './scripting.ts'
import { snapshotOf } from './snapshot.ts'

export type InProcessOptions = {
  readonly folder: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** How long a script may run, in milliseconds; 5000, as Redis' lua-time-limit, unless given. */
  readonly scriptLimitMs?: number
}

/** The log is rewritten once it is this large and four times what the last rewrite left. */
const rewriteBytes = 64 * 1024 * 1024
const rewriteGrowth = 4
/** Keys with a deadline that each request looks at, so that dead ones go without being asked for. */
const sweptKeys = 4

type Database = { readonly context: Context; readonly keys: Keyspace; readonly hub: Hub }

/**
 * Redis in this process, for machines without one: the commands of `commands.ts`, in the words of Redis 7.0.
 *
 * Every request runs to its end before the next one begins, and what it changed is in the log before it is answered.
 */
export class InProcessEngine implements RedisEngine {
  readonly name = 'in-process'
  readonly capacity = 1024
  readonly #databases = new Map<number, Database>()
  readonly #scripts: Scripts
  readonly #clock: Clock = { now: 0 }
  readonly #now: () => number
  readonly #log: Log
  #changes: Change[] = []
  #compactSize: number
  #failure: unknown

  constructor({ folder, now = Date.now, scriptLimitMs = 5000 }: InProcessOptions) {
    this.#now = now
    this.#scripts = new Scripts(findCommand, scriptLimitMs)
    mkdirSync(folder, { recursive: true })
    // The clock stands at 0 meanwhile: whatever the log says was still alive then, or it would say DEL.
    this.#log = Log.open(join(folder, 'log'), (changes) => {
      for (const { db, argv } of changes) this.#replay(db, argv)
    })
    this.#clock.now = this.#now()
    this.#rewrite()
    this.#compactSize = this.#log.size
  }

  async run(db: number, commands: readonly Argv[], mode: Mode): Promise<Outcome> {
    if (this.#failure !== undefined) {
      throw new EngineDownError('MISCONF Errors writing to the append-only log', {
        cause: this.#failure,
      })
    }
    const discarded = mode === 'multi' ? commands.map(refusal).find(Boolean) : undefined
    if (discarded) return { replies: [], innerCalls: 0, discarded: discarded.message }
    this.#clock.now = this.#now()
    const database = this.#database(db)
    const replies = commands.map((argv) => execute(database, argv))
    const innerCalls = this.#scripts.takeCalls()
    database.keys.sweep(sweptKeys)
    this.#commit()
    return { replies, innerCalls }
  }

  listen(db: number, interest: Interest): Subscription {
    return this.#database(db).hub.listen(interest)
  }

  async close(): Promise<void> {
    for (const { hub } of this.#databases.values()) hub.close()
    this.#failure ??= new Error('The engine is closed')
    this.#log.close()
  }

  #database(db: number): Database {
    const found = this.#databases.get(db)
    if (found) return found
    const log = (argv: Argv) => this.#changes.push({ db, argv })
    const keys = new Keyspace(this.#clock, (key) => log(['DEL', key]))
    const hub = new Hub()
    const context: Context = {
      keys,
      log,
      clock: this.#clock,
      random: Math.random,
      scripts: this.#scripts,
      publish: (channel, message) => hub.publish(channel, message),
    }
    const database = { context, keys, hub }
    this.#databases.set(db, database)
    return database
  }

  #replay(db: number, argv: Argv): void {
    const { context } = this.#database(db)
    const reply = attempt(() => findCommand(option(argv, 0))?.run(context, argv) ?? null)
    this.#changes = []
    if (reply instanceof ReplyError) {
      throw new Error(`Cannot replay ${word(argv, 0)}: ${reply.message}`, { cause: reply })
    }
  }

  #commit(): void {
    if (this.#changes.length === 0) return
    const changes = this.#changes
    this.#changes = []
    try {
      this.#log.append(changes)
      const grown = this.#log.size > rewriteGrowth * this.#compactSize
      if (grown && this.#log.size > rewriteBytes) {
        this.#rewrite()
        this.#compactSize = this.#log.size
      }
    } catch (cause) {
      // Memory is now ahead of the disk, so nothing more is answered from it.
      this.#failure = cause
      throw new EngineDownError('MISCONF Errors writing to the append-only log', { cause })
    }
  }

  #rewrite(): void {
    this.#log.rewrite(this.#snapshot())
    this.#changes = []
  }

  *#snapshot(): Generator<Change> {
    for (const [db, { keys }] of this.#databases) {
      for (const argv of snapshotOf(keys)) yield { db, argv }
    }
  }
}

function refusal(argv: Argv): ReplyError | undefined {
  const command = findCommand(option(argv, 0))
  if (!command) return unknownCommand(argv)
  return matchesArity(command.arity, argv.length) ? undefined : wrongArity(word(argv, 0))
}

function execute({ context, hub }: Database, argv: Argv): Reply {
  const command = findCommand(option(argv, 0))
  if (!command) return unknownCommand(argv)
  if (!matchesArity(command.arity, argv.length)) return wrongArity(word(argv, 0))
  if (hub.isWatched) hub.show(monitorLine(argv, context.clock.now))
  return answer(command, context, argv)
}

function answer(command: Command, context: Context, argv: Argv): Reply {
  return attempt(() => command.run(context, argv))
}

function monitorLine(argv: Argv, now: number): string {
  const words = argv.map((each) => `"${each.replaceAll(/["\\]/g, (symbol) => `\\${symbol}`)}"`)
  return `${(now / 1000).toFixed(6)} [0 0.0.0.0:0] ${words.join(' ')}`
}
