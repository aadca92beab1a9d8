import {
  type Call,
  createIds,
  type Ids,
  isFault,
  rootCall,
  ShardBusyError,
  ShardFencedError,
  ShardUnavailableError,
  sleep,
  SqlConstraintError,
  type SqlValue,
  type Statement,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import type { Process } from '../../core/process.ts'
import type { Asked, Input, ObjectKind } from './history.ts'
import type { Delivery, World } from './world.ts'

/** What outlives a client that is killed: what it still has to do, and the try whose end it did not see. */
export type ClientNotes = {
  readonly name: string
  left: number
  pending: Asked | undefined
  /** Last value seen of each object, to be expected by a compare-and-set. */
  readonly seen: Map<string, number>
}

/** Times that a client sends one operation before it gives up, unless it does so at once. */
const triesMax = 6
const retryMs = 80
const thinkMs = 60
const alertMs = 4

/** The one value of each object. A seat that nobody has is no row. */
export const reads: Record<ObjectKind, string> = {
  register: 'SELECT value FROM register WHERE id = ?',
  tally: "SELECT total FROM tally WHERE slot = ? AND name = 'all'",
  seat: 'SELECT coalesce(sum(taker), 0) FROM seat WHERE owner_id = ?',
}

/** What the operation will answer, from what is there before it takes effect. */
function answerOf({ owner, input }: Asked): { sql: string; args: readonly SqlValue[] } {
  if (input.kind === 'cas')
    return { sql: '(SELECT value = ? FROM register WHERE id = ?)', args: [input.expect, owner] }
  if (input.kind === 'add')
    return { sql: "(SELECT total + 1 FROM tally WHERE slot = ? AND name = 'all')", args: [owner] }
  return { sql: '1', args: [] }
}

function effectOf({ owner, object, input }: Asked, ids: Ids): readonly Statement[] {
  if (input.kind === 'add')
    return [
      {
        sql: `INSERT INTO tally (slot, name, total) VALUES (?, 'all', 1)
ON CONFLICT (slot, name) DO UPDATE SET total = total + 1`,
        args: [owner],
      },
    ]
  if (input.kind === 'cas')
    return [
      {
        sql: 'UPDATE register SET value = ? WHERE id = ? AND value = ?',
        args: [input.value, owner, input.expect],
      },
    ]
  if (input.kind === 'read') return []
  if (object === 'register')
    return [{ sql: 'UPDATE register SET value = ? WHERE id = ?', args: [input.value, owner] }]
  const leave: Statement = { sql: 'DELETE FROM seat WHERE owner_id = ?', args: [owner] }
  if (input.value === 0) return [leave]
  return [
    leave,
    {
      sql: 'INSERT INTO seat (id, owner_id, taker) VALUES (?, ?, ?)',
      args: [ids.child(owner), owner, input.value],
    },
  ]
}

/** One local transaction: by what a retry finds itself, the effect, and the event that tells of it. */
export function statementsOf(asked: Asked, ids: Ids, now: number): readonly Statement[] {
  const answer = answerOf(asked)
  return [
    {
      sql: `INSERT INTO idempotency (slot, principal, method, route, key, fingerprint, response, created_at, expires_at)
VALUES (?, 'client', ?, '/', ?, '', ${answer.sql}, ?, ?)`,
      args: [asked.owner, asked.input.kind, asked.id, ...answer.args, now, now + 86_400_000],
    },
    ...effectOf(asked, ids),
    {
      sql: `INSERT INTO outbox (id, topic, type, okey, seq, payload, created_at, next_at)
SELECT ?, 'thing', 'thing.changed', ?, coalesce(max(seq), 0) + 1, ?, ?, ? FROM outbox WHERE okey = ?`,
      args: [ids.child(asked.owner), asked.owner, asked.id, now, now, asked.owner],
    },
    { sql: replyQuery, args: [asked.owner, asked.id] },
  ]
}

const replyQuery =
  "SELECT response FROM idempotency WHERE slot = ? AND principal = 'client' AND key = ?"

/**
 * Whether a batch that ended so has had no effect and never will. A copy of it may be under way and be judged anew when
 * it arrives, so an answer of the database proves nothing but this: a piece that has come to a later epoch never comes
 * back to the one that the batch was sent for. The network delivers no copy of what it refused.
 */
function neverComes(error: unknown, epoch: number): boolean {
  if (!isFault(error)) return false
  if (error instanceof ShardUnavailableError || error instanceof ShardBusyError) return true
  return error instanceof ShardFencedError && error.epoch > epoch
}

/** One client: reads and writes through the real router, and writes down what it asked and heard. */
export class Client {
  readonly #world: World
  readonly #process: Process
  readonly #notes: ClientNotes
  readonly #history: Asked[]
  readonly #router: Router
  readonly #ids: Ids
  readonly #call: Call

  constructor(world: World, process: Process, notes: ClientNotes, history: Asked[]) {
    this.#world = world
    this.#process = process
    this.#notes = notes
    this.#history = history
    this.#router = world.route(process, (batch) => this.#deliver(batch))
    const { simulation } = world
    this.#ids = createIds({ clock: simulation.scheduler.clock, random: simulation.random() })
    this.#call = rootCall(notes.name)
  }

  /** Goes on until nothing is left to do. */
  async run(): Promise<void> {
    const notes = this.#notes
    const { chance } = this.#world.simulation
    const { pending } = notes
    // Whoever asked the dead process asks again, with the same key; or has gone away.
    if (pending !== undefined && chance.happens(0.6)) await this.#finish(pending)
    notes.pending = undefined
    while (notes.left > 0 && this.#isWanted()) {
      await this.#think()
      notes.left -= 1
      const asked = this.#next()
      this.#history.push(asked)
      if (asked.input.kind === 'read') await this.#read(asked)
      else await this.#finish(asked)
    }
  }

  /** Once nothing moves any more a few operations are enough. */
  #isWanted(): boolean {
    const { opsLeast, opsMost } = this.#world.plan
    return (
      this.#notes.left > opsMost - opsLeast ||
      this.#world.simulation.names.some((name) => name.startsWith('mover'))
    )
  }

  /** When owners have just changed is when a request meets most. */
  async #think(): Promise<void> {
    const { chance } = this.#world.simulation
    const isAlert = chance.happens(0.5)
    const waits = [this.#sleep(chance.wait(thinkMs))]
    await Promise.race(isAlert ? [...waits, this.#world.change(this.#process)] : waits)
    if (isAlert) await this.#sleep(chance.wait(alertMs))
  }

  #sleep(ms: number): Promise<void> {
    return sleep(ms, this.#world.simulation.clockOf(this.#process), this.#call.signal)
  }

  #next(): Asked {
    const { simulation, plan, owners } = this.#world
    const { chance, scheduler } = simulation
    const object = chance.pick<ObjectKind>(['register', 'tally', 'seat', 'seat'])
    const [first] = owners
    const owner = (chance.happens(plan.hot) ? first : chance.pick(owners)).id
    const id = this.#ids.child(owner)
    const asked = { id, owner, object, input: this.#input(object, owner) }
    return {
      ...asked,
      calledAt: scheduler.steps,
      returnedAt: Infinity,
      output: undefined,
      isInDoubt: false,
    }
  }

  #input(object: ObjectKind, owner: string): Input {
    const { chance } = this.#world.simulation
    if (chance.happens(0.4)) return { kind: 'read' }
    if (object === 'tally') return { kind: 'add' }
    // Nobody has the seat: the row goes.
    if (object === 'seat' && chance.happens(0.5)) return { kind: 'write', value: 0 }
    const value = chance.whole(1_000_000_000) + 1
    if (object === 'seat' || chance.happens(0.5)) return { kind: 'write', value }
    return { kind: 'cas', expect: this.#notes.seen.get(owner) ?? 0, value }
  }

  #answered(asked: Asked, output: number): void {
    asked.output = output
    asked.returnedAt = this.#world.simulation.scheduler.steps
    if (asked.object === 'register' && asked.input.kind === 'read')
      this.#notes.seen.set(asked.owner, output)
  }

  async #read(asked: Asked): Promise<void> {
    const statement = { sql: reads[asked.object], args: [asked.owner] }
    try {
      const { rows } = await this.#router.read(asked.owner, statement, this.#call)
      const [row] = rows
      if (row === undefined)
        return this.#world.simulation.violate(
          'lost row',
          `${asked.object} of ${asked.owner} is gone`,
        )
      this.#answered(asked, Number(row[0]))
    } catch (error) {
      if (!isFault(error)) throw error
    }
  }

  /** Sends a write until its outcome is known, or patience ends. */
  async #finish(asked: Asked): Promise<void> {
    const { chance } = this.#world.simulation
    this.#notes.pending = asked
    const most = chance.happens(0.3) ? 1 : triesMax
    for (let tries = 1; asked.output === undefined && tries <= most; tries += 1) {
      if (tries > 1) await this.#sleep(chance.wait(retryMs))
      await this.#try(asked)
    }
    if (asked.output === undefined && !asked.isInDoubt)
      this.#world.simulation.sometimes('a write was refused for good')
    this.#notes.pending = undefined
  }

  async #try(asked: Asked): Promise<void> {
    const wasInDoubt = asked.isInDoubt
    try {
      this.#answered(asked, await this.#send(asked))
      if (wasInDoubt) this.#world.simulation.sometimes('a write in doubt was sent again')
    } catch (error) {
      if (!isFault(error)) throw error
    }
  }

  /**
   * Hears of each batch that the router sends for a write, for the error that ends the write speaks of the last alone.
   * In doubt until an answer says otherwise: the process may die meanwhile.
   */
  async #deliver<T>({ epoch, send }: Delivery<T>): Promise<T> {
    const asked = this.#notes.pending
    if (asked === undefined) return send()
    const wasInDoubt = asked.isInDoubt
    asked.isInDoubt = true
    try {
      return await send()
    } catch (error) {
      if (neverComes(error, epoch)) asked.isInDoubt = wasInDoubt
      throw error
    }
  }

  async #send(asked: Asked): Promise<number> {
    const { simulation } = this.#world
    const statements = statementsOf(asked, this.#ids, simulation.scheduler.clock.now())
    try {
      const results = await this.#router.write(asked.owner, statements, this.#call)
      return Number(results.at(-1)?.rows[0]?.[0])
    } catch (error) {
      const isRepeat =
        error instanceof SqlConstraintError && error.constraint.includes('idempotency.')
      if (!isRepeat) throw error
      simulation.sometimes('a retry found what its first try had done')
    }
    return this.#reply(asked)
  }

  /** The answer of the try that took effect. */
  async #reply(asked: Asked): Promise<number> {
    const statement = { sql: replyQuery, args: [asked.owner, asked.id] }
    const { rows } = await this.#router.read(asked.owner, statement, this.#call)
    if (rows[0] === undefined)
      this.#world.simulation.violate('lost idempotency row', `of ${asked.id}`)
    return Number(rows[0]?.[0])
  }
}
