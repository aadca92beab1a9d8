import type { Statement } from '@stoa/kernel'

import type { Simulation } from '../core/simulation.ts'
import type { Life, Workload } from '../workload.ts'
import { checkEnd, checkOwnership, lastReads } from './reshard/check.ts'
import { Client, type ClientNotes } from './reshard/client.ts'
import { type Commands, Coordinator } from './reshard/coordinator.ts'
import type { Asked } from './reshard/history.ts'
import { changeOf, movedBy, mutations } from './reshard/mutants.ts'
import { planOf } from './reshard/plans.ts'
import { readSchema } from './reshard/schema.ts'
import { openWorld, type World } from './reshard/world.ts'

const schema = await readSchema()

const coordinatorCount = 2

/** Whether a statement says what `form` does, remembered by its text. */
function saying(form: RegExp): (statement: Statement) => boolean {
  const known = new Map<string, boolean>()
  return ({ sql }) => {
    const found = known.get(sql) ?? form.test(sql)
    known.set(sql, found)
    return found
  }
}

const changesOwners = saying(/\b(INTO|UPDATE|DELETE FROM)\s+_slot_owner\b/i)
const changesMoves = saying(/\b(INTO|UPDATE)\s+reshard_job\b/i)

/** Looks at the owners after each batch that may have changed them, and at the moves after each that touched `meta`. */
function watch(world: World, onMove: (open: number) => void): void {
  for (const shard of world.shards) {
    shard.watch = (statements: readonly Statement[], outcome) => {
      const isChange = outcome === 'ok' && statements.some(changesOwners)
      if (!isChange) return
      world.changed()
      void checkOwnership(world)
    }
  }
  world.meta.watch = (statements) => {
    if (statements.some(changesMoves)) void world.openMoves().then(onMove)
  }
}

/** Clients read and write while coordinators move what they read and write from database to database. */
export const reshard: Workload = {
  name: 'reshard',
  labels: [
    'a retry found what its first try had done',
    'a write in doubt was sent again',
    'a write was refused for good',
    'a write met a piece that was frozen',
    'a write met a piece that was handed_off',
    'a move of slots began',
    'a move of range began',
    'a move was refused before it began',
    'a move came to done',
    'a move came to aborted',
    'a move came to holding',
    'a move came to reversed',
  ],
  mutants: mutations,
  planOf,
  open: (simulation, mutant) => openLife(simulation, mutant),
}

async function openLife(simulation: Simulation, mutant: string | undefined): Promise<Life> {
  const plan = planOf(simulation.seed)
  const change = changeOf(mutant)
  const world = await openWorld(simulation, { schema, plan, change })
  const history: Asked[] = []
  const clients = Array.from({ length: plan.clients }, (_, index): ClientNotes => ({
    name: `client-${String(index)}`,
    left: plan.opsMost,
    pending: undefined,
    seen: new Map(),
  }))
  const commands: Commands = {
    left: 1 + simulation.chance.whole(plan.moves),
    asked: [],
    last: undefined,
    shapes: movedBy(change, schema.shapes),
    without: change.safeguards ?? [],
  }
  const coordinators = Array.from(
    { length: coordinatorCount },
    (_, index) => `mover-${String(index)}`,
  )
  const coordinate = (name: string) =>
    simulation.spawn(name, (process) => new Coordinator(world, process, commands).run())
  let openMoves = 0
  return {
    start: () => {
      watch(world, (open) => {
        openMoves = open
        // A command that came late began a move when everybody had gone home.
        if (open > 0 && simulation.running === 0) coordinators.forEach(coordinate)
      })
      for (const notes of clients)
        simulation.spawn(notes.name, (process) => new Client(world, process, notes, history).run())
      coordinators.forEach(coordinate)
      const endpoints = [...world.shards, world.meta].map(({ name }) => name)
      simulation.network.disturb(endpoints, [...clients.map(({ name }) => name), ...coordinators])
    },
    isWorn: () => simulation.running === 0,
    isSettled: () =>
      simulation.running === 0 && openMoves === 0 && simulation.network.inFlight === 0,
    unsettled: () => world.describe(),
    check: async () => {
      await checkOwnership(world)
      await lastReads(world, history)
      await checkEnd(world, history)
    },
    close: () => world.close(),
  }
}
