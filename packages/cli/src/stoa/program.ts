import { rootCall } from '@stoa/kernel'
import { Command, CommanderError, Option } from 'commander'

import {
  collect,
  type Common,
  type Exit,
  namesIn,
  plain,
  run,
  wholeNumber,
} from './command-line.ts'
import { BadCommandError } from './faults.ts'
import { importCommand, type ImportWords } from './import-command.ts'
import { readJobs, tellJobs } from './jobs.ts'
import { migrateCommand } from './migrate-command.ts'
import { exitCodes, outputOf, tellFailure } from './output.ts'
import { readOpenPlans, tellPlans } from './plans.ts'
import { addReference } from './reference-program.ts'
import { addReplica } from './replica-program.ts'
import { reshape } from './reshape.ts'
import { abort, endHolding, resume } from './resume.ts'
import { survey } from './shards.ts'
import { verify } from './verify.ts'
import { type Verb, verbs } from './wish.ts'

/** Rows of a table beyond which they are not counted one by one. */
const countMax = 1_000_000

type ReshapeWords = Common & {
  readonly from?: string
  readonly to?: string
  readonly slots?: string
  readonly owner?: string
  readonly range?: string
  readonly at?: string
  readonly weight?: readonly string[]
  readonly hold?: boolean
  readonly yes?: boolean
  readonly dryRun?: boolean
}

const about: Readonly<Record<Verb, string>> = {
  move: 'move slots, an owner, or ranges of keys to another database',
  split: 'half of the slots of a database go to a new one',
  merge: 'all of a database goes into another',
  drain: 'all of a database goes to the others, or to those of --to',
  isolate: 'one hot owner, or some slots, get a database of their own',
  spread: 'the keys of one owner are spread over several databases',
  rebalance: 'the slots are shared anew, by weight, with the fewest moves',
}

function reshaping(verb: Verb): Command {
  const command = plain(`${verb} <keyspace>`, about[verb])
    .option('--to <NAMES>', 'the database that takes, or several with commas; a new one is made')
    .option('--max-rate <ROWS>', 'rows a second, at most', wholeNumber)
    .option('--hold', 'rest after the hand-over until "complete" or "reverse"')
    .option('--dry-run', 'show the plan and change nothing')
    .option('--yes', 'begin without asking')
  const from = new Option('--from <NAME>', 'the database that gives')
  if (verb === 'split' || verb === 'merge' || verb === 'drain') from.makeOptionMandatory()
  if (verb !== 'isolate' && verb !== 'spread' && verb !== 'rebalance') command.addOption(from)
  if (verb === 'move' || verb === 'isolate') command.option('--slots <LIST>', 'as 0-99,200')
  if (verb === 'move' || verb === 'isolate' || verb === 'spread')
    command.option('--owner <ID>', 'an id, or the five characters that ids begin with')
  if (verb === 'move') command.option('--range <LO..HI>', 'keys of one slot; several with commas')
  if (verb === 'spread') command.option('--at <KEYS>', 'where to cut; without it by rows')
  if (verb === 'rebalance') command.option('--weight <NAME=N>', 'a share of 2, say', collect)
  return command
}

function addReshaping(program: Command, exit: Exit): void {
  for (const verb of verbs) {
    const command = reshaping(verb).action(async (keyspace: string, words: ReshapeWords) => {
      exit.code = await run(words, async (tools) => {
        const { from, slots, owner, range, at, weight: weights = [] } = words
        const wish = {
          verb,
          keyspace,
          from,
          to: namesIn(words.to),
          slots,
          owner,
          range,
          at,
          weights,
        }
        return reshape({
          ...tools,
          wish,
          maxRate: words.maxRate,
          isDryRun: words.dryRun === true,
          isAgreed: words.yes === true,
          hold: words.hold === true,
        })
      })
    })
    program.addCommand(command)
  }
}

/** What is asked of one job, which then goes on to its end. */
function addAsking(program: Command, exit: Exit): void {
  const asked = {
    abort: 'take a move back that has not handed over; of a plan, what is unfinished',
    reverse: 'hand back a move that holds, or all of a plan that do',
    complete: 'end the holding of a move, or of a plan: the old copy is deleted',
  } as const
  for (const what of ['abort', 'reverse', 'complete'] as const) {
    const command = plain(`${what} <job>`, asked[what]).action(
      async (id: string, words: Common) => {
        exit.code = await run(words, async (tools) => {
          return what === 'abort' ? abort(tools, id) : endHolding(tools, what, id)
        })
      },
    )
    program.addCommand(command)
  }
}

function addJobs(program: Command, exit: Exit): void {
  const jobs = plain('jobs', 'the moves that are not over')
    .option('--all', 'those that are over too')
    .action(async (words: Common & { readonly all?: boolean }) => {
      exit.code = await run(words, async ({ system, output }) => {
        const call = rootCall('stoa jobs')
        tellJobs(output, await readJobs(system, call), words.all === true)
        tellPlans(output, await readOpenPlans(system, call))
        return exitCodes.done
      })
    })
  const resuming = plain('resume [job]', 'go on with a move or a plan, or with all that are left')
    .option('--max-rate <ROWS>', 'rows a second, at most', wholeNumber)
    .action(async (id: string | undefined, words: Common) => {
      exit.code = await run(words, async (tools) =>
        resume({ ...tools, maxRate: words.maxRate }, id),
      )
    })
  program.addCommand(jobs).addCommand(resuming)
}

function addLooking(program: Command, exit: Exit): void {
  const shards = plain('shards [keyspace]', 'every database: slots, epochs, rows, schema, jobs')
    .option('--count-max <N>', 'rows of a table are counted up to so many', wholeNumber, countMax)
    .option('--no-rows', 'count no rows')
    .option('--all', 'jobs that are over too')
    .action(
      async (
        keyspace: string | undefined,
        words: Common & {
          readonly countMax: number
          readonly rows: boolean
          readonly all?: boolean
        },
      ) => {
        const bound = words.rows ? words.countMax : 0
        exit.code = await run(words, async (tools) =>
          survey({ ...tools, keyspace, countMax: bound, isAll: words.all === true }),
        )
      },
    )
  const verifying = plain('verify <keyspace-or-job>', 'content digests; rows in the wrong place')
    .option('--shard <NAME>', 'only what this database has')
    .option('--slots <LIST>', 'only these')
    .option('--owner <ID>', 'only the keys of this owner')
    .action(async (name: string, words: ReshapeWords & { readonly shard?: string }) => {
      const { shard, slots, owner } = words
      exit.code = await run(words, async (tools) => verify({ ...tools, name, shard, slots, owner }))
    })
  program.addCommand(shards).addCommand(verifying)
}

function addMigrate(program: Command, exit: Exit): void {
  const command = plain('migrate [keyspace]', 'the newest schema, fenced, in every database')
    .option('--parallel <N>', 'databases at a time (8)', wholeNumber)
    .option('--dry-run', 'look and report')
    .action(
      async (
        keyspace: string | undefined,
        words: ReshapeWords & { readonly parallel?: number },
      ) => {
        const { dryRun: isDryRun = false, parallel: parallelism } = words
        exit.code = await run(words, async (tools) =>
          migrateCommand({ ...tools, keyspace, isDryRun, parallelism }),
        )
      },
    )
  program.addCommand(command)
}

function addImport(program: Command, exit: Exit): void {
  const command = plain('import <keyspace> <table>', 'rows of a file or a database, into shards')
    .option('--ndjson <FILE>', 'a JSON object a line')
    .option('--csv <FILE>', 'with a header, or --header')
    .option('--delimiter <CHAR>', 'of the CSV (,)')
    .option('--header <NAMES>', 'the columns of a CSV without a header')
    .option('--db <URL>', 'a SQLite file, or the address of a libSQL database')
    .option('--db-table <NAME>', 'the table in it')
    .option('--db-token <TOKEN>', 'its token')
    .option('--mapping <FILE>', 'rules as JSON: key, columns, ignore')
    .option('--key <COLUMN>', 'the source column that is the key')
    .option('--id-from <COLUMNS>', 'make the key of these')
    .option('--owner-from <COLUMNS>', 'in the place of the id made of these')
    .option('--slot-from <COLUMNS>', 'the key is the slot of these')
    .option('--ignore <COLUMNS>', 'source columns to leave out')
    .option('--threads <N>', 'worker threads (2)', wholeNumber)
    .option('--batch-rows <N>', 'rows in a batch', wholeNumber)
    .option('--max-rate <ROWS>', 'rows a second, at most', wholeNumber)
    .option('--state <DIR>', 'where the journal lies (.stoa/import)')
    .option('--errors <FILE>', 'where rejected lines go')
    .option('--verify', 'compare the shards with the source afterwards')
    .option('--dry-run', 'read and map everything, write nothing')
    .option('--no-resume', 'begin anew')
    .action(async (keyspace: string, table: string, words: ImportWords & Common) => {
      exit.code = await run(words, async (tools) =>
        importCommand({ ...tools, keyspace, table, words }),
      )
    })
  program.addCommand(command)
}

function isVerb(word: string): boolean {
  return verbs.some((verb) => verb === word)
}

/** `plan <keyspace> <verb> …` is the dry run of `<verb> <keyspace> …`. @throws BadCommandError */
function unplanned(argv: readonly string[]): readonly string[] {
  if (argv[0] !== 'plan') return argv
  const [, first = '', second = '', ...rest] = argv
  if (isVerb(second)) return [second, first, ...rest, '--dry-run']
  if (isVerb(first)) return [first, second, ...rest, '--dry-run']
  if (first === '--help' || first === '-h') return ['--help']
  throw new BadCommandError(`Cannot plan "${second}": write plan <keyspace> ${verbs.join('|')} …`)
}

function programOf(exit: Exit): Command {
  const program = new Command('npm run stoa --')
    .description('Looks after the databases of a system: who owns what, and moving it.')
    .addHelpText(
      'after',
      `
plan <keyspace> <verb> …   shows what a verb would do and changes nothing
Exit codes: 0 done, 1 refused or failed, 2 a bad command, 3 out of reach, 130 stopped: the job goes on with resume.`,
    )
    .exitOverride()
  addLooking(program, exit)
  addReshaping(program, exit)
  addJobs(program, exit)
  addAsking(program, exit)
  addMigrate(program, exit)
  addImport(program, exit)
  addReference(program, exit)
  addReplica(program, exit)
  return program
}

/** Runs one command line; answers its exit code. */
export async function runStoa(argv: readonly string[]): Promise<number> {
  const exit: Exit = { code: exitCodes.done }
  try {
    await programOf(exit).parseAsync([...unplanned(argv)], { from: 'user' })
    return exit.code
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.done : exitCodes.badCommand
    return tellFailure(outputOf(argv.includes('--json')), error)
  }
}
