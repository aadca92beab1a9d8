import { Fault, type Rows, SqlConstraintError, type Statement } from '@stoa/kernel'

import { checkedMoney, type Money } from './money.ts'

/** The books of a wallet. A business may name others. */
export type Book = 'available' | 'frozen' | 'clearing' | 'external' | (string & {})

/** A book of an account. `limited`: it may not go below zero. */
export type OpenBook = { readonly book: Book; readonly limited: boolean }

/** What an owner of money needs: what may be spent, what is promised, what is under way, and the world outside. */
export const walletBooks: readonly OpenBook[] = [
  { book: 'available', limited: true },
  { book: 'frozen', limited: true },
  { book: 'clearing', limited: false },
  { book: 'external', limited: false },
]

/** Money that leaves `debit` for `credit`, two books of one account. */
export type Move = { readonly debit: Book; readonly credit: Book; readonly money: Money }

/** One entry in the journal of one account. */
export type Entry = {
  readonly account: string
  /** What caused it; a second entry of the same cause is refused, for ever. */
  readonly source: string
  readonly kind: string
  readonly moves: readonly Move[]
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A book would go below zero. Nothing was written. */
export class InsufficientFundsError extends Fault {
  override readonly name = 'InsufficientFundsError'
  override readonly code = 'insufficient_funds'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot book the entry: its account does not hold that much', options)
  }
}

/** The account has not that book in that currency. Nothing was written. */
export class UnknownAccountError extends Fault {
  override readonly name = 'UnknownAccountError'
  override readonly code = 'unknown_account'
  override readonly kind = 'not_found'
  constructor(options?: ErrorOptions) {
    super('Cannot book the entry: its account has no such book in this currency', options)
  }
}

/** An entry of the same cause is in the journal. Nothing was written. */
export class AlreadyBookedError extends Fault {
  override readonly name = 'AlreadyBookedError'
  override readonly code = 'already_booked'
  override readonly kind = 'already_exists'
  constructor(options?: ErrorOptions) {
    super('Cannot book the entry: its cause is in the journal already', options)
  }
}

/** The hold is not there, or less of it is open than was asked for. Nothing was written. */
export class HoldExceededError extends Fault {
  override readonly name = 'HoldExceededError'
  override readonly code = 'hold_exceeded'
  override readonly kind = 'failed_precondition'
  constructor(options?: ErrorOptions) {
    super('Cannot settle the hold: so much of it is not open', options)
  }
}

const faults: Readonly<Record<string, new (options?: ErrorOptions) => Fault>> = {
  insufficient_funds: InsufficientFundsError,
  unknown_account: UnknownAccountError,
  'journal.account, journal.source': AlreadyBookedError,
  hold_exceeded: HoldExceededError,
  'journal.lines': HoldExceededError,
}

/** The ledger's own word for a rule that a batch broke; any other error as it is. */
export function ledgerFault(error: unknown): unknown {
  if (!(error instanceof SqlConstraintError)) return error
  const Known = faults[error.constraint]
  return Known === undefined ? error : new Known({ cause: error })
}

/** The number of an account's next entry, within the batch. One binding: the account. */
export const nextSeq = '1 + coalesce((SELECT max(seq) FROM journal WHERE account = ?), 0)'

const always: Statement = { sql: 'TRUE', args: [] }

/** Opens books of `account`, empty. A book that is open stays as it is. */
export function openBooks(
  account: string,
  currency: string,
  books: readonly OpenBook[] = walletBooks,
): Statement {
  checkedMoney({ currency, amount: 1 })
  return {
    sql: `INSERT INTO balance (account, book, currency, limited)
SELECT ?, value ->> 'book', ?, value ->> 'limited' FROM json_each(?) WHERE TRUE ON CONFLICT DO NOTHING`,
    args: [account, currency, JSON.stringify(books)],
  }
}

/** The lines of `moves`, one for each book and currency; what cancels out is left away. */
function linesOf(moves: readonly Move[]): string {
  const sums = new Map<string, readonly [Book, string, number]>()
  for (const { debit, credit, money } of moves) {
    const { currency, amount } = checkedMoney(money)
    for (const [book, change] of [[debit, -amount] as const, [credit, amount] as const]) {
      const key = `${book}|${currency}`
      sums.set(key, [book, currency, (sums.get(key)?.[2] ?? 0) + change])
    }
  }
  return JSON.stringify([...sums.values()].filter(([, , amount]) => amount !== 0))
}

/**
 * Books `entry`, when `gate` holds. Money moves between two books of one account, so that the rows always lie together;
 * between accounts it goes through `clearing` of both.
 *
 * The batch aborts when a book is unknown or would go below its limit, or the cause is booked: see {@link ledgerFault}.
 *
 * @throws InvalidMoneyError.
 */
export function bookEntry(entry: Entry, gate: Statement = always): Statement {
  const { account, source, kind, moves, at } = entry
  return {
    sql: `INSERT INTO journal (account, seq, source, kind, lines, at)
SELECT ?, ${nextSeq}, ?, ?, ?, ? WHERE ${gate.sql}`,
    args: [account, account, source, kind, linesOf(moves), at, ...gate.args],
  }
}

/** What an account holds in one book. */
export type Balance = Money & { readonly book: Book }

/** Reads all balances of `account`; see {@link balancesFrom}. */
export function selectBalances(account: string): Statement {
  return {
    sql: 'SELECT book, currency, credit - debit AS amount FROM balance WHERE account = ?',
    args: [account],
  }
}

/** The rows of {@link selectBalances}. An amount may be 0, and below where the book has no limit. */
export function balancesFrom({ rows }: Rows): readonly Balance[] {
  return rows.map(([book, currency, amount]) => ({
    book: String(book),
    currency: String(currency),
    amount: Number(amount),
  }))
}
