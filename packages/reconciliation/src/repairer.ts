import {
  type Call,
  type Clock,
  Fault,
  isFault,
  type Random,
  type SqlShard,
  within,
} from '@stoa/kernel'
import { inWaves, type Router } from '@stoa/sharding'

import { askBudget, type Budget, grantsMax } from './budget.ts'
import { type Comparison, judgeKey } from './comparison.ts'
import {
  claimDiscrepancies,
  moveDiscrepancy,
  type Move,
  recordFindings,
  type Release,
  releaseDiscrepancies,
  reviewMs,
  secondLookMs,
} from './discrepancy-rows.ts'
import { discrepanciesFrom, type Discrepancy, StaleDiscrepancyError } from './discrepancy.ts'
import { type Action, type BreakClass, canonicalFields, type Finding } from './finding.ts'
import { policyOf } from './policy.ts'

/** How long what a sweep took is its own. A slower one writes no more. */
const leaseMs = 60_000
/** How long one repair may take. */
const repairMs = 10_000
/** The first wait after a repair that failed; each next one is twice as long, to the most. */
const retryMs = 1_000
const retryMaxMs = 300_000
/** After so many tries a person should look. */
const attemptsMax = 10
/** The longest wait for what is young to settle: a statement comes once a day. */
const youngMaxMs = 3_600_000
/** How long a break waits for a budget that is used up. */
const cappedMs = 300_000
/** The most that one sweep of a database takes: what it can do within the lease. */
const claimMax = 50

/** What a repair has to do: the same, under the same key, each time it is asked. */
export type RepairOrder = {
  /** The Idempotency-Key: whoever repairs keeps it with the effect, so that a second order changes nothing. */
  readonly idempotencyKey: string
  readonly class: BreakClass
  readonly key: string
  readonly action: Action
  readonly amount: number
  /** What the sides said, as JSON: compare it with what is there before you write. */
  readonly detail: string
  /** The two persons who ordered it; absent when it is automatic. */
  readonly ordered?: { readonly maker: string; readonly checker: string }
}

export type RepairerDeps = {
  readonly keyspace: Pick<Router, 'read' | 'write' | 'writeAll' | 'groups'>
  readonly comparisons: readonly Comparison[]
  /**
   * Does one repair, once for each key however often it comes.
   *
   * @throws a Fault that is not retryable when it cannot be done: a person looks at it.
   */
  repair(order: RepairOrder, call: Call): Promise<void>
  /** For classes that are not named 100 an hour, and 100,000 minor units. */
  readonly budgets?: Partial<Readonly<Record<BreakClass, Budget>>>
  readonly clock: Clock
  readonly random: Random
  report(error: unknown, requestId: string): void
}

/** What became of what a sweep took; `waiting` are young, capped, or to be tried again. */
export type RepairSweep = Readonly<Record<'repaired' | 'resolved' | 'review' | 'waiting', number>>

type Outcome = keyof RepairSweep

export type Repairer = {
  /**
   * Takes what is due in one database, at most 50, and looks at each again: what is gone is resolved, what is a
   * person's goes to review, the rest is repaired within the budget. One round trip when nothing is due; else one for
   * the budget of each class, one for all that waits, and for each break the watermarks, its sides, and two writes around
   * the repair.
   */
  sweep(shard: SqlShard, call: Call): Promise<RepairSweep>
}

const standardBudget: Budget = { perHour: 100, amountPerHour: 100_000 }

/** A break that has been looked at again, with what is to happen to it. */
type Planned = { readonly row: Discrepancy; readonly plan: Plan }

/** What the sides say now. */
type Evidence = Pick<Discrepancy, 'action' | 'amount' | 'detail'>

type Plan =
  | { readonly kind: 'move'; readonly outcome: Outcome; readonly move: Omit<Move, 'actor' | 'at'> }
  | { readonly kind: 'wait'; readonly dueAt: number }
  | { readonly kind: 'repair'; readonly needsGrant: boolean; readonly seen?: Evidence }

function toReview(note: string, now: number, seen?: Evidence): Plan {
  const dropped = { proposed: null, maker: null, checker: null }
  const move = { to: 'review', note, dueAt: now + reviewMs, ...dropped, ...seen } as const
  return { kind: 'move', outcome: 'review', move }
}

function evidenceOf({ action, amount, detail }: Finding): Evidence {
  return { action, amount, detail: canonicalFields(detail) }
}

/** What a second look says about a break that is open. */
function planOpen(row: Discrepancy, finding: Finding, now: number): Plan {
  const policy = policyOf(finding)
  const seen = evidenceOf(finding)
  if (row.action === finding.action)
    return policy.auto
      ? { kind: 'repair', needsGrant: true, seen }
      : toReview('still there', now, seen)
  const dueAt = Math.max(row.firstSeenAt + policy.holdMs, now + secondLookMs)
  return {
    kind: 'move',
    outcome: 'waiting',
    move: { to: 'open', note: 'changed', dueAt, ...seen },
  }
}

function planOf(row: Discrepancy, finding: Finding | undefined, now: number): Plan {
  if (finding === undefined)
    return { kind: 'move', outcome: 'resolved', move: { to: 'resolved', note: 'gone' } }
  switch (row.state) {
    case 'open':
      return planOpen(row, finding, now)
    case 'approved':
      return evidenceOf(finding).detail === row.detail
        ? { kind: 'repair', needsGrant: false }
        : toReview('changed since it was checked', now, evidenceOf(finding))
    case 'repairing':
      return { kind: 'repair', needsGrant: false }
    case 'repaired':
      return toReview('still there after its repair', now, evidenceOf(finding))
    case 'review':
    case 'proposed':
      return evidenceOf(finding).detail === row.detail
        ? { kind: 'wait', dueAt: now + reviewMs }
        : toReview('changed', now, evidenceOf(finding))
    case 'resolved':
    case 'dismissed':
      return { kind: 'wait', dueAt: now + reviewMs }
  }
}

class Sweeper {
  readonly #deps: RepairerDeps
  readonly #owner: string
  readonly #call: Call
  readonly #releases: Release[] = []

  constructor(deps: RepairerDeps, call: Call) {
    this.#deps = deps
    this.#call = call
    const token = Array.from(deps.random.bytes(16), (byte) => byte.toString(16).padStart(2, '0'))
    this.#owner = `repairer ${token.join('')}`
  }

  async sweep(shard: SqlShard): Promise<RepairSweep> {
    const now = this.#deps.clock.now()
    const claim = claimDiscrepancies({ owner: this.#owner, now, leaseMs }, claimMax)
    const [rows] = await shard.batch([claim], 'write', this.#call)
    const taken = rows === undefined ? [] : discrepanciesFrom(rows)
    const planned: Planned[] = []
    const tally: Record<Outcome, number> = { repaired: 0, resolved: 0, review: 0, waiting: 0 }
    await inWaves(taken, async (row) => {
      const plan = await this.#guarded(row, () => this.#plan(row))
      if (plan === undefined) tally.waiting += 1
      else planned.push({ row, plan })
    })
    const granted = await this.#grants(planned)
    await inWaves(planned, async ({ row, plan }) => {
      const isCapped = plan.kind === 'repair' && plan.needsGrant && !granted.has(row.id)
      const work = () =>
        isCapped ? this.#capped({ ...row, ...plan.seen }) : this.#carryOut(row, plan)
      tally[(await this.#guarded(row, work)) ?? 'waiting'] += 1
    })
    await this.#releaseAll()
    return tally
  }

  /** One break that fails, for whatever reason, stops no other: its lease ends, and it is taken up again. */
  async #guarded<T>(row: Discrepancy, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#call.signal.throwIfAborted()
      if (!(error instanceof StaleDiscrepancyError))
        this.#deps.report(error, `${this.#call.requestId} ${row.id}`)
      return undefined
    }
  }

  /** Looks at the sides again. What else is wrong under the key is recorded by the way. */
  async #plan(row: Discrepancy): Promise<Plan> {
    const { clock, comparisons, keyspace } = this.#deps
    const at = clock.now()
    const comparison = comparisons.find(({ name }) => name === row.comparison)
    if (comparison === undefined) return toReview(`no comparison "${row.comparison}"`, at)
    const findings = await judgeKey(comparison, { key: row.key, now: at }, this.#call)
    if (findings === undefined) {
      const wait = comparison.settleMs * 2 ** Math.min(row.attempts - 1, 20)
      return { kind: 'wait', dueAt: at + Math.min(wait, youngMaxMs) }
    }
    const others = findings.filter((finding) => finding.class !== row.class)
    const seen = { comparison: comparison.name, at, actor: this.#owner }
    await recordFindings(keyspace, [others, seen], this.#call)
    return planOf(
      row,
      findings.find((finding) => finding.class === row.class),
      at,
    )
  }

  #budgetOf(name: BreakClass): Budget {
    return this.#deps.budgets?.[name] ?? standardBudget
  }

  async #grants(planned: readonly Planned[]): Promise<ReadonlySet<string>> {
    const wanted = planned.flatMap(({ row, plan }) =>
      plan.kind === 'repair' && plan.needsGrant ? [{ ...row, ...plan.seen }] : [],
    )
    const granted = new Set<string>()
    for (const [name, rows] of Map.groupBy(wanted, (row) => row.class)) {
      const order = {
        wanted: rows.slice(0, grantsMax),
        budget: this.#budgetOf(name),
        now: this.#deps.clock.now(),
      }
      const answer = await askBudget(this.#deps.keyspace, order, this.#call).catch(
        (error: unknown) => {
          this.#deps.report(error, this.#call.requestId)
          return new Set<string>()
        },
      )
      for (const id of answer) granted.add(id)
    }
    return granted
  }

  async #move(row: Discrepancy, move: Omit<Move, 'actor' | 'at'>): Promise<Discrepancy> {
    const signed = { ...move, actor: this.#owner, at: this.#deps.clock.now(), lease: this.#owner }
    return moveDiscrepancy(this.#deps.keyspace, [row, signed], this.#call)
  }

  /** What waits is given back in one write at the end; if that is lost, its lease ends. */
  #release({ id }: Discrepancy, dueAt: number): Outcome {
    this.#releases.push({ id, dueAt })
    return 'waiting'
  }

  async #releaseAll(): Promise<void> {
    const { keyspace } = this.#deps
    for (const group of await keyspace.groups(this.#releases, ({ id }) => id, this.#call)) {
      const keys = group.map(({ id }) => id)
      await keyspace.writeAll(keys, [releaseDiscrepancies(group, this.#owner)], this.#call)
    }
  }

  async #capped(row: Discrepancy): Promise<Outcome> {
    const { perHour, amountPerHour } = this.#budgetOf(row.class)
    if (perHour > 0 && row.amount <= amountPerHour)
      return this.#release(row, this.#deps.clock.now() + cappedMs)
    const dueAt = this.#deps.clock.now() + reviewMs
    await this.#move(row, { to: 'review', note: 'above the budget of an hour', dueAt })
    return 'review'
  }

  async #carryOut(row: Discrepancy, plan: Plan): Promise<Outcome> {
    switch (plan.kind) {
      case 'wait':
        return this.#release(row, plan.dueAt)
      case 'move':
        await this.#move(row, plan.move)
        return plan.outcome
      case 'repair':
        return this.#repair(row, plan.seen)
    }
  }

  /** Says in the journal what is to happen, lets it happen, and says what became of it. */
  async #repair(taken: Discrepancy, seen: Evidence | undefined): Promise<Outcome> {
    const { clock } = this.#deps
    const soon = clock.now()
    const begun =
      taken.state === 'repairing'
        ? taken
        : await this.#move(taken, { to: 'repairing', note: 'begun', dueAt: soon, ...seen })
    try {
      await this.#deps.repair(orderOf(begun), within(this.#call, repairMs, clock))
    } catch (error) {
      this.#call.signal.throwIfAborted()
      return this.#failed(begun, error)
    }
    const dueAt = clock.now() + this.#settleMsOf(begun) + secondLookMs
    await this.#move(begun, { to: 'repaired', note: 'done', dueAt })
    return 'repaired'
  }

  #settleMsOf({ comparison }: Discrepancy): number {
    return this.#deps.comparisons.find(({ name }) => name === comparison)?.settleMs ?? 0
  }

  async #failed(row: Discrepancy, error: unknown): Promise<Outcome> {
    const { clock } = this.#deps
    this.#deps.report(error, `${this.#call.requestId} ${row.id}`)
    const isFinal = isFault(error) && !isRetryable(error)
    if (isFinal || row.attempts >= attemptsMax) {
      const note = error instanceof Fault ? error.code : 'repair failed'
      await this.#move(row, { to: 'review', note, dueAt: clock.now() + reviewMs })
      return 'review'
    }
    const wait = Math.min(retryMs * 2 ** Math.min(row.attempts, 20), retryMaxMs)
    return this.#release(row, clock.now() + wait)
  }
}

function isRetryable(fault: Fault): boolean {
  return fault.retryable || fault.kind === 'unavailable' || fault.kind === 'deadline_exceeded'
}

function orderOf(row: Discrepancy): RepairOrder {
  const { id, version, class: name, key, action, amount, detail, maker, checker } = row
  // It is begun once at each version, and stays there until it is done.
  const idempotencyKey = `${id}:${version}`
  const order = { idempotencyKey, class: name, key, action, amount, detail }
  return maker === undefined || checker === undefined
    ? order
    : { ...order, ordered: { maker, checker } }
}

/** Repairs breaks: seen twice, within a budget, journalled before and after, and seen again to be gone. */
export function createRepairer(deps: RepairerDeps): Repairer {
  return { sweep: (shard, call) => new Sweeper(deps, call).sweep(shard) }
}
