import { type Call, type Clock, Fault, type SqlShard, type SqlValue } from '@stoa/kernel'
import { isWritable, type Router } from '@stoa/sharding'

import { type Move, moveDiscrepancy, reviewMs, selectDiscrepancy } from './discrepancy-rows.ts'
import {
  discrepanciesFrom,
  type Discrepancy,
  discrepancyColumns,
  type DiscrepancyState,
  StaleDiscrepancyError,
} from './discrepancy.ts'
import type { Action, BreakClass } from './finding.ts'

/** What was asked cannot be done with a discrepancy in its present state. Nothing was written. */
export class DiscrepancyStateError extends Fault {
  override readonly name = 'DiscrepancyStateError'
  override readonly code = 'discrepancy_state'
  override readonly kind = 'failed_precondition'
  constructor(id: string, what: string, state: DiscrepancyState) {
    super(`Cannot ${what} discrepancy "${id}": it is ${state}`)
  }
}

/** Whoever proposed a repair may not be the one who checks it. Nothing was written. */
export class SamePersonError extends Fault {
  override readonly name = 'SamePersonError'
  override readonly code = 'same_person'
  override readonly kind = 'permission_denied'
  constructor(id: string) {
    super(`Cannot decide about discrepancy "${id}": who proposed it may not check it`)
  }
}

/** What a person does to a discrepancy, as he saw it at `version`. */
type Deed = {
  readonly id: string
  readonly version: number
  readonly actor: string
  readonly note: string
}

/** How many breaks of a class have waited how long, and what is at stake. */
export type Ageing = {
  readonly class: BreakClass
  readonly state: DiscrepancyState
  readonly age: 'hour' | 'day' | 'three_days' | 'older'
  readonly count: number
  readonly amount: number
}

export type JournalEntry = {
  readonly version: number
  readonly occurrence: number
  readonly state: DiscrepancyState
  readonly action: Action
  readonly amount: number
  readonly actor: string
  readonly note: string | undefined
  readonly at: number
}

export type Desk = {
  /** One round trip. */
  read(id: string, call: Call): Promise<Discrepancy | undefined>
  /** All that has ever happened to it. One round trip. */
  journal(id: string, call: Call): Promise<readonly JournalEntry[]>
  /** Open discrepancies of one database, oldest first, from `after`. One round trip. */
  list(shard: SqlShard, page: DeskPage, call: Call): Promise<readonly Discrepancy[]>
  /** One round trip for one database; add the databases up. */
  ageing(shard: SqlShard, call: Call): Promise<readonly Ageing[]>
  /** Gives it to a person, or back to nobody. */
  assign(deed: Deed & { readonly assignee: string | null }, call: Call): Promise<Discrepancy>
  /** The maker: what should be done, or `dismiss` to let it be as it is. Two round trips, as for `decide`. */
  propose(deed: Deed & { readonly action: Action | 'dismiss' }, call: Call): Promise<Discrepancy>
  /**
   * The checker: orders what was proposed, or sends it back to review.
   *
   * @throws SamePersonError when he is the maker; DiscrepancyStateError when nothing is proposed.
   */
  decide(deed: Deed & { readonly approved: boolean }, call: Call): Promise<Discrepancy>
}

export type DeskPage = {
  readonly class?: BreakClass
  readonly assignee?: string
  /** The last one of the page before. */
  readonly after?: Pick<Discrepancy, 'id' | 'firstSeenAt'>
  readonly limit: number
}

const hourMs = 3_600_000

async function listOf(
  shard: SqlShard,
  page: DeskPage,
  call: Call,
): Promise<readonly Discrepancy[]> {
  const { after = { firstSeenAt: -1, id: '' }, limit } = page
  const conditions: [string, SqlValue][] = []
  if (page.class !== undefined) conditions.push(['class = ?', page.class])
  if (page.assignee !== undefined) conditions.push(['assignee = ?', page.assignee])
  const sql = `SELECT ${discrepancyColumns} FROM discrepancy WHERE closed_at IS NULL AND (first_seen_at, id) > (?, ?)
AND ${isWritable('id')} ${conditions.map(([condition]) => `AND ${condition}`).join(' ')} ORDER BY first_seen_at, id LIMIT ?`
  const args = [after.firstSeenAt, after.id, ...conditions.map(([, value]) => value), limit]
  const [rows] = await shard.batch([{ sql, args }], 'read', call)
  return rows === undefined ? [] : discrepanciesFrom(rows)
}

async function ageingOf(shard: SqlShard, now: number, call: Call): Promise<readonly Ageing[]> {
  const sql = `SELECT class, state, CASE WHEN first_seen_at > ? THEN 'hour' WHEN first_seen_at > ? THEN 'day'
  WHEN first_seen_at > ? THEN 'three_days' ELSE 'older' END AS age, count(*), sum(amount)
FROM discrepancy WHERE closed_at IS NULL AND ${isWritable('id')} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`
  const args = [1, 24, 72].map((hours) => now - hours * hourMs)
  const [rows] = await shard.batch([{ sql, args }], 'read', call)
  return (rows?.rows ?? []).map((row) => ({
    class: String(row[0]) as BreakClass,
    state: String(row[1]) as DiscrepancyState,
    age: String(row[2]) as Ageing['age'],
    count: Number(row[3]),
    amount: Number(row[4]),
  }))
}

class Bureau implements Desk {
  readonly #keyspace: Pick<Router, 'read' | 'write'>
  readonly #clock: Clock

  constructor(keyspace: Pick<Router, 'read' | 'write'>, clock: Clock) {
    this.#keyspace = keyspace
    this.#clock = clock
  }

  async read(id: string, call: Call): Promise<Discrepancy | undefined> {
    return discrepanciesFrom(await this.#keyspace.read(id, selectDiscrepancy(id), call))[0]
  }

  async journal(id: string, call: Call): Promise<readonly JournalEntry[]> {
    const sql = `SELECT version, occurrence, state, action, amount, actor, note, at FROM discrepancy_journal
WHERE discrepancy = ? ORDER BY version LIMIT 1000`
    const { rows } = await this.#keyspace.read(id, { sql, args: [id] }, call)
    return rows.map((row) => ({
      version: Number(row[0]),
      occurrence: Number(row[1]),
      state: String(row[2]) as DiscrepancyState,
      action: String(row[3]) as Action,
      amount: Number(row[4]),
      actor: String(row[5]),
      note: row[6] === null ? undefined : String(row[6]),
      at: Number(row[7]),
    }))
  }

  list(shard: SqlShard, page: DeskPage, call: Call): Promise<readonly Discrepancy[]> {
    return listOf(shard, page, call)
  }

  ageing(shard: SqlShard, call: Call): Promise<readonly Ageing[]> {
    return ageingOf(shard, this.#clock.now(), call)
  }

  async assign(
    { assignee, ...deed }: Deed & { readonly assignee: string | null },
    call: Call,
  ): Promise<Discrepancy> {
    const row = await this.#find(deed, call)
    if (row.state !== 'review' && row.state !== 'open' && row.state !== 'proposed')
      throw new DiscrepancyStateError(row.id, 'assign', row.state)
    const move = { to: row.state, assignee, dueAt: row.dueAt ?? this.#clock.now() + reviewMs }
    return this.#move(row, { ...this.#by(deed), ...move }, call)
  }

  async propose(
    { action, ...deed }: Deed & { readonly action: Action | 'dismiss' },
    call: Call,
  ): Promise<Discrepancy> {
    const row = await this.#find(deed, call)
    if (row.state !== 'review') throw new DiscrepancyStateError(row.id, 'propose about', row.state)
    const by = this.#by(deed)
    const proposal = { proposed: action, maker: deed.actor, dueAt: by.at + reviewMs }
    return this.#move(row, { ...by, to: 'proposed', checker: null, ...proposal }, call)
  }

  async decide(
    { approved, ...deed }: Deed & { readonly approved: boolean },
    call: Call,
  ): Promise<Discrepancy> {
    const row = await this.#find(deed, call)
    if (row.state !== 'proposed') throw new DiscrepancyStateError(row.id, 'decide about', row.state)
    const by = this.#by(deed)
    if (!approved) {
      const back = { to: 'review', proposed: null, maker: null, dueAt: by.at + reviewMs } as const
      return this.#move(row, { ...by, ...back }, call)
    }
    if (row.maker === deed.actor) throw new SamePersonError(row.id)
    const checked = { ...by, checker: deed.actor }
    const move: Move =
      row.proposed === undefined || row.proposed === 'dismiss'
        ? { ...checked, to: 'dismissed' }
        : { ...checked, to: 'approved', action: row.proposed, dueAt: by.at }
    return this.#move(row, move, call)
  }

  #by({ actor, note }: Deed): Pick<Move, 'actor' | 'note' | 'at'> {
    return { actor, note, at: this.#clock.now() }
  }

  async #find({ id, version }: Deed, call: Call): Promise<Discrepancy> {
    const row = await this.read(id, call)
    if (row?.version !== version) throw new StaleDiscrepancyError(id, version)
    return row
  }

  #move(row: Discrepancy, move: Move, call: Call): Promise<Discrepancy> {
    return moveDiscrepancy(this.#keyspace, [row, move], call)
  }
}

/** What people do with breaks: look, take, propose, and check what another has proposed. */
export function createDesk({
  keyspace,
  clock,
}: {
  readonly keyspace: Pick<Router, 'read' | 'write'>
  readonly clock: Clock
}): Desk {
  return new Bureau(keyspace, clock)
}
