import { manualClock, seededRandom } from '@stoa/kernel'

import type { Comparison, Discrepancy, Entry, Finding, Side } from '../src/index.ts'
import { call, firstOf, type Fleet, openFleet } from './databases.ts'
import type { Api } from './world.ts'

/** Sides of lists that a trial changes as it goes. */
export function sideOf(name: string, entries: () => readonly Entry[], now: () => number): Side {
  return {
    name,
    watermark: async () => now(),
    read: async function* ({ from, to }) {
      yield entries().filter(({ key }) => key >= from && key < to)
    },
  }
}

export function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** A comparison that finds what it is told to, under the keys that it is told. */
export class Bench {
  readonly api: Api
  readonly fleet: Fleet
  readonly clock = manualClock(1_790_000_000_000)
  /** What is wrong now. */
  findings: readonly Finding[] = []
  readonly comparison: Comparison
  #runs = 0

  constructor(api: Api, fleet: Fleet) {
    this.api = api
    this.fleet = fleet
    const entries = () =>
      [...new Set(this.findings.map(({ key }) => key))]
        .toSorted()
        .map((key) => ({ key, at: 0, fields: {} }))
    this.comparison = {
      name: 'bench',
      settleMs: 1_000,
      sides: [sideOf('one', entries, () => this.clock.now())],
      judge: ({ key }) => this.findings.filter((finding) => finding.key === key),
    }
  }

  async run(): Promise<void> {
    this.#runs += 1
    const reconciler = this.api.createReconciler({ keyspace: this.fleet.router, clock: this.clock })
    const id = `00000${this.#runs.toString().padStart(15, '0')}`
    await reconciler.run({ id, comparison: this.comparison }, call)
  }

  desk() {
    return this.api.createDesk({ keyspace: this.fleet.router, clock: this.clock })
  }

  /** Everything that is in the table, closed or not. */
  async rows(): Promise<readonly Discrepancy[]> {
    const ids = await firstOf(this.fleet).run('SELECT id FROM discrepancy ORDER BY id')
    const read = await Promise.all(ids.map(([id]) => this.desk().read(String(id), call)))
    return read.flatMap((row) => row ?? [])
  }

  async sole(): Promise<Discrepancy> {
    const rows = await this.rows()
    const [row] = rows
    if (row === undefined || rows.length > 1) throw new Error(`there are ${rows.length} breaks`)
    return row
  }

  async sweep(repair: (key: string, action: string) => Promise<void>) {
    const failures: unknown[] = []
    const repairer = this.api.createRepairer({
      keyspace: this.fleet.router,
      comparisons: [this.comparison],
      clock: this.clock,
      random: seededRandom(this.clock.now()),
      report: (error) => failures.push(error),
      repair: ({ idempotencyKey, action }) => repair(idempotencyKey, action),
    })
    const swept = await repairer.sweep(firstOf(this.fleet), call)
    return { ...swept, failures }
  }
}

export async function onBench(api: Api, work: (bench: Bench) => Promise<void>): Promise<void> {
  const fleet = await openFleet(['a'], api.reconciliationDdl)
  try {
    await work(new Bench(api, fleet))
  } finally {
    fleet.close()
  }
}

export const wrongCount: Finding = {
  class: 'counter_drift',
  key: 'k',
  action: 'recount',
  amount: 0,
  detail: { sum: 3, value: 4 },
}

export const wrongAmount: Finding = {
  class: 'amount_mismatch',
  key: 'k',
  action: 'adjust',
  amount: 100,
  detail: { ours: 1, theirs: 2 },
}

/** Two classes under one key are two breaks, and each found twice is still one. */
async function tellsClassesApart(api: Api): Promise<void> {
  await onBench(api, async (bench) => {
    bench.findings = [wrongCount, wrongAmount, wrongAmount]
    await bench.run()
    bench.clock.advance(1)
    await bench.run()
    must((await bench.rows()).length === 2, 'two classes were not two breaks')
  })
}

/** What two persons dismissed stays dismissed, until it is another; what was resolved comes back as a new occurrence. */
async function comesBack(api: Api): Promise<void> {
  await onBench(api, async (bench) => {
    bench.findings = [wrongAmount]
    await bench.run()
    const desk = bench.desk()
    const { id, version } = await bench.sole()
    const deed = { id, note: 'a rounding' }
    await desk.propose({ ...deed, version, actor: 'ann', action: 'dismiss' }, call)
    await desk.decide({ ...deed, version: version + 1, actor: 'bob', approved: true }, call)
    bench.clock.advance(10)
    await bench.run()
    must((await bench.sole()).state === 'dismissed', 'what was dismissed came back')
    bench.findings = [{ ...wrongAmount, detail: { ours: 1, theirs: 900 } }]
    await bench.run()
    const back = await bench.sole()
    must(back.state === 'review' && back.occurrence === 2, 'another break hid behind a dismissal')
    must(back.checker === undefined, 'a decision outlived what it was about')
    bench.findings = []
    bench.clock.advance(86_400_000)
    await bench.sweep(async () => undefined)
    must((await bench.sole()).state === 'resolved', 'what is gone was not resolved')
    bench.findings = [wrongAmount]
    bench.clock.advance(10)
    await bench.run()
    must((await bench.sole()).occurrence === 3, 'what came back was not opened again')
  })
}

/** A run that is stopped at every checkpoint compares every key once. */
async function resumes(api: Api): Promise<void> {
  await onBench(api, async (bench) => {
    const entries = Array.from({ length: 25_500 }, (_, n) => ({
      key: n.toString().padStart(6, '0'),
      at: 0,
      fields: {},
    }))
    const clock = () => bench.clock.now()
    const comparison: Comparison = {
      ...bench.comparison,
      sides: [sideOf('many', () => entries, clock)],
      judge: ({ key }) => (key.endsWith('9999') ? [{ ...wrongCount, key }] : []),
    }
    const reconciler = api.createReconciler({ keyspace: bench.fleet.router, clock: bench.clock })
    const order = { id: `00000${'1'.repeat(15)}`, comparison, limitMs: 0 }
    const database = firstOf(bench.fleet)
    let saves = 0
    // Of every checkpoint the request is lost, or the reply; what is sent next comes through.
    database.fate = (statements) => {
      if (!statements.some(({ sql }) => sql.startsWith('UPDATE reconciliation_run'))) return 'kept'
      saves += 1
      return saves % 2 === 0 ? 'kept' : saves % 4 === 1 ? 'request' : 'reply'
    }
    let run = await reconciler.run(order, call)
    let stops = 0
    for (; run.state === 'running' && stops < 9; stops += 1) run = await reconciler.run(order, call)
    must(stops === 2, `it stopped ${stops} times`)
    must(run.compared === entries.length, `it compared ${run.compared} keys`)
    must(run.found.counter_drift === 2, 'it did not count what it found')
    database.fate = () => 'kept'
    const again = await reconciler.run(order, call)
    must(again.compared === run.compared && again.finishedAt === run.finishedAt, 'it ran again')
  })
}

/** Entries of one key are never torn apart, and none is lost between two pages. */
async function pagesWhole(api: Api): Promise<void> {
  const entries = Array.from({ length: 3_300 }, (_, n) => ({
    key: Math.floor(n / 7)
      .toString()
      .padStart(5, '0'),
    at: n,
    fields: {},
  }))
  const page = async ({ from, to }: { from: string; to: string }, limit: number) =>
    entries.filter(({ key }) => key >= from && key < to).slice(0, limit)
  const seen: Entry[] = []
  for await (const part of api.keysetPages(api.everything, page)) seen.push(...part)
  must(seen.length === entries.length, `${seen.length} entries of ${entries.length}`)
  must(
    seen.every(({ at }, n) => at === n),
    'entries came out of order',
  )
}

/** Two persons, whatever the code says: the schema knows. */
async function needsTwo(api: Api): Promise<void> {
  await onBench(api, async (bench) => {
    bench.findings = [wrongAmount]
    await bench.run()
    const { id } = await bench.sole()
    const desk = bench.desk()
    await desk.propose({ id, version: 1, actor: 'ann', note: '', action: 'adjust' }, call)
    const refused = await desk
      .decide({ id, version: 2, actor: 'ann', note: '', approved: true }, call)
      .then(() => '')
      .catch((error: unknown) => (error instanceof Error ? error.name : ''))
    must(refused === 'SamePersonError', 'who proposed it has checked it')
    const alone = `UPDATE discrepancy SET state = 'approved', checker = maker, version = version + 1`
    const passed = await firstOf(bench.fleet)
      .run(alone)
      .then(() => true)
      .catch(() => false)
    must(!passed, 'the schema let one person do it all')
    const orders: string[] = []
    bench.clock.advance(60_000)
    const early = await bench.sweep(async (_key, action) => void orders.push(action))
    must(orders.length === 0 && early.repaired === 0, 'what nobody checked was repaired')
    await desk.decide({ id, version: 2, actor: 'bob', note: '', approved: true }, call)
    bench.findings = [{ ...wrongAmount, detail: { ours: 1, theirs: 7 } }]
    await bench.sweep(async (_key, action) => void orders.push(action))
    must(orders.length === 0, 'what was checked was not what was repaired')
  })
}

/** What a mutant has to pass beside the drill. */
export const trials: Readonly<Record<string, (api: Api) => Promise<void>>> = {
  'tells classes under one key apart': tellsClassesApart,
  'lets a dismissed break be until it is another, and opens again what came back': comesBack,
  'goes on where it stopped, and counts each key once': resumes,
  'reads pages that end between keys': pagesWhole,
  'repairs by hand only what a second person has checked, as he saw it': needsTwo,
}
