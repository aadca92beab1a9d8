import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import { addTallies, emptyTally, runJobs, type Seeds, stretchesOf, type Tally } from './batch.ts'
import { runSeed } from './run-seed.ts'
import type { Workload } from './workload.ts'
import { workloadOf, workloads } from './workloads/index.ts'

const usage = `Usage: npm run sim -- <workload> [options]
  workload         ${workloads.map(({ name }) => name).join(', ')}
  --seeds N        how many lives to live            (1000)
  --from S         the first seed                    (1)
  --seed S         one seed alone, and what came of it
  --trace          with --seed: every event in order
  --mutant NAME    with a safeguard taken away
  --mutants        each safeguard taken away in turn, until it is noticed or --seeds have been lived
  --threads N      (${String(availableParallelism())})
  --json           print the outcome as JSON
`

function readFlags() {
  return parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      trace: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      threads: { type: 'string', default: String(availableParallelism()) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

type Flags = ReturnType<typeof readFlags>['values']

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function wholeNumber(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 2 ** 31) return value
  throw new RangeError(`--${flag} is "${text}": it must be a whole number from 1 to 2^31`)
}

/** One seed, for a person. */
async function showSeed(workload: Workload, flags: Flags): Promise<boolean> {
  const seed = wholeNumber(flags.seed ?? '', 'seed')
  const mutant = flags.mutant === undefined ? {} : { mutant: flags.mutant }
  const result = await runSeed(workload, seed, { keepsTrace: flags.trace, ...mutant })
  if (flags.json) print(JSON.stringify(result))
  for (const line of flags.json ? [] : result.lines) print(line)
  if (flags.json) return result.violation === undefined
  const outcome = result.violation?.message ?? 'nothing wrong'
  print(`seed ${String(seed)} hash ${result.hash}: ${result.violation?.kind ?? 'ok'}: ${outcome}`)
  return result.violation === undefined
}

function seedsOf(workload: Workload, flags: Flags): Seeds {
  const from = wholeNumber(flags.from, 'from')
  const to = from + wholeNumber(flags.seeds, 'seeds') - 1
  const mutant = flags.mutant === undefined ? {} : { mutant: flags.mutant }
  return { workload: workload.name, from, to, ...mutant }
}

/** Many seeds: what must always hold, and what must be seen sometimes. */
async function runMany(workload: Workload, flags: Flags): Promise<boolean> {
  const started = performance.now()
  const seeds = seedsOf(workload, flags)
  let tally = emptyTally
  let shownAt = started
  await runJobs(stretchesOf(seeds), wholeNumber(flags.threads, 'threads'), (_, more) => {
    tally = addTallies(tally, more)
    const isDue = performance.now() - shownAt > 5_000
    if (!isDue || flags.json) return
    shownAt = performance.now()
    print(`${String(tally.seeds)} lives, ${String(tally.violations.length)} violations`)
  })
  const unseen = workload.labels.filter((label) => tally.labels[label] === undefined)
  const seconds = (performance.now() - started) / 1_000
  if (flags.json) print(JSON.stringify({ ...tally, unseen, seconds }))
  else report(tally, { workload, unseen, seconds })
  return tally.violations.length === 0 && (unseen.length === 0 || flags.mutant !== undefined)
}

type Summary = {
  readonly workload: Workload
  readonly unseen: readonly string[]
  readonly seconds: number
}

function report(tally: Tally, { workload, unseen, seconds }: Summary): void {
  for (const label of workload.labels) {
    print(`${String(tally.labels[label] ?? 0).padStart(7)} × ${label}`)
  }
  for (const label of unseen) print(`NEVER SEEN: ${label}`)
  for (const { seed, kind, message } of tally.violations.slice(0, 20)) {
    print(`VIOLATION ${kind}: ${message.split('\n', 1)[0] ?? ''}`)
    print(`  npm run sim -- ${workload.name} --seed ${String(seed)} --trace`)
  }
  const rate = (tally.seeds / seconds).toFixed(1)
  const speed = (tally.virtualMs / 1_000 / seconds).toFixed(0)
  print(
    `${String(tally.seeds)} lives, ${String(tally.steps)} events, ${rate} lives/s, ${speed}× real time, ` +
      `${String(tally.violations.length)} violations, ${String(unseen.length)} labels unseen`,
  )
}

/** Each mutant until it is caught. */
async function runMutants(workload: Workload, flags: Flags): Promise<boolean> {
  const jobs = workload.mutants.map(({ name }): Seeds => ({
    ...seedsOf(workload, flags),
    mutant: name,
    stopsAtFirst: true,
  }))
  let survivors = 0
  await runJobs(jobs, wholeNumber(flags.threads, 'threads'), ({ mutant = '' }, tally) => {
    const [found] = tally.violations
    if (found === undefined) survivors += 1
    const says = workload.mutants.find(({ name }) => name === mutant)?.says ?? ''
    const outcome =
      found === undefined
        ? `SURVIVED ${String(tally.seeds)} lives`
        : `caught by life ${String(tally.seeds)}: ${found.kind}`
    print(`${mutant.padEnd(32)} ${outcome.padEnd(44)} ${says}`)
  })
  print(`${String(jobs.length)} mutants, ${String(survivors)} survived`)
  return survivors === 0
}

async function main(): Promise<void> {
  const { values: flags, positionals } = readFlags()
  const [name] = positionals
  if (flags.help || name === undefined) return print(usage)
  const workload = workloadOf(name)
  const run = flags.seed !== undefined ? showSeed : flags.mutants ? runMutants : runMany
  if (!(await run(workload, flags))) process.exitCode = 1
}

// Whoever reads the output may stop reading.
process.stdout.on('error', () => process.exit(0))
await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
})
