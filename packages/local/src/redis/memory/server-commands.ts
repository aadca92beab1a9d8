import type { Argv } from '../engine.ts'
import { ReplyError, type Reply } from '../reply.ts'
import { option, reads, word, type Command, type Context } from './command.ts'
import { syntaxError, wrongArity } from './errors.ts'
import { bytesUsed } from './memory-usage.ts'
import { index } from './numbers.ts'

function ping(_: Context, argv: Argv): Reply {
  if (argv.length > 2) throw wrongArity('ping')
  return argv.length === 2 ? word(argv, 1) : { status: 'PONG' }
}

function time({ clock }: Context): Reply {
  const seconds = Math.floor(clock.now / 1000)
  return [String(seconds), String(Math.round((clock.now - seconds * 1000) * 1000))]
}

function info({ keys }: Context): Reply {
  const size = keys.size
  return [
    '# Server',
    'redis_version:7.0.15',
    'redis_mode:standalone',
    'stoa_engine:in-process',
    '',
    '# Keyspace',
    ...(size > 0 ? [`db0:keys=${size}`] : []),
    '',
  ].join('\r\n')
}

/** `MEMORY USAGE key [SAMPLES n]`, of which every element is sampled. */
function memory({ keys }: Context, argv: Argv): Reply {
  if (option(argv, 1) !== 'USAGE') {
    throw new ReplyError(`ERR unknown subcommand '${word(argv, 1)}'. Try MEMORY HELP.`)
  }
  if (argv.length > 3) {
    if (argv.length !== 5 || option(argv, 3) !== 'SAMPLES') throw syntaxError()
    if (index(word(argv, 4)) < 0) throw syntaxError()
  }
  const key = word(argv, 2)
  const value = keys.get(key)
  return value ? bytesUsed(key, value) : null
}

const describe =
  (all: Readonly<Record<string, Command>>): Command['run'] =>
  (_, argv) => {
    const subcommand = option(argv, 1)
    const rows = Object.entries(all).map(([name, { arity, writes }]) => [
      name.toLowerCase(),
      arity,
      [{ status: writes ? 'write' : 'readonly' }],
    ])
    if (argv.length === 1) return rows
    if (subcommand === 'COUNT') return rows.length
    if (subcommand === 'LIST') return Object.keys(all).map((name) => name.toLowerCase())
    if (subcommand === 'INFO') {
      return argv
        .slice(2)
        .map((name) => rows.find(([known]) => known === name.toLowerCase()) ?? null)
    }
    throw new ReplyError(`ERR unknown subcommand '${word(argv, 1)}'. Try COMMAND HELP.`)
  }

/** `COMMAND`, over the table it is part of. */
export const commandCommand = (all: Readonly<Record<string, Command>>): Command =>
  reads(-1, describe(all))

export const serverCommands: Readonly<Record<string, Command>> = {
  PING: reads(-1, ping),
  ECHO: reads(2, (_, argv) => word(argv, 1)),
  TIME: reads(1, time),
  INFO: reads(-1, info),
  MEMORY: reads(-3, memory),
  PUBLISH: reads(3, ({ publish }, argv) => publish(word(argv, 1), word(argv, 2))),
}
