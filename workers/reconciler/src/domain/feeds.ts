import type { Call, Clock } from '@stoa/kernel'

import { dayOf, dayText, type MoneyEntry, type Source } from './money.ts'

/** How far a feed is. */
export type FeedState = {
  /** What is next, as the feed spells it. */
  readonly position: string
  /** Everything up to then has been taken. */
  readonly completeTo: number
  readonly version: number
}

/** The provider's statement of a day, by way of whoever speaks to the provider. */
export type Statements = {
  /** What moved money on a UTC day that is over, `YYYY-MM-DD`. @throws when the provider has none yet. */
  ofDay(day: string, call: Call): Promise<readonly MoneyEntry[]>
}

/** Our own ledger, in the order in which it was booked. */
export type Ledger = {
  /** What was booked from `position` on and before `to`, at most a page; `next` is absent when that is all. */
  booked(
    range: { readonly position: string; readonly to: number },
    call: Call,
  ): Promise<{ readonly entries: readonly MoneyEntry[]; readonly next: string | undefined }>
}

export type FeedStore = {
  /** One round trip. */
  read(source: Source, call: Call): Promise<FeedState | undefined>
  /** Keeps entries, each once however often it comes, with the digests of their days. */
  keep(source: Source, entries: readonly MoneyEntry[], call: Call): Promise<void>
  /** Moves the feed on from `before`. False when somebody else has. */
  advance(
    source: Source,
    states: { readonly before: FeedState | undefined; readonly after: FeedState },
    call: Call,
  ): Promise<boolean>
}

export type FeedDeps = {
  readonly feeds: FeedStore
  readonly statements: Statements
  readonly ledger: Ledger
  readonly clock: Clock
}

const dayMs = 86_400_000
/** How far back a deployment begins that has never been reconciled. */
const historyMs = 3 * dayMs
/** A batch that was begun is committed or lost by then, whatever its entries say of their time. */
const bookedMs = 120_000
/** When a provider has the statement of a day that ended at midnight. */
export const statementReadyMs = 7_200_000

/** Where a feed begins: at the beginning of a day. */
function beginning(now: number): number {
  return dayOf(now - historyMs) * dayMs
}

/** Position of the ledger feed: a time, then what was taken last at that time. */
export function ledgerPosition(at: number, account = '', seq = 0): string {
  return JSON.stringify([at, account, seq])
}

/** Takes what our ledger has booked since, a page at a time, until `until`. */
export async function followLedger(deps: FeedDeps, until: number, call: Call): Promise<void> {
  const { feeds, ledger, clock } = deps
  let state = await feeds.read('ledger', call)
  while (clock.now() < until) {
    const now = clock.now()
    const to = now - bookedMs
    const position = state?.position ?? ledgerPosition(beginning(now))
    const { entries, next } = await ledger.booked({ position, to }, call)
    await feeds.keep('ledger', entries, call)
    const [at = 0] = JSON.parse(next ?? '[]') as readonly number[]
    const after = {
      position: next ?? ledgerPosition(to),
      completeTo: next === undefined ? to : at,
      version: (state?.version ?? 0) + 1,
    }
    if (!(await feeds.advance('ledger', { before: state, after }, call))) return
    if (next === undefined) return
    state = after
  }
}

/** Takes the provider's statements of the days that are over and not taken yet. */
export async function takeStatements(deps: FeedDeps, until: number, call: Call): Promise<void> {
  const { feeds, statements, clock } = deps
  let state = await feeds.read('provider', call)
  const last = dayOf(clock.now() - statementReadyMs) - 1
  for (;;) {
    const day = state === undefined ? dayOf(beginning(clock.now())) : Number(state.position)
    if (day > last || clock.now() >= until) return
    await feeds.keep('provider', await statements.ofDay(dayText(day), call), call)
    const after = {
      position: String(day + 1),
      completeTo: (day + 1) * dayMs,
      version: (state?.version ?? 0) + 1,
    }
    if (!(await feeds.advance('provider', { before: state, after }, call))) return
    state = after
  }
}
