import type { SqlShard, SqlValue } from '@stoa/kernel'

import { auditLedger, totalOf } from '../src/index.ts'
import { call, type RealFleet, rowsIn } from './restarts-fleet.ts'
import type { Transfer } from './world.ts'

/** What the clients know: the accounts and what each began with, and every saga whose begin was acknowledged. */
export type Known = {
  readonly opening: ReadonlyMap<string, number>
  readonly begun: ReadonlyMap<string, Transfer>
}

async function rowsOfAll(
  databases: readonly SqlShard[],
  sql: string,
): Promise<readonly (readonly SqlValue[])[]> {
  const rows = await Promise.all(databases.map((database) => rowsIn(database, sql)))
  return rows.flat()
}

/** Rules of the ledger that a database breaks, at any moment: entries, balances, limits, frozen money. */
export async function breachesOf(databases: readonly SqlShard[]): Promise<readonly string[]> {
  const breaches = await Promise.all(databases.map((database) => auditLedger(database, call)))
  return breaches.flat().map(({ rule, account, detail }) => `${rule} of ${account}: ${detail}`)
}

/** Sagas that are lost, doubled, of nobody, not what was asked for, or have not ended. Fills `states`. */
async function* wrongSagas(
  { databases }: RealFleet,
  { begun }: Known,
  states: Map<string, string>,
): AsyncGenerator<string> {
  const sql = `SELECT id, state, steps ->> '$[0].request.account', steps ->> '$[1].request.account',
  steps ->> '$[0].request.amount' FROM saga`
  for (const [id, state, from, to, amount] of await rowsOfAll(databases, sql)) {
    const saga = String(id)
    const asked = begun.get(saga)
    if (asked === undefined) yield `of nobody: saga ${saga}`
    if (states.has(saga)) yield `twice there: saga ${saga}`
    states.set(saga, String(state))
    if (state !== 'done' && state !== 'cancelled')
      yield `not ended: saga ${saga} is ${String(state)}`
    if (asked?.from !== from || asked?.to !== to || asked?.amount !== Number(amount))
      yield `not as asked for: saga ${saga}`
  }
  for (const id of begun.keys()) if (!states.has(id)) yield `lost: saga ${id}`
}

/** What a saga that has ended leaves in the journals; one that is cancelled may have frozen nothing. */
const entriesOf: Readonly<Record<string, readonly string[]>> = {
  done: ['from:capture from:freeze to:credit'],
  cancelled: ['', 'from:freeze from:release'],
}

/** Sagas whose entries are not those of their end: something happened twice, by half, or not at all. */
async function* wrongEntries(
  { databases }: RealFleet,
  states: ReadonlyMap<string, string>,
): AsyncGenerator<string> {
  const entries = new Map<string, string[]>([...states.keys()].map((id) => [id, []]))
  const sql = "SELECT source FROM journal WHERE source <> 'opening'"
  for (const [source] of await rowsOfAll(databases, sql)) {
    const [gid = '', ...what] = String(source).split(':')
    const known = entries.get(gid)
    if (known === undefined) yield `an entry of nobody: ${String(source)}`
    known?.push(what.join(':'))
  }
  for (const [id, found] of entries) {
    const state = states.get(id) ?? ''
    const text = found.toSorted().join(' ')
    if (!(entriesOf[state] ?? []).includes(text)) yield `${state} saga ${id} has booked "${text}"`
  }
}

/** Accounts that do not hold what the sagas that were done say, or whose money is still under way. */
async function* wrongBalances(
  { databases }: RealFleet,
  { opening, begun }: Known,
  states: ReadonlyMap<string, string>,
): AsyncGenerator<string> {
  const expected = new Map(opening)
  const add = (account: string, amount: number) =>
    expected.set(account, (expected.get(account) ?? 0) + amount)
  for (const [id, { from, to, amount }] of begun) {
    if (states.get(id) !== 'done') continue
    add(from, -amount)
    add(to, amount)
  }
  const sql = `SELECT account, sum(CASE WHEN book = 'available' THEN credit - debit ELSE 0 END),
  sum(CASE WHEN book = 'frozen' THEN credit - debit ELSE 0 END) FROM balance GROUP BY account`
  const purses = new Map(
    (await rowsOfAll(databases, sql)).map(([account, ...amounts]) => [String(account), amounts]),
  )
  for (const [account, amount] of expected) {
    const [available, frozen] = (purses.get(account) ?? []).map(Number)
    if (available !== amount || frozen !== 0)
      yield `account ${account} holds ${available} and ${frozen} frozen, not ${amount} and 0`
  }
}

/** Money under way, and tries that nobody has ended. */
async function* leftOpen({ databases }: RealFleet): AsyncGenerator<string> {
  const totals = await Promise.all(databases.map((database) => totalOf(database, 'clearing', call)))
  const clearing = totals.reduce((sum, total) => sum + (total.get('EUR') ?? 0), 0)
  if (clearing !== 0) yield `${clearing} are under way for ever`
  const sql = 'SELECT gid, branch FROM hold WHERE captured + released < amount'
  for (const [gid, branch] of await rowsOfAll(databases, sql))
    yield `an open try: ${String(branch)} of saga ${String(gid)}`
}

export type Verdict = {
  readonly wrongs: readonly string[]
  readonly done: number
  readonly cancelled: number
}

/** All that is wrong, now that nobody writes. */
export async function verdictOn(fleet: RealFleet, known: Known): Promise<Verdict> {
  const states = new Map<string, string>()
  const wrongs = [...(await breachesOf(fleet.databases))]
  for await (const wrong of wrongSagas(fleet, known, states)) wrongs.push(wrong)
  for await (const wrong of wrongEntries(fleet, states)) wrongs.push(wrong)
  for await (const wrong of wrongBalances(fleet, known, states)) wrongs.push(wrong)
  for await (const wrong of leftOpen(fleet)) wrongs.push(wrong)
  const count = (state: string) => [...states.values()].filter((each) => each === state).length
  return { wrongs, done: count('done'), cancelled: count('cancelled') }
}
