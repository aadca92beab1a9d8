import type { Bytes } from '../bytes.ts'
import type { Argv } from '../engine.ts'
import { LuaMachine } from '../lua/machine.ts'
import { sha1Of } from '../lua/redis-library.ts'
import { ok, ReplyError, type Reply } from '../reply.ts'
import { matchesArity, option, word, type Command, type Context } from './command.ts'
import { notInteger, wrongArity } from './errors.ts'
import { integerOf } from './numbers.ts'
import { flagsOf } from './script-flags.ts'

type Script = { readonly name: string; readonly readOnly: boolean }

/** Commands that only a connection understands. */
const neverInScripts = new Set(
  'AUTH DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PUNSUBSCRIBE SUBSCRIBE UNSUBSCRIBE UNWATCH WATCH'.split(
    ' ',
  ),
)

const notAllowed = () => new ReplyError('ERR This Redis command is not allowed from script')
const noScript = () => new ReplyError('NOSCRIPT No matching script. Please use EVAL.')

/** The script cache, which lives as long as the process, as Redis' own does. */
export class Scripts {
  readonly #scripts = new Map<string, Script>()
  readonly #find: (name: string) => Command | undefined
  readonly #limitMs: number
  #machine: LuaMachine | undefined
  #calls = 0

  constructor(find: (name: string) => Command | undefined, limitMs: number) {
    this.#find = find
    this.#limitMs = limitMs
  }

  /** Commands that scripts have run since the last time this was asked. */
  takeCalls(): number {
    const calls = this.#calls
    this.#calls = 0
    return calls
  }

  /** Compiles `source` and answers its SHA-1. @throws ReplyError when it does not compile. */
  load(source: Bytes): Script {
    const name = sha1Of(source)
    const found = this.#scripts.get(name)
    if (found) return found
    const { body, readOnly } = flagsOf(source)
    this.#machine ??= new LuaMachine(this.#limitMs)
    this.#machine.compile(name, body)
    const script = { name, readOnly }
    this.#scripts.set(name, script)
    return script
  }

  has(name: Bytes): boolean {
    return this.#scripts.has(name.toLowerCase())
  }

  flush(): void {
    this.#machine?.forget()
    this.#scripts.clear()
  }

  /** @throws ReplyError NOSCRIPT */
  named(name: Bytes): Script {
    const script = this.#scripts.get(name.toLowerCase())
    if (!script) throw noScript()
    return script
  }

  run(context: Context, { name, readOnly }: Script, argv: Argv): Reply {
    const keys = keyCount(argv)
    const sent = { keys: argv.slice(3, 3 + keys), args: argv.slice(3 + keys) }
    const mayWrite = !readOnly
    return this.#machine?.run(name, sent, (words) => this.#call(context, words, mayWrite)) ?? null
  }

  #call(context: Context, argv: Argv, mayWrite: boolean): Reply {
    const name = option(argv, 0)
    const command = this.#find(name)
    if (neverInScripts.has(name)) return notAllowed()
    if (!command) return new ReplyError('ERR Unknown Redis command called from script')
    if (!matchesArity(command.arity, argv.length)) {
      return new ReplyError('ERR Wrong number of args calling Redis command from script')
    }
    if (command.noScript) return notAllowed()
    if (command.writes && !mayWrite) {
      return new ReplyError('ERR Write commands are not allowed from read-only scripts.')
    }
    this.#calls++
    return attempt(() => command.run(context, argv))
  }
}

/** The reply of `run`, or the error reply it throws. */
export function attempt(run: () => Reply): Reply {
  try {
    return run()
  } catch (error) {
    if (error instanceof ReplyError) return error
    throw error
  }
}

function keyCount(argv: Argv): number {
  const keys = integerOf(word(argv, 2))
  if (keys === undefined) throw notInteger()
  if (Number(keys) > argv.length - 3) {
    throw new ReplyError("ERR Number of keys can't be greater than number of args")
  }
  if (Number(keys) < 0) throw new ReplyError("ERR Number of keys can't be negative")
  return Number(keys)
}

function evaluate(bySha: boolean, readOnly: boolean): Command['run'] {
  return (context, argv) => {
    keyCount(argv)
    const { scripts } = context
    const script = bySha ? scripts.named(word(argv, 1)) : scripts.load(word(argv, 1))
    return scripts.run(context, { ...script, readOnly: readOnly || script.readOnly }, argv)
  }
}

function manage({ scripts }: Context, argv: Argv): Reply {
  const name = option(argv, 1)
  const check = (fits: boolean) => {
    if (!fits) throw wrongArity(`script|${name}`)
  }
  switch (name) {
    case 'LOAD':
      check(argv.length === 3)
      return scripts.load(word(argv, 2)).name
    case 'EXISTS':
      check(argv.length >= 3)
      return argv.slice(2).map((sha) => Number(scripts.has(sha)))
    case 'FLUSH':
      if (argv.length > 3 || (argv.length === 3 && !/^a?sync$/i.test(word(argv, 2)))) {
        throw new ReplyError('ERR SCRIPT FLUSH only support SYNC|ASYNC option')
      }
      scripts.flush()
      return ok
    case 'KILL':
      throw new ReplyError('NOTBUSY No scripts in execution right now.')
    default:
      throw new ReplyError(`ERR unknown subcommand '${word(argv, 1)}'. Try SCRIPT HELP.`)
  }
}

const scripted = (run: Command['run']): Command => ({
  arity: -3,
  writes: false,
  noScript: true,
  run,
})

export const scripting: Readonly<Record<string, Command>> = {
  EVAL: scripted(evaluate(false, false)),
  EVALSHA: scripted(evaluate(true, false)),
  EVAL_RO: scripted(evaluate(false, true)),
  EVALSHA_RO: scripted(evaluate(true, true)),
  SCRIPT: { arity: -2, writes: false, noScript: true, run: manage },
}
