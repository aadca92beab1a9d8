import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { SingleBar } from 'cli-progress'

import { apiOf } from './load/api.ts'
import { checkpointFile, openCheckpoint } from './load/checkpoint.ts'
import { demoSource } from './load/demo.ts'
import { parseGraph } from './load/graph.ts'
import { importAll } from './load/import.ts'
import { parseCategories } from './load/shop.ts'
import type { Source } from './load/source.ts'
import { verifyAll } from './load/verify.ts'

const usage = `Usage: npm run load -- [options]
  --graph FILE        an edge list, two node numbers a line; each edge is two follows
  --categories FILE   a JSON array of {id, name, path}; each gets a generated product
                      Without the files a demo set of the same shape is generated.
  --members N, --demo-categories N   the size of the demo set (200, 200)
  --seed N            what generated values begin with (1)
  --url URL           the gateway                  (http://127.0.0.1:8787)
  --token TOKEN       the import token             (STOA_IMPORT_TOKEN, or that of npm start)
  --verify            afterwards read everything back and compare it
  --no-resume         send everything again, whatever an earlier run did
  --dry-run           read the input and say what would be sent
  --json              print the outcome as JSON
`

const folder = '.stoa/load'

function readFlags() {
  return parseArgs({
    allowNegative: true,
    options: {
      graph: { type: 'string' },
      categories: { type: 'string' },
      members: { type: 'string', default: '200' },
      'demo-categories': { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      url: { type: 'string', default: 'http://127.0.0.1:8787' },
      token: { type: 'string' },
      verify: { type: 'boolean', default: false },
      resume: { type: 'boolean', default: true },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values
}

type Flags = ReturnType<typeof readFlags>

function wholeNumber(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= 1_000_000) return value
  throw new Error(`--${flag} is "${text}": it must be a whole number up to 1,000,000`)
}

async function readSource(flags: Flags): Promise<Source> {
  const seed = wholeNumber(flags.seed, 'seed')
  if (flags.graph === undefined && flags.categories === undefined) {
    const members = wholeNumber(flags.members, 'members')
    return demoSource(
      { members, categories: wholeNumber(flags['demo-categories'], 'demo-categories') },
      seed,
    )
  }
  const graph =
    flags.graph === undefined
      ? { members: [], edges: [], bad: [] }
      : parseGraph(await readFile(flags.graph, 'utf8'), flags.graph)
  const shop =
    flags.categories === undefined
      ? { categories: [], products: [], bad: [] }
      : parseCategories(await readFile(flags.categories, 'utf8'), flags.categories, seed)
  return { ...graph, ...shop, bad: [...graph.bad, ...shop.bad] }
}

/** The import token: the flag, the variable, or the one that `npm start` made for its own data. */
async function tokenOf(flags: Flags): Promise<string> {
  const given = flags.token ?? process.env['STOA_IMPORT_TOKEN']
  if (given !== undefined) return given
  try {
    const secrets = JSON.parse(await readFile('.stoa/data/secrets.json', 'utf8')) as {
      importer: string
    }
    return secrets.importer
  } catch (error) {
    throw new Error('Cannot import without a token: give --token or STOA_IMPORT_TOKEN', {
      cause: error,
    })
  }
}

type Bar = {
  readonly update: (label: string, done: number, total: number) => void
  readonly stop: () => void
}

/** A bar on a terminal; elsewhere one line at the end of each phase. Always on stderr: stdout is for the outcome. */
function progressBar(): Bar {
  const bar = new SingleBar({
    format: '{label} {bar} {value}/{total} | {rate}/s | ETA {eta_formatted}',
    stream: process.stderr,
    noTTYOutput: false,
  })
  let current = ''
  let started = 0
  return {
    update: (label, done, total) => {
      if (label !== current) {
        if (current !== '') bar.stop()
        current = label
        started = Date.now()
        bar.start(total, done, { label: label.padEnd(10), rate: 0 })
      }
      const rate = Math.round((done * 1_000) / Math.max(1, Date.now() - started))
      bar.update(done, { rate })
      if (done === total && !process.stderr.isTTY)
        process.stderr.write(`${label}: ${total}, ${rate}/s\n`)
    },
    stop: () => bar.stop(),
  }
}

function counts({ members, edges, categories, products, bad }: Source) {
  return {
    members: members.length,
    follows: edges.length,
    categories: categories.length,
    products: products.length,
    badLines: bad.length,
  }
}

async function load(flags: Flags): Promise<number> {
  const source = await readSource(flags)
  for (const { file, line, why } of source.bad) {
    process.stderr.write(`${path.basename(file)}:${line}: skipped: ${why}\n`)
  }
  if (flags['dry-run']) {
    process.stdout.write(`${JSON.stringify(counts(source))}\n`)
    return 0
  }
  const started = Date.now()
  const token = await tokenOf(flags)
  const api = apiOf(flags.url.replace(/\/$/, ''), token)
  // The token is kept with the data: after `npm start -- --fresh` nothing that was answered before is there.
  const key = [flags.url, token, JSON.stringify(source)]
  const checkpoint = await openCheckpoint(flags.resume ? checkpointFile(folder, key) : undefined)
  if (checkpoint.resumed > 0)
    process.stderr.write(`Going on after ${checkpoint.resumed} finished batches\n`)
  const bar = progressBar()
  const tally = await importAll(
    source,
    { ...checkpoint, api, progress: bar.update },
    checkpoint.ids,
  )
  const differences = flags.verify
    ? await verifyAll(source, {
        api,
        ids: checkpoint.ids,
        progress: (done, total) => bar.update('verify', done, total),
      })
    : []
  bar.stop()
  for (const { phase, line, code } of tally.refused)
    process.stderr.write(`${phase}, line ${line}: refused: ${code}\n`)
  for (const difference of differences) process.stderr.write(`differs: ${difference}\n`)
  const outcome = {
    ...counts(source),
    created: tally.created,
    exists: tally.exists,
    refused: tally.refused.length,
    ...(flags.verify ? { differences: differences.length } : {}),
    seconds: Math.round((Date.now() - started) / 100) / 10,
  }
  const text = Object.entries(outcome).map(([name, value]) => `${name} ${value}`)
  process.stdout.write(`${flags.json ? JSON.stringify(outcome) : text.join(', ')}\n`)
  return tally.refused.length + differences.length === 0 ? 0 : 1
}

try {
  const flags = readFlags()
  if (flags.help) process.stdout.write(usage)
  else process.exitCode = await load(flags)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 2
}
