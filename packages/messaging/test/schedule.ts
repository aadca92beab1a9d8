import { isFault, type Random, seededRandom } from '@stoa/kernel'

import { type Fate, type Life, type Mutation, type Process, settleWorld, World } from './world.ts'

export type ScheduleOptions = {
  readonly seed: number
  /** Commits of one event each, or now and then of three. */
  readonly commits: number
  readonly mutation?: Mutation
}

/** How often each thing went wrong. */
export type ScheduleReport = { readonly events: number; readonly faults: Record<string, number> }

/** Tasks run one at a time, from one request to the next, in an order that the seed decides. */
class Turns {
  readonly #random: Random
  #waiting: (() => void)[] = []
  running = 0

  constructor(random: Random) {
    this.#random = random
  }

  readonly take = (): Promise<void> => new Promise((wake) => this.#waiting.push(wake))

  start(task: Promise<unknown>): void {
    this.running += 1
    const end = () => {
      this.running -= 1
    }
    void task.then(end, end)
  }

  async run(): Promise<void> {
    for (let idle = 0; this.running > 0;) {
      await new Promise((resolve) => setImmediate(resolve))
      const [wake] = this.#waiting.splice(this.#random.uint32() % (this.#waiting.length || 1), 1)
      idle = wake === undefined ? idle + 1 : 0
      if (idle > 2_000) throw new Error(`${this.running} tasks wait for nothing`)
      wake?.()
    }
  }
}

class Chaos {
  readonly world: World
  readonly random: Random
  readonly turns: Turns
  readonly faults: Record<string, number> = {}
  isOver = false

  constructor(world: World, seed: number) {
    this.world = world
    this.random = seededRandom(seed)
    this.turns = new Turns(this.random)
  }

  chance(percent: number, what?: string): boolean {
    const happens = this.random.uint32() % 1_000 < percent * 10
    if (happens && what !== undefined) this.faults[what] = (this.faults[what] ?? 0) + 1
    return happens
  }

  #fate(statements: number): Fate {
    for (const wrong of ['reply', 'request', 'refused'] as const)
      if (this.chance(2, `${statements === 0 ? 'queue' : 'database'}: ${wrong}`)) return wrong
    if (this.chance(1, 'process dies after a request')) return 'dies'
    if (this.chance(1, 'process dies in a request'))
      return { diesAt: this.random.uint32() % (statements + 1) }
    return 'kept'
  }

  /** Does `work` in a process of its own, which may die; another takes its place. */
  async live(work: (process: Process) => Promise<unknown>): Promise<void> {
    const life: Life = { fate: (count) => this.#fate(count), turn: this.turns.take }
    try {
      await work(this.world.begin(life))
    } catch (error) {
      // Two commits that take one order number: the second is refused.
      if (!(isFault(error) && error.code === 'sql_constraint')) this.world.failed(error)
    }
  }

  async client(keys: readonly string[], commits: number): Promise<void> {
    for (let done = 0; done < commits;) {
      await this.live(async (process) => {
        for (; done < commits; done += 1) {
          const key = keys[this.random.uint32() % keys.length] ?? ''
          await process.commit(key, this.chance(10) ? 3 : 1)
        }
      })
      done += 1
    }
  }

  async deliverer(): Promise<void> {
    const { world, random } = this
    for (; !this.isOver;) {
      await this.live(async (process) => {
        for (let deliveries = 0; deliveries < 10; deliveries += 1) {
          await this.turns.take()
          // Any of them: nothing keeps messages in order.
          const [next] = world.sent.splice(random.uint32() % (world.sent.length || 1), 1)
          if (next === undefined) continue
          if (this.chance(30, 'message twice')) world.sent.push({ ...next })
          const isUnheard = this.chance(10, 'acknowledgement lost')
          await process.deliver(next)
          if (isUnheard) world.sent.push({ ...next })
        }
      })
    }
  }

  async sweeper(): Promise<void> {
    for (; !this.isOver;) {
      for (let pause = this.random.uint32() % 40; pause > 0; pause -= 1) await this.turns.take()
      this.world.clock.advance(this.random.uint32() % 40_000)
      await this.live(async (process) => {
        await process.sweep()
        await process.fill()
        await process.mirror()
      })
    }
  }
}

/** Ends the chaos some time after all was committed. */
async function endAfter(clients: readonly Promise<void>[], chaos: Chaos): Promise<void> {
  await Promise.all(clients)
  for (let pause = 0; pause < 200; pause += 1) await chaos.turns.take()
  chaos.isOver = true
}

/**
 * Commits, deliveries and sweeps at once while everything fails; then everything heals, and each event must have had
 * its effect once, in its order where a consumer asks for that. @throws what is wrong
 */
export async function runSchedule(options: ScheduleOptions): Promise<ScheduleReport> {
  const { seed, commits, mutation } = options
  const world = await World.open(mutation)
  try {
    const chaos = new Chaos(world, seed)
    const keys = Array.from({ length: 8 }, (_, index) => world.aggregate(index))
    const bad = new Set(keys.slice(0, 1))
    // One key is poison from its second event on, until somebody mends it.
    world.poison = ({ key, seq }) => bad.has(key) && seq % 3 === 2
    const clients = [0, 1, 2].map(() => chaos.client(keys, Math.ceil(commits / 3)))
    for (const client of clients) chaos.turns.start(client)
    for (let count = 0; count < 4; count += 1) chaos.turns.start(chaos.deliverer())
    for (let count = 0; count < 2; count += 1) chaos.turns.start(chaos.sweeper())
    chaos.turns.start(endAfter(clients, chaos))
    await chaos.turns.run()
    await settleWorld(world)
    return { events: await world.count('outbox'), faults: chaos.faults }
  } finally {
    world.close()
  }
}
