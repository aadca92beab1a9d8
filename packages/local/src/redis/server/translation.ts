import type { Argv, Mode, Outcome } from '../engine.ts'
import { isList, ReplyError, type Reply } from '../reply.ts'
import { serverChannel } from './channels.ts'
import { conditionalSet } from './conditional-set.ts'
import { copyWithin, scanWithTypes } from './upstash-forms.ts'

/** What goes over the wire for one request, and how to read what comes back. */
export type Plan = {
  readonly wire: readonly Argv[]
  readonly read: (replies: readonly Reply[]) => Outcome
}

type Step = { readonly argv: Argv; readonly isScript: boolean }

const scripts = new Set(['EVAL', 'EVALSHA', 'EVAL_RO', 'EVALSHA_RO'])
const multi: Argv = ['MULTI']
const exec: Argv = ['EXEC']
/** Carries `total_commands_processed`, which also counts what scripts call. */
const meter: Argv = ['INFO', 'stats']

export type Place = {
  readonly db: number
  /** Whether the server knows `SET … IFEQ` itself. */
  readonly native: boolean
}

export function planOf(commands: readonly Argv[], mode: Mode, place: Place): Plan {
  const steps = commands.map((argv) => stepOf(argv, place))
  return mode === 'multi' ? transactionPlan(steps) : pipelinePlan(steps)
}

function stepOf(argv: Argv, { db, native }: Place): Step {
  const name = (argv[0] ?? '').toUpperCase()
  // The server's databases are Stoa's databases: clearing all of them is clearing this one.
  if (name === 'FLUSHALL') return { argv: ['FLUSHDB', ...argv.slice(1)], isScript: false }
  if (name === 'PUBLISH' && argv.length === 3) {
    const [, channel = '', message = ''] = argv
    return { argv: ['PUBLISH', serverChannel(db, channel), message], isScript: false }
  }
  const standIn = standInOf(name, argv, native)
  if (standIn) return { argv: standIn, isScript: false }
  return { argv, isScript: scripts.has(name) && argv.length >= 3 }
}

/** What does for Upstash's form of a command; a script among them is billed as the one command it stands for. */
function standInOf(name: string, argv: Argv, native: boolean): Argv | undefined {
  if (name === 'SET' && !native) return conditionalSet(argv)
  if (name === 'SCAN') return scanWithTypes(argv)
  return name === 'COPY' ? copyWithin(argv) : undefined
}

/** Around a script stand two readings of the server's command count, atomically, so that nobody else is counted. */
function pipelinePlan(steps: readonly Step[]): Plan {
  const wire = steps.flatMap(({ argv, isScript }) =>
    isScript ? [multi, meter, argv, meter, exec] : [argv],
  )
  return {
    wire,
    read: (received) => {
      const replies: Reply[] = []
      let innerCalls = 0
      let at = 0
      for (const { isScript } of steps) {
        if (!isScript) {
          replies.push(received[at++] ?? null)
          continue
        }
        const [queued = null, , executed = null] = received.slice(at + 2, at + 5)
        at += 5
        const results = isList(executed) ? executed : []
        replies.push(queued instanceof ReplyError ? queued : (results[1] ?? null))
        innerCalls += callsBetween(results[0], results[2])
      }
      return { replies, innerCalls }
    },
  }
}

function transactionPlan(steps: readonly Step[]): Plan {
  const inside = steps.flatMap(({ argv, isScript }) => (isScript ? [meter, argv, meter] : [argv]))
  return {
    wire: [multi, ...inside, exec],
    read: (received) => {
      const refused = received.find((reply) => reply instanceof ReplyError)
      const executed = received.at(-1) ?? null
      if (refused instanceof ReplyError || !isList(executed)) {
        const discarded = refused?.message ?? 'EXECABORT Transaction discarded'
        return { replies: [], innerCalls: 0, discarded }
      }
      const replies: Reply[] = []
      let innerCalls = 0
      let at = 0
      for (const { isScript } of steps) {
        replies.push(executed[at + (isScript ? 1 : 0)] ?? null)
        if (isScript) innerCalls += callsBetween(executed[at], executed[at + 2])
        at += isScript ? 3 : 1
      }
      return { replies, innerCalls }
    },
  }
}

/** The count before does not hold its own INFO, the count after holds that one and the EVAL. */
const ownCommands = 2

function callsBetween(before: Reply | undefined, after: Reply | undefined): number {
  return Math.max(0, processed(after) - processed(before) - ownCommands)
}

function processed(info: Reply | undefined): number {
  const match = typeof info === 'string' ? /total_commands_processed:(\d+)/.exec(info) : null
  return Number(match?.[1] ?? 0)
}
