import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { manualClock, rootCall, slotText } from '@stoa/kernel'
import {
  createDigestTree,
  createReconciler,
  differingFields,
  differingSpans,
  drillBreaks,
  type Entry,
  everything,
  matchSides,
} from '@stoa/reconciliation'

import { atLeast, type Row } from './row.ts'

const call = rootCall('bench')
const count = 200_000
const rounds = 5
const home = fileURLToPath(new URL('../../packages/reconciliation/', import.meta.url))

function entriesOf(length: number): readonly Entry[] {
  return Array.from({ length }, (_, n) => ({
    key: `${slotText(Math.floor((n * 16_384) / length))}00${n.toString().padStart(15, '0')}`,
    at: 0,
    fields: { amount: n % 1_000, currency: 'EUR' },
  }))
}

async function* pagesOf(entries: readonly Entry[]): AsyncGenerator<readonly Entry[]> {
  for (let start = 0; start < entries.length; start += 1_000)
    yield entries.slice(start, start + 1_000)
}

const rules = { amount: {}, currency: 'exact' } as const

/** What one writes without a package: everything of one side in a map, the other looked up in it. */
async function joinByMap(one: readonly Entry[], other: readonly Entry[]): Promise<number> {
  const known = new Map<string, Entry>()
  for await (const page of pagesOf(one)) for (const entry of page) known.set(entry.key, entry)
  let wrong = 0
  for await (const page of pagesOf(other))
    for (const entry of page) {
      const twin = known.get(entry.key)
      if (twin === undefined || differingFields(twin, entry, rules).length > 0) wrong += 1
      known.delete(entry.key)
    }
  return wrong + known.size
}

async function joinByMerge(one: readonly Entry[], other: readonly Entry[]): Promise<number> {
  let wrong = 0
  for await (const groups of matchSides([pagesOf(one), pagesOf(other)]))
    for (const { entries } of groups) {
      const [[a] = [], [b] = []] = entries
      if (a === undefined || b === undefined || differingFields(a, b, rules).length > 0) wrong += 1
    }
  return wrong
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

/** Keys a second through the streaming join, beside a map of one whole side. */
async function benchJoin(): Promise<Row> {
  const one = entriesOf(count)
  const other = one.toSpliced(7, 1)
  const forms = { merge: joinByMerge, map: joinByMap }
  const took: Record<keyof typeof forms, number[]> = { merge: [], map: [] }
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of round % 2 === 0
      ? (['merge', 'map'] as const)
      : (['map', 'merge'] as const)) {
      const start = performance.now()
      const wrong = await forms[name](one, other)
      if (wrong !== 1) throw new Error(`Cannot measure the ${name} join: it found ${wrong}`)
      if (round > 0) took[name].push(performance.now() - start)
    }
  }
  return atLeast({
    name: `two sides of ${count.toLocaleString('en')} joined as streams, beside a map of one side`,
    value: (count / median(took.merge)) * 1_000,
    unit: 'keys/s',
    baseline: (count / median(took.map)) * 1_000,
    target: 0.4,
  })
}

/** How much less is looked at by digests than by comparing everything. */
async function benchDigests(): Promise<readonly Row[]> {
  const entries = entriesOf(count)
  const sides = [createDigestTree(), createDigestTree(), createDigestTree()] as const
  for (const [n, entry] of entries.entries()) {
    sides[0].add(entry)
    sides[1].add(entry)
    sides[2].add(n === 777 ? { ...entry, fields: { amount: -1 } } : entry)
  }
  const equal = await differingSpans([sides[0], sides[1]], call)
  const one = await differingSpans([sides[0], sides[2]], call)
  const [span = everything] = one.spans
  const read = 2 * entries.filter(({ key }) => key >= span.from && key < span.to).length
  if (equal.spans.length !== 0 || one.spans.length !== 1) throw new Error('Digests are wrong')
  const unit = 'looked at'
  return [
    atLeast({
      name: `${count.toLocaleString('en')} entries a side that are equal: all, over digests`,
      value: 2 * count,
      unit,
      baseline: equal.looked,
      target: 100_000,
    }),
    atLeast({
      name: 'one entry that differs: all, over digests and the entries of its slot',
      value: 2 * count,
      unit,
      baseline: one.looked + read,
      target: 1_000,
    }),
  ]
}

/** Every class of break among 1,000,000 clean records, by a dry run over each comparison: nothing is written. */
async function benchRecall(): Promise<Row> {
  const clock = manualClock(1_790_000_000_000 - (1_790_000_000_000 % 86_400_000) + 7_200_000)
  const drill = drillBreaks({ clean: 1_000_000, perClass: 1_000, noise: 1_000, clock })
  const refuse = () => Promise.reject(new Error('A dry run writes nothing'))
  const keyspace = { read: refuse, write: refuse, writeAll: refuse, groups: refuse }
  const reconciler = createReconciler({ keyspace, clock })
  const start = performance.now()
  const found = new Set<string>()
  let [compared, reported] = [0, 0]
  for (const comparison of drill.comparisons) {
    const totals = await reconciler.dryRun(
      { comparison },
      ({ class: name, key }) => {
        reported += 1
        found.add(`${comparison.name} ${name} ${key}`)
      },
      call,
    )
    compared += totals.compared
  }
  const right = drill.injected.filter((each) =>
    found.has(`${each.comparison} ${each.class} ${each.key}`),
  )
  const seconds = (performance.now() - start) / 1_000
  console.log(
    `  ${compared.toLocaleString('en')} keys in ${seconds.toFixed(1)} s, ${reported} reported, ${right.length} of ${drill.injected.length} right`,
  )
  const isExact = reported === right.length
  return atLeast({
    name: 'breaks found, of those put among 1,000,000 clean records; 0 if one is imagined',
    value: isExact ? right.length : 0,
    unit: 'breaks',
    baseline: drill.injected.length,
    target: 1,
  })
}

/** The classes of breaks that the drill puts in. */
const classes = 15

/**
 * The package's own drill with its repairs, in a process of its own: `CLEAN` records (1,000,000 unless it says otherwise)
 * and `PER_CLASS` breaks of each class (1,000), from `SEED`. It fails when a break is missed, imagined, repaired twice or
 * too often, or when a second run changes anything. About a minute.
 */
async function benchDrill(): Promise<Row> {
  const env = { CLEAN: '1000000', PER_CLASS: '1000', ...process.env }
  const vitest = path.join(
    path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
    'vitest.mjs',
  )
  const run = [vitest, 'run', 'test/drill.test.ts', '-t', 'finds every break']
  const start = performance.now()
  const { stdout } = await promisify(execFile)(process.execPath, run, { cwd: home, env })
  const line = /drill: .* (\d+) breaks found, (\d+) repaired/.exec(stdout)
  if (line === null) throw new Error(`Cannot read what the drill says: ${stdout}`)
  const seconds = (performance.now() - start) / 1_000
  console.log(`  ${line[0]}, in ${seconds.toFixed(0)} s with three days of repairs`)
  const found = Number(line[1])
  return atLeast({
    name: `breaks found and, where that is safe, repaired, of those put among ${Number(env.CLEAN).toLocaleString('en')} clean records`,
    value: found,
    unit: 'breaks',
    baseline: classes * Number(env.PER_CLASS),
    target: 1,
  })
}

/** What a comparison costs beside the obvious ways, and that it misses and imagines nothing at full size. */
export async function benchReconciliation(): Promise<Row[]> {
  return [await benchJoin(), ...(await benchDigests()), await benchRecall(), await benchDrill()]
}
