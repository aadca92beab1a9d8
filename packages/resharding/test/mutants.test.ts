import { slotText } from '@stoa/kernel'
import { afterAll, describe, expect, test } from 'vitest'

import { selectNewest } from '../src/captured.ts'
import type { Safeguards } from '../src/safeguards.ts'
import { abortedMeanwhile, playScene, type Scene } from './scenes.ts'
import { type Batch, call, clock, type World } from './world.ts'

type Name = keyof Safeguards
type Without = readonly Name[]

/** A scene that the safeguard is for, and how it ends with it. */
type Trial = { readonly ends: string; readonly scene: (without: Without) => Scene }

/** A thing of the scope that clients change all the time. */
const hot = `${slotText(1)}00${'0'.repeat(15)}`

async function writeBoth(world: World, sql: string): Promise<void> {
  await world.router.write(hot, [{ sql, args: [] }], call)
  await world.plain.run(sql)
}

const insertHot = (world: World) =>
  writeBoth(world, `INSERT INTO thing (id, version) VALUES ('${hot}', 1)`)

/** Changes the hot thing, if it can be: a frozen one is left alone. */
async function raiseHot(world: World): Promise<void> {
  const sql = `UPDATE thing SET version = version + 1 WHERE id = '${hot}'`
  await writeBoth(world, sql).catch(() => undefined)
}

/** Keeps the first batch that is meant, to send it once more when it is long past. */
function keeper(isMeant: (batch: Batch) => boolean): {
  readonly keep: (batch: Batch) => void
  readonly send: () => Promise<void>
} {
  let kept: Batch | undefined
  return {
    keep: (batch) => {
      if (kept === undefined && isMeant(batch)) kept = batch
    },
    send: async () => {
      if (kept === undefined) throw new Error('the batch that was to come late was never sent')
      await kept.database.batch(kept.statements, 'write', call).catch(() => undefined)
    },
  }
}

const isReplay = ({ text }: Batch) => text.includes('SET applied') && text.includes('OR REPLACE')
const isHandOff = ({ text }: Batch) => text.includes("state = 'handed_off', peer = ?, epoch")

/** The mover dies at its first hand-over; `then` is what comes after. */
function dyingAtHandOff(then: Scene['course'], between?: Scene['between']): Scene {
  let deaths = 0
  return {
    prepare: insertHot,
    ...(between && { between }),
    fault: (batch) => {
      if (!isHandOff(batch) || deaths > 0) return undefined
      deaths += 1
      return 'death before'
    },
    ...(then && { course: then }),
  }
}

const busy: Scene = { prepare: insertHot, between: (_batch, world) => raiseHot(world) }

/** Somebody changes a row of the copy behind the mover's back. */
const corrupted: Scene = {
  prepare: insertHot,
  between: async ({ text }, { b }) => {
    if (!text.includes('verified = applied')) return
    const change = { sql: 'UPDATE thing SET version = -1 WHERE id = ?', args: [hot] }
    const pass = (mover: string | null) => ({ sql: 'UPDATE _fence SET mover = ?', args: [mover] })
    await b.batch([pass('x'), change, pass(null)], 'write', call)
  },
}

const trials: Readonly<Record<Name, Trial>> = {
  emptyTarget: {
    ends: 'target_not_empty',
    scene: () => ({
      prepare: async ({ b }) => {
        const stray = { sql: 'INSERT INTO thing (id, version) VALUES (?, 7)', args: [hot] }
        const pass = (mover: string | null) => ({
          sql: 'UPDATE _fence SET mover = ?',
          args: [mover],
        })
        await b.batch([pass('x'), stray, pass(null)], 'write', call)
      },
    }),
  },
  captureFirst: { ends: 'done', scene: () => busy },
  chunkGuard: {
    ends: 'aborted',
    scene: () => ({ ...abortedMeanwhile, late: 'UPDATE _mv_chunk SET' }),
  },
  replayAfterCopy: {
    ends: 'done',
    scene: (without) => ({
      prepare: insertHot,
      late: 'UPDATE _mv_chunk SET',
      meanwhile: async (_other, world) => {
        await writeBoth(world, `DELETE FROM thing WHERE id = '${hot}'`)
        await world.mover({ without, limits: { batches: 0 } }).advance('m1', call)
      },
    }),
  },
  appliedGuard: {
    ends: 'done',
    scene: () => {
      const replay = keeper(isReplay)
      return {
        prepare: insertHot,
        between: async (batch, world) => {
          replay.keep(batch)
          await raiseHot(world)
          if (isHandOff(batch)) await replay.send()
        },
      }
    },
  },
  oneSnapshot: {
    ends: 'done',
    scene: () => {
      let isChanged = false
      return {
        prepare: insertHot,
        between: async ({ text }, world) => {
          // Between the rows and how far they reach, when the two are asked for one after the other.
          if (isChanged || text !== selectNewest.sql) return
          isChanged = true
          await raiseHot(world)
        },
      }
    },
  },
  freeze: { ends: 'done', scene: () => busy },
  finalReplay: { ends: 'done', scene: () => busy },
  verify: { ends: 'aborted', scene: () => corrupted },
  verifyContent: { ends: 'aborted', scene: () => corrupted },
  stepGuard: {
    ends: 'done',
    scene: () => {
      const handOff = keeper(isHandOff)
      let isThawed = false
      return dyingAtHandOff(
        async (_world, play) => {
          await play(async (mover) => {
            try {
              return await mover.run('m1', call)
            } finally {
              clock.advance(10_000)
            }
          })
          return play((mover) => mover.read('m1', call))
        },
        async (batch, world) => {
          handOff.keep(batch)
          isThawed ||= batch.text.includes("SET state = 'migrating' WHERE job")
          await raiseHot(world)
          if (isThawed && isReplay(batch)) await handOff.send()
        },
      )
    },
  },
  knownHandOff: { ends: 'done', scene: () => busy },
  abortArbiter: {
    ends: 'done',
    scene: () => ({ ...abortedMeanwhile, late: 'UPDATE topology SET' }),
  },
  tombstones: {
    ends: 'aborted',
    scene: () => {
      const capture = keeper(({ text }) => text.includes("state = 'migrating', job = ?"))
      return {
        between: async (batch) => capture.keep(batch),
        course: async (_world, play) => {
          await play((mover) => mover.advance('m1', call))
          await play((mover) => mover.abort('m1', call))
          const move = await play((mover) => mover.run('m1', call))
          await capture.send()
          return move
        },
      }
    },
  },
  purgeGuard: {
    ends: 'done',
    scene: () => {
      const purge = keeper(
        ({ text }) => text.includes('DELETE FROM "thing"') && text.includes('span'),
      )
      return {
        prepare: insertHot,
        between: async (batch) => purge.keep(batch),
        course: async (world, play) => {
          await play((mover) => mover.run('m1', call))
          const back = world.request({ id: 'm2', source: 'b', target: 'a' })
          await play((mover) => mover.start(back, call))
          const move = await play((mover) => mover.run('m2', call))
          await purge.send()
          return move
        },
      }
    },
  },
  cleanAfterOpen: {
    ends: 'aborted',
    scene: () =>
      dyingAtHandOff(async (_world, play) => {
        await play((mover) => mover.run('m1', call).catch(() => undefined))
        await play((mover) => mover.abort('m1', call))
        return play((mover) => mover.run('m1', call))
      }),
  },
}

async function outcomeOf(scene: Scene): Promise<string> {
  try {
    const { move, wrongs } = await playScene(scene)
    return [move.phase, ...wrongs].join('; ')
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

const caught: string[] = []

describe.each(Object.entries(trials))(
  'a mover with every safeguard, and one without %s',
  (name, trial) => {
    test('are told apart', { timeout: 60_000 }, async () => {
      const safeguard = name as Name
      const sound = await outcomeOf(trial.scene([]))
      const mutant = await outcomeOf({ ...trial.scene([safeguard]), without: [safeguard] })

      expect(sound).toBe(trial.ends)
      expect(mutant).not.toBe(trial.ends)
      caught.push(`${name}: ${mutant}`)
    })
  },
)

afterAll(() => {
  process.stdout.write(`\n${caught.length} mutants caught\n  ${caught.join('\n  ')}\n`)
})
