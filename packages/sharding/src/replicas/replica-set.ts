import {
  type Call,
  type Clock,
  isFault,
  type Random,
  type Rows,
  ShardFencedError,
  type SqlShard,
  type Statement,
  within,
} from '@stoa/kernel'

import { type Balancer, createBalancer, type Lease } from './balancer.ts'
import type { EjectionLimits } from './ejection.ts'

/** A copy of a shard that may answer reads. */
export type Replica = {
  readonly shard: SqlShard
  /** Its share of the reads among replicas that are equally fast. Default: 1. */
  readonly weight?: number | undefined
}

export type ReplicaLimits = {
  /** Milliseconds after which a replica that has not answered is given up for the primary. Default: 1,000. */
  readonly slowMs: number
  /** Milliseconds for which a replica that was found behind is not asked for more. Default: 100. */
  readonly beliefMs: number
  readonly ejection: Partial<EjectionLimits>
}

const defaultLimits: ReplicaLimits = { slowMs: 1_000, beliefMs: 100, ejection: {} }

export type ReplicaSetOptions = {
  readonly primary: SqlShard
  /** Of the primary: what was fed by an earlier life of it is no copy. */
  readonly incarnation: string
  readonly replicas: readonly Replica[]
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Partial<ReplicaLimits>
}

/** How new a copy must be. */
export type Freshness = {
  /** Up to where it has the primary's stream of changes. */
  readonly seq: number
  /** When it was last level with the primary, at the earliest; milliseconds since 1970. */
  readonly since: number
}

export type ReplicaRead = {
  readonly statements: readonly Statement[]
  readonly fresh: Freshness
  /** Whether a replica's answers may be used, by what they say themselves; the primary's always are. */
  accepts(this: void, answers: readonly Rows[]): boolean
}

/** A primary and its copies. */
export type ReplicaSet = {
  /**
   * Reads, as one snapshot, at a replica that is new enough. The replica says how new it is in the same batch: one round
   * trip. When none may be asked, or the one that was asked is behind, slow or down, the primary answers: one more. When
   * that is down too, the other replicas are asked, one after the other.
   *
   * @throws what the primary answered.
   */
  read(read: ReplicaRead, call: Call): Promise<readonly Rows[]>
  /** Writes at the primary, and says up to where a replica must be to have it; Infinity when none will. One round trip. */
  write(
    statements: readonly Statement[],
    call: Call,
  ): Promise<{ readonly rows: readonly Rows[]; readonly seq: number }>
}

/** How far the stream is when a write is done, its own changes in it; NULL while nobody captures them. */
const selectSeq: Statement = {
  sql: 'SELECT CASE capture WHEN 1 THEN (SELECT coalesce(max(seq), 0) FROM _cdc) END FROM _fence',
  args: [],
}

/** A replica says how new it is; one of another primary, or of an earlier life of this one, has nothing to say. */
function selectFreshness({ primary, incarnation }: ReplicaSetOptions): Statement {
  return {
    sql: 'SELECT applied, at FROM _replica WHERE id = 1 AND primary_name = ? AND incarnation = ?',
    args: [primary.name, incarnation],
  }
}

/** What a replica last said of itself. */
type Belief = Freshness & { readonly heardAt: number }

function isFresh(held: Freshness, asked: Freshness): boolean {
  return held.seq >= asked.seq && held.since >= asked.since
}

function isOut(error: unknown): boolean {
  return isFault(error) && error.kind === 'unavailable' && !(error instanceof ShardFencedError)
}

class Replicated implements ReplicaSet {
  readonly #options: ReplicaSetOptions
  readonly #limits: ReplicaLimits
  readonly #balancer: Balancer
  readonly #beliefs = new Map<number, Belief>()

  constructor(options: ReplicaSetOptions) {
    const { clock, random, replicas } = options
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    const weights = replicas.map(({ weight = 1 }) => weight)
    this.#balancer = createBalancer({ weights, clock, random, ejection: this.#limits.ejection })
  }

  /** Whether it makes sense to ask: it was not found behind just now. */
  #mayHave(index: number, fresh: Freshness): boolean {
    const belief = this.#beliefs.get(index)
    if (belief === undefined || isFresh(belief, fresh)) return true
    return this.#options.clock.now() - belief.heardAt >= this.#limits.beliefMs
  }

  /** The replica's answers; `undefined` when it gave none that may be used. */
  async #ask(
    lease: Lease,
    { statements, fresh, accepts }: ReplicaRead,
    call: Call,
  ): Promise<readonly Rows[] | undefined> {
    const { clock, replicas } = this.#options
    try {
      const bounded = within(call, this.#limits.slowMs, clock)
      const batch = [selectFreshness(this.#options), ...statements]
      const rows = await replicas[lease.index]?.shard.batch(batch, 'read', bounded)
      lease.end('answered')
      const [first, ...answers] = rows ?? []
      const [seq = -1, since = -1] = (first?.rows[0] ?? []).map(Number)
      this.#beliefs.set(lease.index, { seq, since, heardAt: clock.now() })
      return seq >= 0 && isFresh({ seq, since }, fresh) && accepts(answers) ? answers : undefined
    } catch (error) {
      // What the statements themselves are guilty of, the primary will say.
      const isLate = isFault(error) && error.code === 'deadline_exceeded' && !call.signal.aborted
      lease.end(isLate || (isOut(error) && !call.signal.aborted) ? 'failed' : 'abandoned')
      call.signal.throwIfAborted()
      return undefined
    }
  }

  async read(read: ReplicaRead, call: Call): Promise<readonly Rows[]> {
    const { primary, replicas } = this.#options
    const chosen = this.#balancer.pick((index) => this.#mayHave(index, read.fresh))
    const answers = chosen && (await this.#ask(chosen, read, call))
    if (answers !== undefined) return answers
    try {
      return await primary.batch(read.statements, 'read', call)
    } catch (error) {
      if (!isOut(error)) throw error
      for (const index of replicas.keys()) {
        if (index === chosen?.index) continue
        // oxlint-disable-next-line no-await-in-loop -- each is asked only when the one before had nothing.
        const last = await this.#ask(this.#balancer.insist(index), read, call)
        if (last !== undefined) return last
      }
      throw error
    }
  }

  async write(
    statements: readonly Statement[],
    call: Call,
  ): Promise<{ readonly rows: readonly Rows[]; readonly seq: number }> {
    const rows = await this.#options.primary.batch([...statements, selectSeq], 'write', call)
    return { rows: rows.slice(0, -1), seq: Number(rows.at(-1)?.rows[0]?.[0] ?? Infinity) }
  }
}

/** A primary and its copies. */
export function createReplicaSet(options: ReplicaSetOptions): ReplicaSet {
  return new Replicated(options)
}
