import {
  AmbiguousWriteError,
  type Clock,
  createIds,
  manualClock,
  seededRandom,
  systemClock,
} from '@stoa/kernel'

import type * as reconciliation from '../src/index.ts'
import { call, type Fleet, openFleet } from './databases.ts'

/** The package, or a mutant of it. */
export type Api = typeof reconciliation

export type WorldOptions = {
  readonly seed: number
  readonly clean: number
  readonly perClass: number
  readonly noise: number
  /** How many repairs of a class an hour may take. */
  readonly perHour: number
  /** One in so many batches loses its reply, or its request; 0: none. */
  readonly faultOneIn: number
}

/** What a world has seen, to be printed. */
export type WorldReport = {
  readonly compared: number
  readonly found: number
  readonly repaired: number
  readonly compareMs: number
}

type Row = readonly unknown[]

/** 02:00 UTC of a day. */
const start = 1_790_000_000_000 - (1_790_000_000_000 % 86_400_000) + 7_200_000
const hourMs = 3_600_000

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

async function rowsOf(fleet: Fleet, sql: string): Promise<readonly Row[]> {
  const all = await Promise.all(fleet.databases.map((database) => database.run(sql)))
  return all.flat()
}

/** Everything that a second run may not change. */
async function dump(fleet: Fleet): Promise<string> {
  const tables = ['discrepancy', 'discrepancy_journal', 'repair_grant']
  const rows = await Promise.all(tables.map((table) => rowsOf(fleet, `SELECT * FROM ${table}`)))
  return JSON.stringify(rows.map((each) => each.map((row) => JSON.stringify(row)).toSorted()))
}

function sameSet(found: readonly string[], expected: readonly string[], what: string): void {
  const [one, other] = [new Set(found), new Set(expected)]
  const missed = expected.filter((each) => !one.has(each))
  const imagined = found.filter((each) => !other.has(each))
  must(missed.length === 0, `${what}: ${missed.length} missed, as ${missed[0]}`)
  must(imagined.length === 0, `${what}: ${imagined.length} imagined, as ${imagined[0]}`)
}

/** One life of a drill: everything found, nothing imagined, the safe repaired once and within the budget. */
class World {
  readonly api: Api
  readonly options: WorldOptions
  readonly clock = manualClock(start)
  readonly fleet: Fleet
  readonly drill: reconciliation.Drill
  readonly failures: unknown[] = []
  compared = 0

  constructor(api: Api, options: WorldOptions, fleet: Fleet) {
    this.api = api
    this.options = options
    this.fleet = fleet
    this.drill = api.drillBreaks({ ...options, clock: this.clock })
    const random = seededRandom(options.seed)
    for (const database of fleet.databases)
      database.fate = () => {
        if (options.faultOneIn === 0 || random.uint32() % options.faultOneIn > 0) return 'kept'
        return random.uint32() % 2 === 0 ? 'reply' : 'request'
      }
  }

  async runAll(): Promise<void> {
    const { api, clock, fleet, drill, options } = this
    const reconciler = api.createReconciler({ keyspace: fleet.router, clock })
    const ids = createIds({ clock: systemClock, random: seededRandom(options.seed) })
    this.compared = 0
    for (const comparison of drill.comparisons) {
      const order = { id: ids.root(comparison.name), comparison }
      let run: reconciliation.Run | undefined
      // Whoever ordered it orders it again until it has finished: faults cut it off.
      for (let tries = 0; run?.state !== 'finished' && tries < 1_000; tries += 1)
        run = await reconciler.run(order, call).catch((error: unknown) => {
          this.#expected(error)
          return undefined
        })
      must(run?.state === 'finished', `the run of ${comparison.name} never finished`)
      this.compared += run?.compared ?? 0
    }
    const sql = "SELECT count(*) FROM reconciliation_run WHERE state = 'running'"
    must(
      (await rowsOf(fleet, sql)).every(([count]) => count === 0),
      'a run is not finished',
    )
  }

  #expected(error: unknown): void {
    const { faultOneIn } = this.options
    const isFault = error instanceof AmbiguousWriteError || String(error).includes('reach shard')
    if (faultOneIn === 0 || !isFault) throw error
  }

  repairer(clock: Clock): reconciliation.Repairer {
    const random = seededRandom(this.options.seed)
    const answers = seededRandom(this.options.seed + 1)
    const { faultOneIn, perHour } = this.options
    const names = [...new Set(this.drill.injected.map((each) => each.class))]
    const budgets = names.map((name) => [name, { perHour, amountPerHour: 1_020 * perHour }])
    return this.api.createRepairer({
      keyspace: this.fleet.router,
      comparisons: this.drill.comparisons,
      budgets: Object.fromEntries(budgets) as NonNullable<reconciliation.RepairerDeps['budgets']>,
      clock,
      random,
      report: (error) => this.failures.push(error),
      repair: async (order) => {
        await this.drill.repair(order)
        // Its answer is lost after the effect, much more often than in life.
        if (faultOneIn > 0 && answers.uint32() % 4 === 0) throw new AmbiguousWriteError('elsewhere')
      },
    })
  }

  /** Sweeps until nothing is left to do by itself, for three days at most. */
  async repairAll(): Promise<void> {
    const repairer = this.repairer(this.clock)
    const end = start + 72 * hourMs
    while (this.clock.now() < end) {
      for (const database of this.fleet.databases) await this.#sweep(repairer, database)
      // Closely while the budgets are used up, then from hour to hour until the next statements have come.
      this.clock.advance(this.clock.now() < start + 3 * hourMs ? 180_000 : 4 * hourMs)
    }
    for (const error of this.failures) this.#expected(error)
  }

  async #sweep(repairer: reconciliation.Repairer, database: Fleet['databases'][number]) {
    const most = 20 + this.drill.injected.length / 10
    for (let rounds = 0; rounds < most; rounds += 1) {
      const swept = await repairer.sweep(database, call).catch((error: unknown) => {
        this.#expected(error)
        return undefined
      })
      const taken = Object.values(swept ?? { none: 1 }).reduce((sum, count) => sum + count, 0)
      if (taken === 0) return
    }
    must(false, 'the sweeps never came to rest')
  }

  expectedKeys(which: (each: reconciliation.Injected) => boolean): readonly string[] {
    return this.drill.injected.filter(which).map((each) => `${each.class} ${each.key}`)
  }

  /** In no hour is more granted than the budget. */
  async checkGrants(): Promise<void> {
    const { perHour } = this.options
    const rows = await rowsOf(this.fleet, 'SELECT class, at, amount FROM repair_grant')
    for (const [name, own] of Map.groupBy(rows, ([of]) => String(of))) {
      for (const [, at] of own) {
        const until = Number(at)
        const hour = own.filter((row) => Number(row[1]) > until - hourMs && Number(row[1]) <= until)
        const amount = hour.reduce((sum, row) => sum + Number(row[2]), 0)
        must(hour.length <= perHour, `${name}: ${hour.length} granted in an hour`)
        must(amount <= 1_020 * perHour, `${name}: ${amount} granted in an hour`)
      }
    }
  }

  /** In no hour more than the budget, and no effect twice, or on what is not to be repaired. */
  checkEffects(): void {
    const { effects } = this.drill
    const keys = effects.map(({ order }) => `${order.class} ${order.key}`)
    must(new Set(keys).size === keys.length, 'a repair had its effect twice')
    sameSet(
      keys,
      this.expectedKeys(({ end }) => end === 'repaired'),
      'repairs',
    )
    for (const [name, own] of Map.groupBy(effects, ({ order }) => order.class)) {
      for (const { at } of own) {
        const hour = own.filter((each) => each.at > at - hourMs && each.at <= at)
        const amount = hour.reduce((sum, { order }) => sum + order.amount, 0)
        // A repair is granted before it has its effect, by as long as a few of its tries may take.
        must(hour.length <= this.options.perHour * 1.5, `${name}: ${hour.length} in an hour`)
        must(amount <= 1_500 * this.options.perHour, `${name}: ${amount} in an hour`)
      }
    }
    const first = Math.min(...effects.map(({ at }) => at))
    must(first >= start + 60_000, 'a repair came before the second look')
  }
}

/**
 * Lives a drill with `api` and throws at the first thing that is wrong: a break missed or imagined, a second run that
 * changes something, a repair too many, too early, above the budget or of what a person should see.
 */
export async function proveDrill(api: Api, options: WorldOptions): Promise<WorldReport> {
  const fleet = await openFleet(['a', 'b'], api.reconciliationDdl)
  try {
    const world = new World(api, options, fleet)
    const began = performance.now()
    await world.runAll()
    const compareMs = performance.now() - began
    const { compared } = world
    const found = await rowsOf(fleet, `SELECT class || ' ' || key FROM discrepancy`)
    const expected = world.expectedKeys(() => true)
    sameSet(found.map(String), expected, 'breaks')
    must(found.length === expected.length, 'a break was recorded twice')
    const before = await dump(fleet)
    await world.runAll()
    must((await dump(fleet)) === before, 'a second run changed something')

    await world.repairAll()

    world.checkEffects()
    await world.checkGrants()
    const open = await rowsOf(
      fleet,
      `SELECT class || ' ' || key FROM discrepancy WHERE closed_at IS NULL`,
    )
    const byHand = world.expectedKeys(({ end }) => end === 'review')
    sameSet(open.map(String), byHand, 'what is left')
    const states = await rowsOf(
      fleet,
      `SELECT DISTINCT state FROM discrepancy WHERE closed_at IS NULL`,
    )
    must(
      states.every(([state]) => state === 'review'),
      `left in state ${String(states)}`,
    )
    const mended = await dump(fleet)
    await world.runAll()
    must((await dump(fleet)) === mended, 'a run after the repairs changed something')
    return { compared, found: found.length, repaired: world.drill.effects.length, compareMs }
  } finally {
    fleet.close()
  }
}
