import { type Fate, type Life, type Mutation, type Process, settleWorld, World } from './world.ts'

/** What is killed, at every statement and request of `run`. */
export type Scenario = {
  readonly name: string
  /** What was before; answers what `run` is to work on. */
  readonly prepare: (world: World) => Promise<string>
  readonly run: (process: Process, world: World, key: string) => Promise<unknown>
}

const silent: Life = { fate: () => 'kept' }

/** A process whose messages never reach the queue. */
const unheard: Life = { fate: (statements) => (statements === 0 ? 'request' : 'kept') }

async function deliverTo(process: Process, world: World, seq: number, consumer = 'social') {
  const isIt = ({ message }: World['sent'][number]) =>
    message.url.endsWith(consumer) && message.body.includes(`"seq":${seq},`)
  const index = world.sent.findIndex(isIt)
  const [found] = index === -1 ? [] : world.sent.splice(index, 1)
  if (found !== undefined) await process.deliver(found)
}

async function commitThree(world: World): Promise<string> {
  const key = world.aggregate(0)
  for (let count = 0; count < 3; count += 1) await world.begin(silent).commit(key)
  return key
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'a commit, its publication, and the next commit with its marks',
    prepare: async (world) => world.aggregate(0),
    run: async (process, _world, key) => {
      await process.commit(key, 2)
      await process.commit(key)
    },
  },
  {
    name: 'a sweep of what the fast path left',
    prepare: async (world) => {
      const key = world.aggregate(1)
      await world.begin(unheard).commit(key, 2)
      await world.begin(unheard).commit(world.aggregate(2))
      world.clock.advance(10_000)
      return key
    },
    run: (process) => process.sweep(),
  },
  {
    name: 'an inbox, and one that knows an event already',
    prepare: async (world) => {
      const key = await commitThree(world)
      await deliverTo(world.begin(), world, 1, 'stats')
      return key
    },
    run: async (process, world) => {
      for (const seq of [3, 2]) await deliverTo(process, world, seq, 'stats')
    },
  },
  {
    name: 'an inbox that parks and applies in order',
    prepare: commitThree,
    run: async (process, world) => {
      for (const seq of [3, 2, 1]) await deliverTo(process, world, seq)
    },
  },
  {
    name: 'an inbox with a poison event, behind which others are parked',
    prepare: async (world) => {
      world.poison = ({ seq }) => seq === 2
      const key = world.aggregate(0)
      await world.begin().commit(key, 3)
      return key
    },
    run: (process, world) => deliverTo(process, world, 1),
  },
  {
    name: 'the search for what a consumer lacks',
    prepare: async (world) => {
      const key = await commitThree(world)
      world.clock.advance(10_000)
      await world.begin().sweep()
      await deliverTo(world.begin(), world, 3)
      // The queue lost the first two.
      const rest = world.sent.filter(({ message }) => !message.url.endsWith('social'))
      world.sent.splice(0, world.sent.length, ...rest)
      world.clock.advance(31_000)
      return key
    },
    run: (process) => process.fill(),
  },
  {
    name: 'dead letters: kept, taken apart, and sent again',
    prepare: async (world) => {
      world.poison = ({ seq }) => seq === 2
      const key = world.aggregate(0)
      await world.begin().commit(key, 3)
      await world.begin().commit(world.aggregate(2))
      const process = world.begin()
      for (let tries = 0; tries < 3; tries += 1) await deliverTo(process, world, 2)
      await process.mirror()
      for (let tries = 0; tries < 3; tries += 1) await deliverTo(process, world, 2)
      return key
    },
    run: async (process) => {
      await process.mirror()
      await process.replay()
    },
  },
  {
    name: 'the clean-up, while an event is not published yet',
    prepare: async (world) => {
      const key = await commitThree(world)
      const process = world.begin()
      for (const seq of [1, 2, 3]) {
        await deliverTo(process, world, seq)
        await deliverTo(process, world, seq, 'stats')
      }
      await process.sweep()
      world.clock.advance(91 * 24 * 60 * 60_000)
      await process.sweep()
      world.sent.length = 0
      await world.begin(unheard).commit(key)
      return key
    },
    run: (process) => process.prune(),
  },
]

/** Runs a scenario once in full: how many statements each of its requests has, the queue's none. */
async function requestsOf(scenario: Scenario, mutation: Mutation): Promise<readonly number[]> {
  const world = await World.open(mutation)
  const requests: number[] = []
  try {
    const key = await scenario.prepare(world)
    const counting: Life = {
      fate: (statements) => {
        requests.push(statements)
        return 'kept'
      },
    }
    await scenario.run(world.begin(counting), world, key)
    await settleWorld(world)
    return requests
  } finally {
    world.close()
  }
}

async function killAt(
  scenario: Scenario,
  { request, fate }: { readonly request: number; readonly fate: Fate },
  mutation: Mutation,
): Promise<void> {
  const world = await World.open(mutation)
  try {
    const key = await scenario.prepare(world)
    let count = -1
    const life: Life = {
      fate: () => {
        count += 1
        return count === request ? fate : 'kept'
      },
    }
    await scenario.run(world.begin(life), world, key).catch((error: unknown) => world.failed(error))
    await settleWorld(world)
  } finally {
    world.close()
  }
}

/** Kills `scenario` before and after every statement and request; answers at how many points. @throws what is wrong */
export async function killEverywhere(scenario: Scenario, mutation: Mutation = {}): Promise<number> {
  const requests = await requestsOf(scenario, mutation)
  let points = 0
  for (const [request, statements] of requests.entries()) {
    const before = Array.from({ length: statements + 1 }, (_, diesAt): Fate => ({ diesAt }))
    const fates: readonly Fate[] = [...before, 'dies', 'reply', 'request']
    for (const fate of fates) {
      await killAt(scenario, { request, fate }, mutation).catch((error: unknown) => {
        const point = `request ${request} of ${requests.length}, ${JSON.stringify(fate)}`
        throw new Error(`${point}: ${String(error)}`, { cause: error })
      })
      points += 1
    }
  }
  return points
}
