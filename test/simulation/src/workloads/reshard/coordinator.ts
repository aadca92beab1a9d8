import { type Call, isFault, rootCall, sleep, slotRange, type SqlShard } from '@stoa/kernel'
import {
  isOver,
  type MoveLimits,
  type Mover,
  type MoveRequest,
  type MoverOptions,
  type MoveScope,
} from '@stoa/resharding'
import type { Router, TableShape } from '@stoa/sharding'

import type { Process } from '../../core/process.ts'
import { allSafeguards, createUnsafeMover, type Safeguards } from './engine.ts'
import { keyspace, type Owner, type World } from './world.ts'

/** What outlives a coordinator that is killed: what it was told to do. */
export type Commands = {
  /** Moves that are still to be asked for. */
  left: number
  /** Moves that were asked for, and not yet known to have begun or to be impossible. */
  readonly asked: MoveRequest[]
  /** The last that was asked for: to go back at once is the hardest. */
  last: MoveRequest | undefined
  readonly shapes: readonly TableShape[]
  /** The safeguards of the engine that are taken away. */
  readonly without: readonly (keyof Safeguards)[]
}

/** Small batches, so that a few dozen rows are a long move with many steps to die between. */
function limitsOf({ chance }: World['simulation']): Partial<MoveLimits> {
  return {
    rows: chance.pick([4, 10, 25]),
    chunkRows: chance.pick([3, 6, 15]),
    parallel: 2,
    window: chance.pick([6, 20]),
    batches: chance.pick([2, 2, 4, 12]),
  }
}

const pollMs = 15

const openMoves = {
  sql: "SELECT id, phase FROM reshard_job WHERE phase NOT IN ('done', 'aborted', 'reversed') ORDER BY id",
  args: [],
}

type Known = { readonly id: string; readonly phase: string }

/** What an operator may still want of a move, by how far it is. */
type Wish = 'abort' | 'complete' | 'reverse' | 'advance'

/** One coordinator: asks for moves, and carries on whatever moves it finds, as others do at the same time. */
export class Coordinator {
  readonly #world: World
  readonly #process: Process
  readonly #commands: Commands
  readonly #mover: Mover
  readonly #router: Router
  readonly #meta: SqlShard
  readonly #call: Call
  /** Moves that are open, as far as this one knows. */
  #known: readonly Known[] = []

  constructor(world: World, process: Process, commands: Commands) {
    const { simulation } = world
    this.#world = world
    this.#process = process
    this.#commands = commands
    this.#router = world.route(process)
    this.#meta = world.reach('meta', process)
    this.#call = rootCall(process.name)
    const options: MoverOptions = {
      meta: this.#meta,
      open: ({ name }) => world.reach(name, process),
      clock: simulation.clockOf(process),
      random: simulation.random(),
      sleep: (ms, call) => sleep(ms, simulation.clockOf(process), call.signal),
      limits: limitsOf(simulation),
    }
    const off = Object.fromEntries(commands.without.map((name) => [name, false]))
    this.#mover = createUnsafeMover(options, { ...allSafeguards, ...off })
  }

  /** Goes on until every move has ended and none is left to ask for. */
  async run(): Promise<void> {
    for (;;) {
      try {
        if (!(await this.#step())) return
      } catch (error) {
        if (!isFault(error)) throw error
        this.#world.simulation.scheduler.note(`${this.#process.name}: ${error.message}`)
      }
      await this.#rest()
    }
  }

  #rest(): Promise<void> {
    const { simulation } = this.#world
    const clock = simulation.clockOf(this.#process)
    return sleep(simulation.chance.wait(pollMs), clock, this.#call.signal)
  }

  /** One thing that is to be done; false when there is nothing. */
  async #step(): Promise<boolean> {
    const { chance } = this.#world.simulation
    const [request] = this.#commands.asked
    if (request !== undefined) {
      await this.#start(request)
      return true
    }
    if (this.#known.length === 0 || chance.happens(0.1)) this.#known = await this.#look()
    const [first, ...others] = this.#known
    // Two moves at once, when they do not touch each other.
    const isFree = first === undefined || (others.length === 0 && chance.happens(0.03))
    if (isFree && this.#commands.left > 0) {
      const number = this.#commands.left
      this.#commands.left -= 1
      const next = await this.#request(`move-${String(number)}`)
      this.#commands.asked.push(next)
      this.#commands.last = next
      return true
    }
    if (first === undefined) return false
    await this.#go(chance.pick([first, ...others]))
    return true
  }

  /** The moves that have not ended. */
  async #look(): Promise<readonly Known[]> {
    const [found] = await this.#meta.batch([openMoves], 'read', this.#call)
    return (found?.rows ?? []).map(([id, phase]) => ({ id: String(id), phase: String(phase) }))
  }

  async #request(id: string): Promise<MoveRequest> {
    const { simulation, plan, shards, owners } = this.#world
    const { chance } = simulation
    const { last } = this.#commands
    if (last !== undefined && chance.happens(plan.back))
      return { ...last, id, source: last.target, target: last.source, hold: chance.happens(0.4) }
    const owner = chance.pick(owners)
    const source = await this.#router.shardOf(owner.id, this.#call)
    const [first, ...others] = shards.map(({ name }) => name).filter((name) => name !== source)
    if (first === undefined) throw new Error('Cannot move: there is one shard only')
    return {
      id,
      keyspace,
      scope: chance.happens(0.35) ? rangeOf(owner) : { kind: 'slots', slots: [owner.slot] },
      source,
      target: chance.pick([first, ...others]),
      shapes: this.#commands.shapes,
      hold: chance.happens(0.4),
    }
  }

  /** Asks for a move, until it is known to have begun or to be impossible. */
  async #start(request: MoveRequest): Promise<void> {
    const { simulation } = this.#world
    const settled = () => {
      const index = this.#commands.asked.indexOf(request)
      if (index >= 0) this.#commands.asked.splice(index, 1)
    }
    try {
      await this.#mover.start(request, this.#call)
      simulation.sometimes(`a move of ${request.scope.kind} began`)
      settled()
    } catch (error) {
      if (isFault(error) && !error.retryable) {
        simulation.sometimes('a move was refused before it began')
        settled()
      }
      throw error
    }
  }

  #wish(phase: string): Wish {
    const { simulation, plan } = this.#world
    const { chance } = simulation
    if (phase === 'holding') return chance.pick(['complete', 'reverse', 'advance'])
    if (simulation.isHealed) return 'advance'
    // A move that is only beginning is the hardest to take back: what began it may still be on its way.
    const { first, later, last } = plan.aborts
    const aborts = phase === 'planned' ? first : phase === 'cutover' ? last : later
    return chance.happens(aborts) ? 'abort' : 'advance'
  }

  async #go(known: Known): Promise<void> {
    const { id, phase } = known
    const wish = this.#wish(phase)
    // Whatever comes of it, the move is no longer as it was known to be.
    this.#known = this.#known.filter((each) => each !== known)
    const move = await this.#mover[wish](id, this.#call)
    if (!isOver(move)) this.#known = [...this.#known, { id, phase: move.phase }]
    if (move.phase !== phase) this.#world.simulation.sometimes(`a move came to ${move.phase}`)
  }
}

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** All keys of one owner: those with its prefix. */
function rangeOf({ id, slot }: Owner): MoveScope {
  const lo = id.slice(0, 5)
  const digit = digits.indexOf(lo.slice(4))
  const next = digits[digit + 1]
  // The prefixes here end in 0, 5 or Z; the last of a slot ends where the slot does.
  const hi = next === undefined ? slotRange(slot).to : lo.slice(0, 4) + next
  return { kind: 'range', lo, hi }
}
