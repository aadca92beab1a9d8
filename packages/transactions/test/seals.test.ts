import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createSeals, type Seals } from '../src/index.ts'
import { call, clock, type Database, firstOf, type Fleet, openFleet } from './databases.ts'
import { deposit, openAccount, write } from './money.ts'

let fleet: Fleet
let database: Database
let seals: Seals
let account: string

beforeEach(async () => {
  fleet = await openFleet()
  database = firstOf(fleet)
  seals = createSeals({ keyspace: fleet.router, clock })
  account = await openAccount(fleet, 3, 500)
  for (const source of ['a', 'b', 'c', 'd']) {
    await write(fleet, account, [deposit(account, 5, source)])
    if (source === 'b') await seals.seal(account, call)
  }
  await seals.seal(account, call)
})
afterEach(() => fleet.close())

/** A hand that has the mover's pass, or the file itself. */
async function tamper(sql: string): Promise<void> {
  await database.run("UPDATE _fence SET mover = 'somebody'")
  await database.run(sql, account)
  await database.run('UPDATE _fence SET mover = NULL')
}

describe('the chain of an account', () => {
  test('is intact as it was sealed, in two pieces', async () => {
    expect(await seals.verify(account, call)).toEqual({ intact: true, sealed: 5 })
    expect(await database.run('SELECT seq FROM seal ORDER BY seq')).toEqual([[3], [5]])
  })

  test('costs a round trip when there is nothing to seal', async () => {
    const before = database.sent

    expect(await seals.seal(account, call)).toBe(0)
    expect(database.sent - before).toBe(1)
  })

  test('has the same hashes wherever it was cut', async () => {
    const [whole = []] = await database.run('SELECT hash FROM seal WHERE seq = 5')
    await tamper('DELETE FROM seal WHERE account = ?')

    await seals.seal(account, call)

    expect(await database.run('SELECT seq, hash FROM seal')).toEqual([[5, ...whole]])
  })

  test('takes two sealers at once', async () => {
    await write(fleet, account, [deposit(account, 5, 'e')])

    await Promise.all([seals.seal(account, call), seals.seal(account, call)])

    expect(await seals.verify(account, call)).toEqual({ intact: true, sealed: 6 })
  })

  test('goes on over more entries than are read at once', async () => {
    await database.run(
      `INSERT INTO journal (account, seq, source, kind, lines, at)
WITH RECURSIVE n(i) AS (SELECT 6 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
SELECT ?, i, 'n' || i, 'k', '[["external","EUR",-1],["available","EUR",1]]', 0 FROM n`,
      account,
    )
    const sealed = [1, 2, 3].map(() => 0)
    for (const index of sealed.keys()) sealed[index] = await seals.seal(account, call)

    expect(sealed).toEqual([500, 500, 95])
    expect(await seals.verify(account, call)).toEqual({ intact: true, sealed: 1100 })
  })

  test.for([
    [
      'an amount',
      "UPDATE journal SET lines = replace(lines, '5', '6') WHERE account = ? AND seq = 2",
      3,
    ],
    ['a cause', "UPDATE journal SET source = 'x' WHERE account = ? AND seq = 4", 5],
    ['a time', 'UPDATE journal SET at = at + 1 WHERE account = ? AND seq = 1', 3],
    ['an entry in the middle', 'DELETE FROM journal WHERE account = ? AND seq = 4', 4],
    ['the last entry', 'DELETE FROM journal WHERE account = ? AND seq = 5', 5],
    ['all entries', 'DELETE FROM journal WHERE account = ?', 3],
  ] as const)('shows that %s was changed', async ([, sql, brokenAt]) => {
    await tamper(sql)

    expect(await seals.verify(account, call)).toEqual({ intact: false, brokenAt })
  })
})
