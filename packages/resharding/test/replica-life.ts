import { seededRandom } from '@stoa/kernel'

import type { Mover } from '../src/index.ts'
import { openReplicaWorld, type ReplicaWorld, type Without } from './replica-world.ts'
import { call, Death } from './world.ts'

const limits = { rows: 30, chunkRows: 40, window: 80, parallel: 1 }

/** What a life found wrong, on the way and at its end. */
type Life = { readonly wrongs: readonly string[]; readonly differences: readonly string[] }

type Course = {
  readonly seed: number
  readonly without?: Without
  /** How often, out of 100, a feed's batch dies, before or after its effect. */
  readonly deaths?: number
  readonly spoil?: (scene: ReplicaWorld) => Promise<void>
}

/** Runs a move to its end, now and then dying, with the feed and a writer at every batch of it. */
async function finish(scene: ReplicaWorld, act: (mover: Mover) => Promise<unknown>): Promise<void> {
  const mover = scene.world.mover({ limits })
  await act(mover)
}

/**
 * A life of a primary and its replica: rows are written all the time, slots go to another database and come back, and
 * one, two or no feeds are at work, which die.
 */
export async function live({ seed, without = [], deaths = 15, spoil }: Course): Promise<Life> {
  const scene = await openReplicaWorld(seed)
  const { world } = scene
  const random = seededRandom(seed * 7 + 1)
  const chance = (percent: number) => random.uint32() % 100 < percent
  const wrongs: string[] = []
  const look = async () => void wrongs.push(...(await scene.wrongs()))
  let isFeeding = false
  let level = 0
  const feedOnce = async (budget: number) => {
    isFeeding = true
    try {
      await scene.feed(without, { batches: budget }).advance(call)
    } catch (error) {
      if (!(error instanceof Death)) throw error
    }
    isFeeding = false
    await look()
  }
  scene.fault = () => {
    if (!chance(deaths)) return undefined
    return chance(50) ? 'death before' : 'death after'
  }
  // What others do between two batches of a feed: they write, an old batch comes again, another feed takes a turn.
  scene.between = async () => {
    if (chance(30)) await scene.write()
    if (chance(15)) await scene.echo(random.uint32())
    if (level > 0 || !chance(10)) return
    level += 1
    await feedOnce(4)
    level -= 1
  }
  world.between = async () => {
    if (chance(25)) await scene.write()
    if (!isFeeding && chance(35)) await feedOnce(4 * (1 + (random.uint32() % 8)))
  }
  try {
    await spoil?.(scene)
    for (let writes = 0; writes < 25; writes += 1) await scene.write()
    await feedOnce(chance(50) ? 4_000 : 40)
    const forth = world.request({ scope: { kind: 'slots', slots: [0, 1] } })
    await finish(scene, async (mover) => {
      await mover.start(forth, call)
      await mover.run('m1', call)
    })
    const to = chance(50) ? 'reverse' : 'complete'
    await finish(scene, async (mover) => {
      if ((await mover.read('m1', call)).phase !== 'holding') return
      await (to === 'reverse' ? mover.reverse('m1', call) : mover.complete('m1', call))
      await mover.run('m1', call)
    })
    await world.refresh()
    if ((await world.router.shardOf(0, call)) === 'b') {
      const back = { ...forth, id: 'm2', source: 'b', target: 'a', hold: false }
      await finish(scene, async (mover) => {
        await mover.start(back, call)
        await mover.run('m2', call)
      })
      await world.refresh()
    }
    ;[scene.fault, scene.between, world.between] = [
      () => undefined,
      async () => undefined,
      async () => undefined,
    ]
    for (let writes = 0; writes < 10; writes += 1) await scene.write()
    await scene.feed(without).advance(call)
    await look()
    return { wrongs, differences: await scene.differences() }
  } finally {
    scene.close()
  }
}
