import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { auditLedger, bookEntry, openBooks, totalOf } from '../src/index.ts'
import { attacks, openVictim } from './attacks.ts'
import { call, type Database, firstOf, type Fleet, idIn, openFleet } from './databases.ts'
import { deposit, openAccount, purseOf, write } from './money.ts'

let fleet: Fleet
let database: Database

beforeEach(async () => {
  fleet = await openFleet()
  database = firstOf(fleet)
})
afterEach(() => fleet.close())

const spend = (account: string, amount: number, source: string) =>
  bookEntry({
    account,
    source,
    kind: 'spend',
    moves: [{ debit: 'available', credit: 'external', money: { currency: 'EUR', amount } }],
    at: 0,
  })

describe('the ledger', () => {
  test('books an entry in one round trip: journal, postings and balances', async () => {
    const account = idIn(3)
    const before = database.sent

    await write(fleet, account, [openBooks(account, 'EUR'), deposit(account, 500)])

    expect(database.sent - before).toBe(1)
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
    expect(await database.run('SELECT seq, book, amount FROM posting ORDER BY book')).toEqual([
      [1, 'available', 500],
      [1, 'external', -500],
    ])
    expect(await auditLedger(database, call)).toEqual([])
  })

  test('refuses what is not there, and writes nothing', async () => {
    const account = await openAccount(fleet, 3, 500)

    await expect(write(fleet, account, [spend(account, 501, 's')])).rejects.toMatchObject({
      code: 'insufficient_funds',
    })
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
  })

  test.for([
    ['account', (account: string) => deposit(`${account.slice(0, 19)}Z`, 5, 'd')],
    [
      'currency',
      (account: string) =>
        bookEntry({
          account,
          source: 'd',
          kind: 'd',
          moves: [
            { debit: 'external', credit: 'available', money: { currency: 'JPY', amount: 5 } },
          ],
          at: 0,
        }),
    ],
    [
      'book',
      (account: string) =>
        bookEntry({
          account,
          source: 'd',
          kind: 'd',
          moves: [{ debit: 'external', credit: 'bonus', money: { currency: 'EUR', amount: 5 } }],
          at: 0,
        }),
    ],
  ] as const)('refuses an unknown %s', async ([, entryOf]) => {
    const account = await openAccount(fleet, 3, 500)

    await expect(write(fleet, account, [entryOf(account)])).rejects.toMatchObject({
      code: 'unknown_account',
    })
  })

  test('books each cause once in an account, for ever', async () => {
    const account = await openAccount(fleet, 3, 500)
    await write(fleet, account, [spend(account, 100, 'evt-1')])

    await expect(write(fleet, account, [spend(account, 100, 'evt-1')])).rejects.toMatchObject({
      code: 'already_booked',
    })
    expect(await purseOf(fleet, account)).toEqual([400, 0, 0])
  })

  test.for([0, -5, 1.5, Number.NaN, Infinity, 2 ** 53])('takes %s for no amount', (amount) => {
    expect(() => deposit(idIn(3), amount)).toThrow(/whole number of minor units/)
  })

  test.for(['eur', 'EURO', '', 'E R'])('takes "%s" for no currency', (currency) => {
    expect(() => openBooks(idIn(3), currency)).toThrow(
      expect.objectContaining({ code: 'invalid_money' }),
    )
  })

  test('does not lose a unit where doubles would', async () => {
    const account = await openAccount(fleet, 3, 2 ** 53 - 1)

    await write(fleet, account, [spend(account, 2 ** 53 - 2, 's')])

    expect(await purseOf(fleet, account)).toEqual([1, 0, 0])
  })

  test('adds up, whatever is booked, tried in vain and repeated', async () => {
    const moves = fc.array(
      fc.record({
        who: fc.nat(2),
        amount: fc.integer({ min: -900, max: 900 }).filter((amount) => amount !== 0),
        cause: fc.nat(8),
      }),
      { maxLength: 25 },
    )
    await fc.assert(
      fc.asyncProperty(moves, async (list) => {
        const accounts = [0, 1, 2].map(() => idIn(9))
        const model = accounts.map(() => ({ sum: 0, causes: new Set<number>() }))
        for (const account of accounts) await write(fleet, account, [openBooks(account, 'EUR')])
        for (const { who, amount, cause } of list) {
          const account = accounts[who] ?? ''
          const book = model[who] ?? { sum: 0, causes: new Set() }
          const isBooked = await write(fleet, account, [
            amount > 0
              ? deposit(account, amount, `c${cause}`)
              : spend(account, -amount, `c${cause}`),
          ]).then(
            () => true,
            () => false,
          )
          expect(isBooked).toBe(!book.causes.has(cause) && book.sum + amount >= 0)
          if (isBooked) book.sum += amount
          if (isBooked) book.causes.add(cause)
        }
        const held = await Promise.all(accounts.map((account) => purseOf(fleet, account)))
        expect(held.map(([available]) => available)).toEqual(model.map(({ sum }) => sum))
        expect(await auditLedger(database, call)).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  test('tells the sum of a book over all accounts', async () => {
    await openAccount(fleet, 3, 500)
    await openAccount(fleet, 4, 250)

    expect(await totalOf(database, 'available', call)).toEqual(new Map([['EUR', 750]]))
  })
})

describe('a hand on the data that', () => {
  test.for(attacks)('%s is stopped', async ([, sql, rule]) => {
    const account = await openVictim(fleet)

    await expect(database.run(sql)).rejects.toThrow(rule)
    expect(await purseOf(fleet, account)).toEqual([500, 0, 0])
  })

  test('moves rows as the mover does passes, and the audit tells what it broke', async () => {
    const account = await openAccount(fleet, 3, 500)

    await database.run("UPDATE _fence SET mover = 'job'")
    await database.run('UPDATE balance SET credit = credit + 5 WHERE book = ?', 'available')
    await database.run('UPDATE _fence SET mover = NULL')

    expect(await auditLedger(database, call)).toEqual([
      { rule: 'balance_is_postings', account, detail: 'available EUR' },
    ])
  })

  test('moves an account to another database, whatever comes first, and it goes on there', async () => {
    const account = await openVictim(fleet)
    const target = await openFleet()
    const other = firstOf(target)
    await other.run("UPDATE _fence SET mover = 'job'")
    for (const table of ['seal', 'posting', 'balance', 'hold', 'journal']) {
      const info = (await database.run(`SELECT name FROM pragma_table_info('${table}')`)).flat()
      const rows = await database.run(
        `SELECT ${info.join()} FROM ${table} WHERE account = ?`,
        account,
      )
      const places = info.map(() => '?').join()
      for (const row of rows) await other.run(`INSERT INTO ${table} VALUES (${places})`, ...row)
    }
    await other.run('UPDATE _fence SET mover = NULL')

    await write(target, account, [spend(account, 100, 'after the move')])

    expect(await purseOf(target, account)).toEqual([400, 0, 0])
    expect(await auditLedger(other, call)).toEqual([])
    await expect(write(target, account, [deposit(account, 500)])).rejects.toMatchObject({
      code: 'already_booked',
    })
    target.close()
  })
})
