import { slotRange, slotText } from '@stoa/kernel'

import { dropReplica } from '../src/index.ts'
import type { FeedSafeguards } from '../src/replica-options.ts'
import {
  type FeedBatch,
  openReplicaWorld,
  type ReplicaWorld,
  type Without,
} from './replica-world.ts'
import { call, Death } from './world.ts'

/** What was found wrong. */
type Findings = readonly string[]

/** A scene that something is for; it finds nothing wrong while that is there. */
export type Trial = (without: Without, sql?: string) => Promise<Findings>

/** A thing of slot 1. */
const hot = (number: number): string => `${slotText(1)}00${String(number).padStart(15, '0')}`

const slot = slotRange(1)

type Stage = ReplicaWorld & {
  /** Feeds until the replica is level; what a death leaves, another goes on with. */
  level(this: void): Promise<void>
  /** Does something at the primary as a mover would, uncaptured. */
  move(this: void, sql: string): Promise<void>
  /** Once, before the first batch that is meant. */
  once(this: void, isMeant: (batch: FeedBatch) => boolean, act: () => Promise<unknown>): void
}

/** Plays `act` with ten things in slot 1, and looks at the replica before every batch of a feed and at the end. */
function playing(act: (stage: Stage, without: Without) => Promise<void>): Trial {
  return async (without, sql) => {
    const scene = await openReplicaWorld()
    const found: string[] = []
    const { a } = scene.world
    let waiting: { isMeant: (batch: FeedBatch) => boolean; act: () => Promise<unknown> }[] = []
    scene.between = async (batch) => {
      found.push(...(await scene.wrongs()))
      const [due] = waiting.filter(({ isMeant }) => isMeant(batch))
      waiting = waiting.filter((each) => each !== due)
      await due?.act()
    }
    try {
      if (sql !== undefined) await a.script([sql])
      for (let number = 0; number < 10; number += 1) await scene.put(hot(number))
      const pass = (name: string | null) => ({
        sql: 'UPDATE _fence SET mover = ?',
        args: [name],
      })
      await act(
        {
          ...scene,
          level: async () => {
            await scene.feed(without).advance(call)
          },
          move: async (statement) => {
            await a.batch([pass('m'), { sql: statement, args: [] }, pass(null)], 'write', call)
          },
          once: (isMeant, then) => void waiting.push({ isMeant, act: then }),
        },
        without,
      )
      await scene.feed(without).advance(call)
      return [...found, ...(await scene.wrongs()), ...(await scene.differences())]
    } finally {
      scene.close()
    }
  }
}

/** Another, of which no client knows. */
const cold = hot(50)
const insertCold = `INSERT INTO thing (id, version) VALUES ('${cold}', 1)`

const handOff = `UPDATE _slot_owner SET state = 'handed_off', peer = 'b', epoch = epoch + 1 WHERE lo = '${slot.from}'`
const comeBack = `UPDATE _slot_owner SET state = 'serving', peer = NULL, epoch = epoch + 1 WHERE lo = '${slot.from}'`
const purge = `DELETE FROM thing WHERE id >= '${slot.from}' AND id < '${slot.to}'`

const readsRows = ({ to, mode, text }: FeedBatch) =>
  to === 'primary' && mode === 'read' && text.includes('SELECT EXISTS (SELECT 1 FROM _cdc')
const writesRows = ({ to, text }: FeedBatch) =>
  to === 'replica' && text.includes('UPDATE _mv_chunk')
const readsHead = ({ to, mode, text }: FeedBatch) =>
  to === 'primary' && mode === 'read' && text.startsWith('SELECT (SELECT coalesce(max(seq)')

/** What each safeguard is for. */
export const safeguardTrials: Readonly<Record<keyof FeedSafeguards, Trial>> = {
  register: playing(async ({ level, put }) => {
    await level()
    await put(hot(1))
  }),
  versionGuard: playing(async (stage, without) => {
    const { level, put, once, feed } = stage
    // Rows were read; then they change, another feed brings the change, and dies.
    once(writesRows, async () => {
      for (let number = 0; number < 10; number += 1) await put(hot(number))
      once(readsRows, async () => {
        throw new Death()
      })
      await feed(without)
        .advance(call)
        .catch(() => undefined)
    })
    await level()
  }),
  oneSnapshot: playing(async ({ level, put, once }) => {
    await level()
    await put(hot(1))
    once(readsHead, () => put(hot(2)))
    await level()
  }),
  ownersAhead: playing(async ({ level, put, world, move }) => {
    await level()
    for (let number = 0; number < 10; number += 1) await put(hot(number))
    await world.a.run(handOff)
    await move(purge)
    await level()
  }),
  ownersKnown: playing(async ({ level, put, once, world, move }) => {
    await level()
    for (let number = 0; number < 10; number += 1) await put(hot(number))
    await world.a.run(handOff)
    await world.a.run(comeBack)
    once(readsRows, async () => {
      await world.a.run(handOff)
      await move(purge)
    })
    await level()
  }),
  gaps: playing(async ({ level, world, move }) => {
    await level()
    await world.a.run(handOff)
    await move(insertCold)
    await world.a.run(comeBack)
  }),
  sweep: playing(async ({ level, world, move }) => {
    await world.a.run(insertCold)
    await level()
    await world.a.run(handOff)
    await move(`DELETE FROM thing WHERE id = '${cold}'`)
    await world.a.run(comeBack)
  }),
  wholePieces: playing(async ({ level }) => level()),
  holes: playing(async ({ level, put, world }) => {
    await level()
    await dropReplica(world.a, 'a-replica', call)
    await put(hot(1))
  }),
}

/** What each trigger of the primary is for, by the statement that takes it away. */
export const triggerTrials: Readonly<Record<string, Trial>> = {
  'DROP TRIGGER _cdc_keep': playing(async ({ level, put, world }) => {
    await level()
    await put(hot(1))
    // As the end of a move clears what nobody moves.
    await world.a.run('DELETE FROM _cdc')
    await put(hot(2))
  }),
  'DROP TRIGGER _slot_owner_ins': playing(async ({ level, world }) => {
    await level()
    const { from, to } = slotRange(77)
    const sql = "INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 1, 'serving')"
    await world.a.run(sql, from, to)
    const insert = 'INSERT INTO thing (id, version) VALUES (?, 1)'
    await world.a.run(insert, `${from}00${'0'.repeat(15)}`)
  }),
  'DROP TRIGGER _slot_owner_upd': playing(async ({ level, world }) => {
    await level()
    await world.a.run(handOff)
  }),
  'DROP TRIGGER _slot_owner_del': playing(async ({ level, world }) => {
    const [lo, hi] = [`${slot.from}00`, `${slot.from}01`]
    const sql = `INSERT INTO _slot_owner (lo, hi, epoch, state) VALUES (?, ?, 1, 'migrating')`
    await world.a.run(sql, lo, hi)
    await level()
    await world.a.run('DELETE FROM _slot_owner WHERE lo = ?', lo)
  }),
}
