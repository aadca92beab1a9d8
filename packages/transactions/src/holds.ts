import type { Statement } from '@stoa/kernel'

import { type Book, bookEntry, nextSeq } from './ledger.ts'
import { checkedMoney, type Money } from './money.ts'

/** A part of an account's money that is promised to somebody, or on its way to it. */
export type HoldRef = { readonly account: string; readonly gid: string; readonly branch: string }

/** A step of a hold, behind a barrier: when, why, and under which gate. */
export type HoldStep = {
  readonly hold: HoldRef
  /** Milliseconds since 1970. */
  readonly at: number
  readonly gate: Statement
}

type Direction = 'out' | 'in'

/** What has become of none of a hold yet. */
const open = 'amount - captured - released'
const key = 'account = ? AND gid = ? AND branch = ? AND direction = ?'

function keyOf({ account, gid, branch }: HoldRef, direction: Direction): readonly string[] {
  return [account, gid, branch, direction]
}

function sourceOf({ gid, branch }: HoldRef, kind: string): string {
  return `${gid}:${branch}:${kind}`
}

function insertHold({ hold, at, gate }: HoldStep, money: Money, direction: Direction): Statement {
  const { currency, amount } = checkedMoney(money)
  return {
    sql: `INSERT INTO hold (account, gid, branch, direction, currency, amount, at, changed_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE ${gate.sql}`,
    args: [...keyOf(hold, direction), currency, amount, at, at, ...gate.args],
  }
}

type Settlement = {
  readonly direction: Direction
  readonly kind: 'capture' | 'release' | 'credit'
  readonly debit: Book
  readonly credit: Book
}

/**
 * Books what is still open of a hold, or `part` of it; the amount and the currency are the hold's own. Nothing open is
 * nothing to book. A hold that is not there makes `lines` NULL, and the batch aborts.
 */
function bookHold(step: HoldStep, settlement: Settlement, part?: Part): Statement {
  const { hold, at, gate } = step
  const { direction, kind, debit, credit } = settlement
  const held = keyOf(hold, direction)
  const amount = part === undefined ? open : '?'
  const amounts = part === undefined ? [] : [part.amount]
  return {
    sql: `INSERT INTO journal (account, seq, source, kind, lines, at)
SELECT ?, ${nextSeq}, ?, ?, (SELECT json_array(json_array(?, currency, -(${amount})), json_array(?, currency, ${amount}))
  FROM hold WHERE ${key}), ?
WHERE ${gate.sql}${part === undefined ? ` AND NOT EXISTS (SELECT 1 FROM hold WHERE ${key} AND ${open} = 0)` : ''}`,
    args: [
      hold.account,
      hold.account,
      sourceOf(hold, part === undefined ? kind : `${kind}:${part.name}`),
      kind,
      debit,
      ...amounts,
      credit,
      ...amounts,
      ...held,
      at,
      ...gate.args,
      ...(part === undefined ? held : []),
    ],
  }
}

function closeHold(
  { hold, at, gate }: HoldStep,
  { direction, kind }: Pick<Settlement, 'direction' | 'kind'>,
  part?: Part,
): Statement {
  const column = kind === 'release' ? 'released' : 'captured'
  const amount = part === undefined ? open : '?'
  return {
    sql: `UPDATE hold SET ${column} = ${column} + ${amount}, changed_at = ? WHERE ${key} AND ${gate.sql}`,
    args: [
      ...(part === undefined ? [] : [part.amount]),
      at,
      ...keyOf(hold, direction),
      ...gate.args,
    ],
  }
}

/** A part of a hold, with a name that is its own: each is captured once. */
export type Part = { readonly name: string; readonly amount: number }

/** Freezes money: it stays the account's, and cannot be spent. Aborts when there is not so much. @throws InvalidMoneyError */
export function freezeFunds(step: HoldStep, money: Money): readonly Statement[] {
  const { hold, at, gate } = step
  const moves = [{ debit: 'available', credit: 'frozen', money }]
  const entry = { account: hold.account, source: sourceOf(hold, 'freeze'), kind: 'freeze', at }
  return [insertHold(step, money, 'out'), bookEntry({ ...entry, moves }, gate)]
}

/** Sends what is frozen on its way, or a `part` of it; the rest stays frozen. */
export function captureFunds(step: HoldStep, part?: Part): readonly Statement[] {
  if (part !== undefined) checkedMoney({ amount: part.amount, currency: 'XXX' })
  const capture = {
    direction: 'out',
    kind: 'capture',
    debit: 'frozen',
    credit: 'clearing',
  } as const
  const booked = bookHold(step, capture, part)
  const closed = closeHold(step, capture, part)
  // The rest is what is open before it is closed; a part must fit before it is booked.
  return part === undefined ? [booked, closed] : [closed, booked]
}

/** Gives back what is still frozen. */
export function releaseFunds(step: HoldStep): readonly Statement[] {
  const release = {
    direction: 'out',
    kind: 'release',
    debit: 'frozen',
    credit: 'available',
  } as const
  return [bookHold(step, release), closeHold(step, release)]
}

/** Announces money that is to come, so that the amount of its credit is known here. @throws InvalidMoneyError */
export function expectFunds(step: HoldStep, money: Money): readonly Statement[] {
  return [insertHold(step, money, 'in')]
}

/** Credits what was announced. */
export function creditFunds(step: HoldStep): readonly Statement[] {
  const credit = {
    direction: 'in',
    kind: 'credit',
    debit: 'clearing',
    credit: 'available',
  } as const
  return [bookHold(step, credit), closeHold(step, credit)]
}

/** Forgets what was announced. */
export function declineFunds(step: HoldStep): readonly Statement[] {
  return [closeHold(step, { direction: 'in', kind: 'release' })]
}
