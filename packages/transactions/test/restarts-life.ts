import {
  AmbiguousWriteError,
  type Clock,
  createIds,
  isFault,
  type Random,
  seededRandom,
  SqlConstraintError,
} from '@stoa/kernel'

import {
  createSagaRunner,
  createWallets,
  type Executor,
  newSaga,
  openBooks,
  type Saga,
  type SagaRunner,
  verdictOf,
  type WalletOp,
} from '../src/index.ts'
import { idIn, type Rewrite } from './databases.ts'
import { deposit } from './money.ts'
import { breachesOf, verdictOn } from './restarts-check.ts'
import { call, openRealFleet, type RealFleet, rowsIn } from './restarts-fleet.ts'
import { type Server, type Servers, wait } from './restarts-servers.ts'
import { type Transfer, transfer } from './world.ts'

/** The kind of batch at which a server dies: a text in it, and whether it takes effect. */
export type Aim = { readonly at: string; readonly when: 'before' | 'after' }

export type LifeOptions = {
  readonly seed: number
  readonly sagas: number
  /** So often a server dies; 0 is never. */
  readonly restartMs: number
  /** What each account begins with: little has transfers refused, much has none. */
  readonly opening: number
  /** Servers die at this batch alone. Default: at any moment, or at batches of every kind. */
  readonly aim?: Aim
  /** A client takes a begin whose reply is lost for one that happened. */
  readonly isTrusting?: boolean
  /** Changes what is sent, as a mutant would. */
  readonly rewrite?: Rewrite
  readonly executor?: (inner: Executor) => Executor
}

export type LifeReport = {
  readonly wrongs: readonly string[]
  readonly done: number
  readonly cancelled: number
  readonly restarts: number
  /** Where servers died, and how often. */
  readonly deaths: Readonly<Record<string, number>>
  readonly replies: RealFleet['replies']
  /** Attempts of branches that found themselves done already, undone, or with nothing to undo. */
  readonly repeats: Readonly<Record<string, number>>
  /** Begins that were sent again and found that they had happened. */
  readonly found: number
}

const accountCount = 9
const clients = 8
/** On average; those of a wave begin at once, so that the restart among them meets many. */
export const sagasPerSecond = 20
const sweepMs = 150
const retryMs = 50
/** With each restart so much time passes: leases and deadlines end among the restarts. */
const leapMs = 20_000
/** Longer than any lease or wait of a saga. */
const longMs = 400_000
const settleRounds = 12

/** A text of every kind of batch. */
const kinds = [
  'INSERT INTO saga',
  'INSERT INTO hold',
  'UPDATE saga SET state',
  'UPDATE saga SET lease_owner',
  'SET captured =',
  'SET released =',
]

const bump = (counts: Record<string, number>, what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1
}

function among<T>(items: readonly T[], random: Random): T | undefined {
  return items[random.uint32() % items.length]
}

class Life {
  readonly servers: readonly Server[]
  readonly fleet: RealFleet
  readonly options: LifeOptions
  readonly random: Random
  readonly accounts: string[] = []
  readonly begun = new Map<string, Transfer>()
  readonly wrongs = new Set<string>()
  readonly deaths: Record<string, number> = {}
  readonly repeats: Record<string, number> = {}
  readonly running = new Set<Promise<unknown>>()
  found = 0
  restarts = 0
  #leapt = 0

  constructor(servers: readonly Server[], fleet: RealFleet, options: LifeOptions) {
    this.servers = servers
    this.fleet = fleet
    this.options = options
    this.random = seededRandom(options.seed)
  }

  readonly clock: Clock = { now: () => Date.now() + this.#leapt }

  leap(ms: number): void {
    this.#leapt += ms
  }

  readonly defer = (work: Promise<unknown>): void => {
    const kept = work.finally(() => this.running.delete(kept))
    this.running.add(kept)
  }

  /** A fault is what restarts are expected to bring; anything else is a bug. */
  readonly report = (error: unknown): void => {
    if (!isFault(error)) this.wrongs.add(`a bug flew: ${String(error)}`)
  }
}

function executorOf({ fleet, clock, repeats }: Life, random: Random): Executor {
  const wallets = createWallets({ keyspace: fleet.router, clock, random })
  return {
    execute: async ({ gid, branch, target, request }, given) => {
      const hold = { account: String(request['account']), gid, branch }
      const money = { currency: 'EUR', amount: Number(request['amount']) }
      // The definition names operations of a wallet.
      const outcome = await wallets.run({ op: target as WalletOp, hold, money }, given)
      if (outcome !== 'applied') bump(repeats, outcome)
      return verdictOf(outcome)
    },
  }
}

function runnerOf(life: Life, seed: number): SagaRunner {
  const { fleet, clock, options, defer, report } = life
  const inner = executorOf(life, seededRandom(seed))
  return createSagaRunner({
    keyspace: fleet.router,
    executor: options.executor?.(inner) ?? inner,
    clock,
    random: seededRandom(seed + 1),
    defer,
    report,
  })
}

/** Begins a saga, however often it takes: a reply that was lost is answered by the row itself. */
async function begin(life: Life, runner: SagaRunner, saga: Saga): Promise<void> {
  for (let lost = false; ;) {
    try {
      await life.fleet.router.write(saga.id, [runner.begin(saga)], call)
      return
    } catch (error) {
      if (lost && error instanceof SqlConstraintError && error.constraint === 'saga.id') {
        life.found += 1
        return
      }
      lost ||= error instanceof AmbiguousWriteError
      if (lost && life.options.isTrusting === true) return
      if (!isFault(error) || !error.retryable) throw error
      await wait(retryMs)
    }
  }
}

/** One client: it moves money between any two accounts, so often as it is told. */
function clientOf(life: Life, seed: number): (count: number) => Promise<void> {
  const { accounts, begun, clock } = life
  const random = seededRandom(seed)
  const ids = createIds({ clock, random })
  const runner = runnerOf(life, seed + 1)
  return async (count) => {
    for (let left = count; left > 0; left -= 1) {
      const first = random.uint32() % accountCount
      const second = (first + 1 + (random.uint32() % (accountCount - 1))) % accountCount
      const [from = '', to = ''] = [accounts[first], accounts[second]]
      const input = { from, to, amount: 1 + (random.uint32() % 400) }
      const saga = newSaga(transfer, input, { id: ids.child(from), now: clock.now() })
      await begin(life, runner, saga)
      begun.set(saga.id, input)
      await runner.run(saga, call).catch(life.report)
    }
  }
}

async function sweepAll(life: Life, runner: SagaRunner): Promise<void> {
  for (const database of life.fleet.databases) await runner.sweep(database, call).catch(life.report)
}

async function keepSweeping(life: Life, stopped: AbortSignal): Promise<void> {
  const sweeper = runnerOf(life, life.options.seed * 100 + 90)
  while (!stopped.aborted) {
    await sweepAll(life, sweeper)
    await wait(sweepMs)
  }
}

/** Kills a server at a random moment, or has it die at a batch of some kind; waits until it is back. */
async function restart(life: Life, server: Server, aim: Aim | undefined): Promise<void> {
  const { random, options, deaths } = life
  const before = server.deaths()
  const patience = options.restartMs / 2
  if (aim === undefined) {
    await wait(random.uint32() % patience)
  } else {
    const { at, when } = aim
    await server.dieAt(at, { when, skip: random.uint32() % 3 })
    const deadline = Date.now() + patience
    while (server.deaths() === before && Date.now() < deadline) await wait(1)
    if (server.deaths() > before) bump(deaths, `${when} ${at}`)
  }
  if (server.deaths() === before) {
    server.kill()
    bump(deaths, 'at any moment')
  }
  while (server.deaths() === before) await wait(1)
  life.restarts += 1
  await server.answers()
}

/** Restarts one server, now and then both at once; what has come back must be whole. */
async function strike(life: Life): Promise<void> {
  const { random, servers, fleet, options } = life
  const isAll = random.uint32() % 4 === 0
  const chosen = among(servers, random)
  const struck = isAll ? servers : servers.filter((server) => server === chosen)
  const at = among([undefined, undefined, ...kinds], random)
  const when = random.uint32() % 4 === 0 ? 'before' : 'after'
  const aim = options.aim ?? (at === undefined ? undefined : ({ at, when } as const))
  await Promise.all(struck.map((server) => restart(life, server, aim)))
  life.leap(leapMs)
  for (const breach of await breachesOf(fleet.databases)) life.wrongs.add(breach)
}

/** Sagas in waves; into each a restart falls. */
async function live(life: Life): Promise<void> {
  const { seed, sagas, restartMs } = life.options
  const all = Array.from({ length: clients }, (_, index) => clientOf(life, seed * 100 + index * 3))
  const inWave = restartMs === 0 ? sagas : Math.ceil((restartMs * sagasPerSecond) / 1_000)
  for (let left = sagas; left > 0; left -= inWave) {
    const wave = Math.min(left, inWave)
    const working = all.map((client, index) => client(Math.floor((wave + index) / clients)))
    const striking = restartMs === 0 ? [] : [strike(life), wait(restartMs)]
    await Promise.all([...working, ...striking])
  }
}

/** No server dies any more: sweeps, by and by, until every saga has ended. */
async function settle(life: Life): Promise<void> {
  const sweeper = runnerOf(life, life.options.seed * 100 + 95)
  for (let round = 0; round < settleRounds; round += 1) {
    await Promise.all(life.running)
    const counts = await Promise.all(
      life.fleet.databases.map((database) =>
        rowsIn(database, 'SELECT 1 FROM saga WHERE finished_at IS NULL LIMIT 1'),
      ),
    )
    if (counts.flat().length === 0) return
    life.leap(longMs)
    await sweepAll(life, sweeper)
  }
}

async function open(servers: Servers, options: LifeOptions, prefix: string): Promise<Life> {
  const fleet = await openRealFleet(servers, prefix, options.rewrite ?? ((sql) => sql))
  const life = new Life(servers.all, fleet, options)
  for (let index = 0; index < accountCount; index += 1) {
    const account = idIn(Math.floor((index * 16_384) / accountCount))
    life.accounts.push(account)
    const statements = [openBooks(account, 'EUR'), deposit(account, options.opening)]
    await fleet.router.write(account, statements, call)
  }
  return life
}

let lives = 0

/** Transfers over three databases, by several clients, while the processes of the databases die and come back. */
export async function runLife(servers: Servers, options: LifeOptions): Promise<LifeReport> {
  lives += 1
  const life = await open(servers, options, `life${lives}`)
  const stop = new AbortController()
  const sweeping = keepSweeping(life, stop.signal)
  try {
    await live(life)
  } finally {
    stop.abort()
    await sweeping
  }
  await settle(life)
  const { fleet, begun, accounts, deaths, repeats, restarts, found } = life
  const opening = new Map(accounts.map((account) => [account, options.opening]))
  const verdict = await verdictOn(fleet, { opening, begun })
  const wrongs = [...life.wrongs, ...verdict.wrongs]
  return { ...verdict, wrongs, deaths, repeats, restarts, found, replies: fleet.replies }
}
