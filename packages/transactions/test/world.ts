import {
  AmbiguousWriteError,
  createIds,
  isFault,
  type ManualClock,
  manualClock,
  type Random,
  seededRandom,
} from '@stoa/kernel'

import {
  auditLedger,
  createSagaRunner,
  createWallets,
  defineSaga,
  type Executor,
  newSaga,
  openBooks,
  type SagaRunner,
  type StepOperation,
  type Verdict,
  verdictOf,
  type WalletOp,
} from '../src/index.ts'
import {
  call,
  type EngineName,
  type Fate,
  type Fleet,
  idIn,
  openFleet,
  type Rewrite,
} from './databases.ts'
import { deposit, purseOf } from './money.ts'

export type Transfer = { readonly from: string; readonly to: string; readonly amount: number }

/** Money from one account to another, wherever they lie. */
export const transfer = defineSaga<Transfer>({
  kind: 'transfer',
  deadlineMs: 60_000,
  stages: [
    [
      {
        name: 'from',
        try: 'freeze',
        confirm: 'capture',
        cancel: 'release',
        request: ({ from, amount }) => ({ account: from, amount }),
      },
      {
        name: 'to',
        try: 'expect',
        confirm: 'credit',
        cancel: 'decline',
        request: ({ to, amount }) => ({ account: to, amount }),
      },
    ],
  ],
})

export type WorldOptions = {
  readonly seed: number
  readonly transfers: number
  /** Changes what is sent, as a mutant would. */
  readonly rewrite?: Rewrite
  readonly executor?: (inner: Executor) => Executor
  /** Default: `libsql`. */
  readonly engine?: EngineName
}

export type WorldReport = {
  readonly done: number
  readonly cancelled: number
  /** How often each thing went wrong. */
  readonly faults: Readonly<Record<string, number>>
}

/** A process dies; nothing of it is heard again. */
class Death extends Error {
  override readonly name = 'Death'
}

type Waiting = { readonly from: number; readonly wake: () => void }

/**
 * Tasks run one at a time, from one request to the next, in an order that the seed decides. Now and then one falls
 * asleep for a few hundred requests of the others.
 */
class Turns {
  readonly #random: Random
  #waiting: readonly Waiting[] = []
  #turn = 0
  running = 0

  constructor(random: Random) {
    this.#random = random
  }

  readonly take = (): Promise<void> => {
    const isTired = this.#random.uint32() % 100 < 3
    const from = this.#turn + (isTired ? this.#random.uint32() % 500 : 0)
    return new Promise((wake) => {
      this.#waiting = [...this.#waiting, { from, wake }]
    })
  }

  start(task: Promise<unknown>): void {
    this.running += 1
    const end = () => {
      this.running -= 1
    }
    void task.then(end, end)
  }

  #next(): Waiting | undefined {
    const awake = this.#waiting.filter(({ from }) => from <= this.#turn)
    if (awake.length > 0) return awake[this.#random.uint32() % awake.length]
    return this.#waiting.toSorted((one, other) => one.from - other.from)[0]
  }

  async run(): Promise<void> {
    for (let idle = 0; this.running > 0; this.#turn += 1) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = this.#next()
      idle = next === undefined ? idle + 1 : 0
      if (idle > 1_000) throw new Error(`${this.running} tasks wait for nothing`)
      this.#waiting = this.#waiting.filter((each) => each !== next)
      next?.wake()
    }
  }
}

const accountCount = 9
const opening = 1_000
const clients = 6

class World {
  readonly fleet: Fleet
  readonly random: Random
  readonly clock: ManualClock = manualClock(1_790_000_000_000)
  readonly turns: Turns
  readonly faults: Record<string, number> = {}
  readonly bugs: unknown[] = []
  readonly accounts: string[] = []
  readonly late: (() => Promise<void>)[] = []
  calm = true

  constructor(fleet: Fleet, seed: number) {
    this.fleet = fleet
    this.random = seededRandom(seed)
    this.turns = new Turns(this.random)
    for (const database of fleet.databases) {
      database.before = async () => {
        if (!this.calm) await this.turns.take()
      }
      database.fate = (statements) => this.#fate(statements.length)
    }
  }

  chance(percent: number): boolean {
    return !this.calm && this.random.uint32() % 1_000 < percent * 10
  }

  count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1
  }

  #fate(statements: number): Fate {
    const wrong = (['reply', 'request', 'refused', 'late'] as const).find(() => this.chance(2))
    const fate: Fate =
      wrong ?? (this.chance(1) ? { diesAt: this.random.uint32() % (statements + 1) } : 'kept')
    if (fate !== 'kept')
      this.count(typeof fate === 'string' ? `database: ${fate}` : 'database: dies')
    return fate
  }

  /** The way from a runner to a participant: requests are lost, doubled, late, and runners die. */
  network(inner: Executor): Executor {
    return {
      execute: async (operation, given): Promise<Verdict> => {
        const later = async () => {
          await inner.execute(operation, call).catch((error: unknown) => this.failed(error))
        }
        if (this.chance(2)) {
          this.count('network: late')
          this.late.push(later)
          throw new AmbiguousWriteError('network')
        }
        if (this.chance(1)) this.die()
        const verdict = await inner.execute(operation, given)
        if (this.chance(1)) this.die()
        if (this.chance(2)) {
          this.count('network: twice')
          this.late.push(later)
        }
        if (!this.chance(2)) return verdict
        this.count('network: reply')
        throw new AmbiguousWriteError('network')
      },
    }
  }

  die(): never {
    this.count('runner: dies')
    throw new Death()
  }

  failed(error: unknown): void {
    if (!isFault(error) && !(error instanceof Death)) this.bugs.push(error)
  }

  /** Lets some of what is late arrive. */
  async deliver(percent: number): Promise<void> {
    for (const { late } of [this, ...this.fleet.databases]) {
      for (const send of late.splice(0)) {
        if (this.random.uint32() % 100 < percent) await send()
        else late.push(send)
      }
    }
  }
}

function executorOf(world: World, seed: number): Executor {
  const { clock, fleet } = world
  const wallets = createWallets({ keyspace: fleet.router, clock, random: seededRandom(seed) })
  return {
    execute: async ({ gid, branch, target, request }: StepOperation, given) => {
      const hold = { account: String(request['account']), gid, branch }
      const money = { currency: 'EUR', amount: Number(request['amount']) }
      // The definition names operations of a wallet.
      const op = target as WalletOp
      return verdictOf(await wallets.run({ op, hold, money }, given))
    },
  }
}

function runnerOf(world: World, seed: number, options: WorldOptions): SagaRunner {
  const inner = world.network(executorOf(world, seed))
  return createSagaRunner({
    keyspace: world.fleet.router,
    executor: options.executor?.(inner) ?? inner,
    clock: world.clock,
    random: seededRandom(seed + 1),
    defer: (work) => world.turns.start(work),
    report: (error) => world.failed(error),
  })
}

async function runClient(world: World, runner: SagaRunner, transfers: number): Promise<void> {
  const { clock, random, accounts, fleet } = world
  const ids = createIds({ clock, random })
  for (let count = 0; count < transfers; count += 1) {
    const first = random.uint32() % accountCount
    const second = (first + 1 + (random.uint32() % (accountCount - 1))) % accountCount
    const [from = '', to = ''] = [accounts[first], accounts[second]]
    const input = { from, to, amount: 1 + (random.uint32() % 400) }
    const saga = newSaga(transfer, input, { id: ids.child(from), now: clock.now() })
    try {
      await fleet.router.write(saga.id, [runner.begin(saga)], call)
      await runner.run(saga, call)
    } catch (error) {
      world.failed(error)
    }
  }
}

async function sweepAll(world: World, runner: SagaRunner): Promise<void> {
  for (const database of world.fleet.databases) {
    await runner.sweep(database, call).catch((error: unknown) => world.failed(error))
  }
}

async function sumOf(world: World, sql: string): Promise<number> {
  const answers = await Promise.all(world.fleet.databases.map((database) => database.run(sql)))
  return answers.reduce((sum, [row]) => sum + Number(row?.[0] ?? 0), 0)
}

/** What must hold between any two requests. */
async function checkAlways(world: World): Promise<void> {
  const held = await sumOf(
    world,
    "SELECT sum(credit - debit) FROM balance WHERE book IN ('available', 'frozen', 'clearing')",
  )
  if (held !== accountCount * opening) throw new Error(`the accounts hold ${held} together`)
  if (world.bugs.length > 0) throw new Error(`a bug flew: ${String(world.bugs[0])}`)
}

type Ended = { readonly id: string; readonly state: string; readonly input: Transfer }

async function sagasOf(world: World): Promise<readonly Ended[]> {
  const sql = `SELECT id, state, steps ->> '$[0].request.account', steps ->> '$[1].request.account', steps ->> '$[0].request.amount' FROM saga`
  const rows = await Promise.all(world.fleet.databases.map((database) => database.run(sql)))
  return rows.flat().map(([id, state, from, to, amount]) => ({
    id: String(id),
    state: String(state),
    input: { from: String(from), to: String(to), amount: Number(amount) },
  }))
}

/** What must hold when all has ended: each account as the sagas that were done say, and nothing under way. */
async function checkEnd(world: World): Promise<readonly Ended[]> {
  const sagas = await sagasOf(world)
  const expected = new Map(world.accounts.map((account) => [account, opening]))
  const add = (account: string, amount: number) =>
    expected.set(account, (expected.get(account) ?? 0) + amount)
  for (const { id, state, input } of sagas) {
    if (state !== 'done' && state !== 'cancelled') throw new Error(`saga ${id} is ${state}`)
    if (state === 'cancelled') continue
    add(input.from, -input.amount)
    add(input.to, input.amount)
  }
  let clearing = 0
  for (const account of world.accounts) {
    const [available, frozen, under = 0] = await purseOf(world.fleet, account)
    clearing += under
    if (available !== expected.get(account) || frozen !== 0)
      throw new Error(
        `account holds ${available} and ${frozen}, not ${expected.get(account)} and 0`,
      )
  }
  if (clearing !== 0) throw new Error(`${clearing} are under way for ever`)
  const unsettled = await sumOf(
    world,
    'SELECT count(*) FROM hold WHERE captured + released < amount',
  )
  if (unsettled !== 0) throw new Error(`${unsettled} holds stay open`)
  for (const database of world.fleet.databases) {
    const [breach] = await auditLedger(database, call)
    if (breach !== undefined) throw new Error(`${breach.rule}: ${breach.detail}`)
  }
  return sagas
}

async function open(options: WorldOptions): Promise<World> {
  const fleet = await openFleet(['a', 'b', 'c'], options.rewrite, options.engine)
  const world = new World(fleet, options.seed)
  for (let index = 0; index < accountCount; index += 1) {
    const account = idIn(Math.floor((index * 16_384) / accountCount))
    world.accounts.push(account)
    const statements = [openBooks(account, 'EUR'), deposit(account, opening)]
    await fleet.router.write(account, statements, call)
  }
  return world
}

/** Nothing fails any more: sweeps, by and by, until every saga has ended. */
async function settle(world: World, options: WorldOptions): Promise<void> {
  const sweeper = runnerOf(world, options.seed * 100 + 60, options)
  for (let round = 0; round < 40; round += 1) {
    world.clock.advance(400_000)
    await sweepAll(world, sweeper)
    await world.turns.run()
    if ((await sumOf(world, 'SELECT count(*) FROM saga WHERE finished_at IS NULL')) === 0) break
    await world.deliver(50)
  }
  await checkAlways(world)
}

/**
 * Transfers over three databases, by several clients at once, while everything fails; then everything heals, and all
 * that was begun must have ended rightly. @throws what is wrong
 */
export async function runWorld(options: WorldOptions): Promise<WorldReport> {
  const world = await open(options)
  try {
    world.calm = false
    const share = Math.ceil(options.transfers / clients)
    const active = Array.from({ length: clients }, (_, index) =>
      runClient(world, runnerOf(world, options.seed * 100 + index * 2, options), share),
    )
    for (const client of active) world.turns.start(client)
    const chaos = (async () => {
      const sweeper = runnerOf(world, options.seed * 100 + 50, options)
      while (world.turns.running > 1) {
        for (let pause = world.random.uint32() % 60; pause > 0; pause -= 1) await world.turns.take()
        world.clock.advance(world.random.uint32() % 40_000)
        await world.deliver(50)
        await sweepAll(world, sweeper)
        await checkAlways(world)
      }
    })()
    world.turns.start(chaos)
    await world.turns.run()
    await chaos
    world.calm = true
    await settle(world, options)
    await checkEnd(world)
    // What comes when all has ended changes nothing, but for sagas that it begins.
    await world.deliver(100)
    await settle(world, options)
    const sagas = await checkEnd(world)
    const done = sagas.filter(({ state }) => state === 'done').length
    return { done, cancelled: sagas.length - done, faults: world.faults }
  } finally {
    world.fleet.close()
  }
}
