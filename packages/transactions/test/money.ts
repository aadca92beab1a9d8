import type { Statement } from '@stoa/kernel'
import { seededRandom } from '@stoa/kernel'

import {
  type Book,
  bookEntry,
  createWallets,
  ledgerFault,
  openBooks,
  selectBalances,
  balancesFrom,
  type Wallets,
} from '../src/index.ts'
import { call, clock, type Fleet, idIn } from './databases.ts'

/** Runs statements of the ledger as a service would. @throws the ledger's own faults */
export async function write(fleet: Fleet, key: string, statements: readonly Statement[]) {
  try {
    return await fleet.router.write(key, statements, call)
  } catch (error) {
    throw ledgerFault(error)
  }
}

/** Money that comes from outside. */
export function deposit(account: string, amount: number, source = 'opening'): Statement {
  const money = { currency: 'EUR', amount }
  const moves = [{ debit: 'external', credit: 'available', money }]
  return bookEntry({ account, source, kind: 'deposit', moves, at: clock.now() })
}

/** An account in a slot, with so much money. */
export async function openAccount(fleet: Fleet, slot: number, amount: number): Promise<string> {
  const account = idIn(slot)
  const opening = amount === 0 ? [] : [deposit(account, amount)]
  await write(fleet, account, [openBooks(account, 'EUR'), ...opening])
  return account
}

/** What an account holds: available, frozen, clearing. */
export async function purseOf(fleet: Fleet, account: string): Promise<readonly number[]> {
  const rows = await fleet.router.read(account, selectBalances(account), call)
  const books: readonly Book[] = ['available', 'frozen', 'clearing']
  const balances = balancesFrom(rows)
  return books.map((name) => balances.find(({ book }) => book === name)?.amount ?? Number.NaN)
}

export function walletsOf(fleet: Fleet, seed = 1): Wallets {
  return createWallets({ keyspace: fleet.router, clock, random: seededRandom(seed) })
}
