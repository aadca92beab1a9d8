import { seededRandom } from '@stoa/kernel'
import { expect } from 'vitest'

import type { Move, MoveLimits, MovePhase, Mover, MoveRequest } from '../src/index.ts'
import type { Safeguards } from '../src/safeguards.ts'
import {
  type Batch,
  call,
  contestedIn,
  createWriter,
  Death,
  type Fault,
  openWorld,
  type World,
  wrongsOf,
} from './world.ts'

/** Small enough that a handful of rows takes several batches of each kind. */
const small = { rows: 30, chunkRows: 40, window: 80, parallel: 2 }

export type Scene = {
  readonly request?: Partial<MoveRequest>
  readonly without?: readonly (keyof Safeguards)[]
  readonly limits?: Partial<MoveLimits>
  /** What befalls the batches. */
  readonly fault?: World['fault']
  /** The batch, by number or by its text, that waits until others have done `meanwhile`; it then comes late. */
  readonly late?: number | string
  readonly meanwhile?: (other: Mover, world: World) => Promise<unknown>
  /** Every batch that writes comes again, this share of them before each later one. */
  readonly again?: number
  /** What else happens before each batch. */
  readonly between?: (batch: Batch, world: World) => Promise<unknown>
  /** Changes the world before the move begins. */
  readonly prepare?: (world: World) => Promise<unknown>
  /** What is done once the move has been started. Default: it is run to its end. */
  readonly course?: (world: World, play: Play) => Promise<Move>
}

/** Does something with a mover, as often as it takes: one that dies is followed by another. */
export type Play = <T>(act: (mover: Mover) => Promise<T>) => Promise<T>

const toTheEnd = (_world: World, play: Play) => play((mover) => mover.run('m1', call))

export type Played = {
  readonly move: Move
  readonly wrongs: readonly string[]
  /** The batches of all movers. */
  readonly sent: readonly string[]
}

/** Sends batches again that were sent before, whatever the answer. */
function echoing(share: number): (batch: Batch) => Promise<void> {
  const random = seededRandom(3)
  const written: Batch[] = []
  return async (batch) => {
    for (const { database, statements } of written.filter(() => random.uint32() < share * 2 ** 32))
      await database.batch(statements, 'write', call).catch(() => undefined)
    if (batch.mode === 'write') written.push(batch)
  }
}

/** Plays a scene while a client writes; answers how it ended and what was wrong, then or on the way. */
export async function playScene(scene: Scene): Promise<Played> {
  const { request = {}, without = [], course = toTheEnd, meanwhile, late } = scene
  const limits = { ...small, ...scene.limits }
  const world = await openWorld()
  try {
    const writer = createWriter(world, 7)
    for (let count = 0; count < 30; count += 1) await writer.write()
    await scene.prepare?.(world)
    const wrongs = new Set<string>()
    const echo = echoing(scene.again ?? 0)
    let isLate = late === undefined
    let mayHaveMoved = false
    world.between = async (batch) => {
      if (world.sent.length % 3 === 0) await writer.write()
      if (mayHaveMoved) for (const wrong of await contestedIn(world)) wrongs.add(wrong)
      mayHaveMoved = scene.again !== undefined || batch.text.includes('UPDATE _slot_owner')
      if (scene.again !== undefined) await echo(batch)
      await scene.between?.(batch, world)
      const isMeant =
        typeof late === 'string' ? batch.text.includes(late) : world.sent.length + 1 === late
      if (isLate || !isMeant) return
      isLate = true
      await meanwhile?.(world.mover({ limits, without }), world)
    }
    world.fault = scene.fault ?? world.fault
    const play: Play = async (act) => {
      for (let lives = 0; lives < 5; lives += 1) {
        try {
          return await act(world.mover({ limits, without }))
        } catch (error) {
          if (!(error instanceof Death) && !isRetryable(error)) throw error
        }
      }
      throw new Error('five movers died')
    }
    await play((mover) => mover.start(world.request(request), call))
    const move = await course(world, play)
    for (const wrong of await wrongsOf(world)) wrongs.add(wrong)
    return { move, wrongs: [...wrongs], sent: world.sent }
  } finally {
    world.close()
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true
}

/**
 * What befalls a batch: its loss before the effect, and for one that writes after it too. Every other time the mover
 * dies of it.
 */
function faultsOf(batch: number, sent: string | undefined): readonly Fault[] {
  const isDeath = batch % 2 === 0
  const early: Fault = isDeath ? 'death before' : 'request'
  const after: Fault = isDeath ? 'reply' : 'death after'
  return sent?.endsWith('write') === true ? [early, after] : [early]
}

/** Scenes in which one batch each is spoilt, from a batch on: as many as there are batches and faults. */
export async function* spoiltScenes(
  scene: Scene,
  from = 1,
): AsyncGenerator<Played & { readonly at: string }> {
  const { sent } = await playScene(scene)
  for (let batch = from; batch <= sent.length; batch += 1) {
    for (const fault of faultsOf(batch, sent[batch - 1])) {
      const played = await playScene({
        ...scene,
        fault: (_batch, number) => (number === batch ? fault : undefined),
      })
      yield { ...played, at: `${fault} of batch ${batch}, ${sent[batch - 1]}` }
    }
  }
}

/** The first batches plan the move and write it down. */
const afterStart = 8

/** Scenes in which one batch each waits while somebody else is at work. */
export async function* lateScenes(
  scene: Scene,
  stride = 1,
): AsyncGenerator<Played & { readonly at: string }> {
  const { sent } = await playScene(scene)
  for (let batch = afterStart; batch <= sent.length; batch += stride) {
    const played = await playScene({ ...scene, late: batch })
    yield { ...played, at: `batch ${batch} late, ${sent[batch - 1]}` }
  }
}

export const held: Scene = {
  request: { hold: true },
  course: async (_world, play) => {
    await play((mover) => mover.run('m1', call))
    await play((mover) => mover.complete('m1', call))
    return play((mover) => mover.run('m1', call))
  },
}

export const reversed: Scene = {
  request: { hold: true },
  course: async (_world, play) => {
    await play((mover) => mover.run('m1', call))
    await play((mover) => mover.reverse('m1', call))
    return play((mover) => mover.run('m1', call))
  },
}

export const endedMeanwhile: Scene = { meanwhile: (other) => other.run('m1', call) }

export const abortedMeanwhile: Scene = {
  meanwhile: async (other) => {
    await other.abort('m1', call).catch(() => undefined)
    await other.run('m1', call)
  },
}

export const movedOnMeanwhile: Scene = {
  meanwhile: async (other, world) => {
    await other.abort('m1', call).catch(() => undefined)
    const { phase } = await other.run('m1', call)
    const [home, away] = phase === 'done' ? ['b', 'a'] : ['a', 'b']
    for (const [id, source, target] of [
      ['m2', home, away],
      ['m3', away, home],
    ] as const) {
      await other.start(world.request({ id, source, target }), call)
      await other.run(id, call)
    }
  },
}

/** A move that is aborted on the way, tried again, and then taken back and forth. */
export const thereAndBack: Scene = {
  course: async (world, play) => {
    await play((mover) => mover.advance('m1', call))
    await play((mover) => mover.advance('m1', call))
    await play((mover) => mover.advance('m1', call))
    await play((mover) => mover.abort('m1', call))
    await play((mover) => mover.run('m1', call))
    await play((mover) => mover.start(world.request({ id: 'm2', hold: true }), call))
    await play((mover) => mover.run('m2', call))
    await play((mover) => mover.reverse('m2', call))
    await play((mover) => mover.run('m2', call))
    await play((mover) => mover.start(world.request({ id: 'm3' }), call))
    await play((mover) => mover.run('m3', call))
    await play((mover) => mover.start(world.request({ id: 'm4', source: 'b', target: 'a' }), call))
    return play((mover) => mover.run('m4', call))
  },
}

/** Expects every scene to end well; answers how often they ended how. */
export async function expectWell(
  scenes: AsyncIterable<Played & { readonly at: string }>,
  ends: readonly MovePhase[],
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {}
  for await (const { at, move, wrongs } of scenes) {
    const found = {
      at,
      wrongs,
      ended: ends.includes(move.phase) ? 'well' : `${move.phase}: ${move.note}`,
    }
    expect(found).toEqual({ at, wrongs: [], ended: 'well' })
    counts[move.phase] = (counts[move.phase] ?? 0) + 1
  }
  return counts
}
