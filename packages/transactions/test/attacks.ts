import { firstOf, type Fleet } from './databases.ts'
import { openAccount, purseOf } from './money.ts'

/** An entry in EUR as the second one of the account. */
function entry(source: string, lines: readonly (readonly [string, number | string])[]): string {
  const text = lines.map(([book, amount]) => `["${book}","EUR",${amount}]`).join()
  return `INSERT INTO journal (account, seq, source, kind, lines, at) SELECT account, 2, '${source}', 'k', '[${text}]', 0 FROM hold`
}

/** Hands on the data, with the rule that stops each. */
export const attacks: readonly (readonly [string, string, string])[] = [
  ['changes an entry', "UPDATE journal SET kind = 'x'", 'append_only'],
  ['removes an entry', 'DELETE FROM journal', 'append_only'],
  ['changes a posting', 'UPDATE posting SET amount = amount * 2', 'append_only'],
  ['removes a posting', 'DELETE FROM posting', 'append_only'],
  ['raises a balance', 'UPDATE balance SET credit = credit + 5', 'balance_without_posting'],
  [
    'raises a balance under an entry to come',
    'UPDATE balance SET credit = credit + 5, seq = seq + 1',
    'balance_without_posting',
  ],
  ['lifts a limit', 'UPDATE balance SET limited = 0, seq = seq', 'balance_without_posting'],
  ['removes a balance', 'DELETE FROM balance', 'append_only'],
  [
    'opens a balance with money in it',
    "INSERT INTO balance (account, book, currency, credit, limited) SELECT account, 'x', 'EUR', 5, 1 FROM balance LIMIT 1",
    'balance_without_posting',
  ],
  [
    'posts without an entry',
    "INSERT INTO posting (account, seq, book, currency, amount) SELECT account, 9, 'available', 'EUR', 5 FROM balance LIMIT 1",
    'posting_without_entry',
  ],
  [
    'books an entry that does not balance',
    `INSERT INTO journal (account, seq, source, kind, lines, at) SELECT account, 2, 's', 'k', '[["available","EUR",5]]', 0 FROM balance LIMIT 1`,
    'unbalanced_entry',
  ],
  [
    'balances one currency with another',
    `INSERT INTO journal (account, seq, source, kind, lines, at) SELECT account, 2, 's', 'k', '[["available","EUR",5],["external","JPY",-5]]', 0 FROM balance LIMIT 1`,
    'unbalanced_entry',
  ],
  [
    'leaves a number out',
    `INSERT INTO journal (account, seq, source, kind, lines, at) SELECT account, 3, 's', 'k', '[["available","EUR",5],["external","EUR",-5]]', 0 FROM balance LIMIT 1`,
    'journal_gap',
  ],
  ['raises a hold', 'UPDATE hold SET amount = amount + 1', 'append_only'],
  ['reopens a hold', 'UPDATE hold SET released = released - 1', 'append_only'],
  ['removes a hold', 'DELETE FROM hold', 'append_only'],
  ['captures more than is held', 'UPDATE hold SET captured = 6', 'hold_exceeded'],
  [
    'opens a hold that is captured',
    "INSERT INTO hold (account, gid, branch, direction, currency, amount, captured, at, changed_at) SELECT account, 'g2', 'b', 'out', 'EUR', 5, 5, 0, 0 FROM hold",
    'hold_not_open',
  ],
  [
    'opens a hold in a currency that the account has not',
    "INSERT INTO hold (account, gid, branch, direction, currency, amount, at, changed_at) SELECT account, 'g2', 'b', 'in', 'JPY', 5, 0, 0 FROM hold",
    'unknown_account',
  ],
  [
    'overdraws a book',
    entry('opening 2', [
      ['available', -501],
      ['external', 501],
    ]),
    'insufficient_funds',
  ],
  [
    'books a cause twice',
    entry('opening', [
      ['available', 5],
      ['external', -5],
    ]),
    'UNIQUE constraint failed: journal.account, journal.source',
  ],
  [
    'books what is no whole number',
    entry('s', [
      ['available', 1.5],
      ['external', -1.5],
    ]),
    'invalid_amount',
  ],
  [
    'books nothing',
    entry('s', [
      ['available', 0],
      ['external', 0],
    ]),
    'invalid_amount',
  ],
  [
    'books to a book that is not there',
    entry('s', [
      ['bonus', 5],
      ['external', -5],
    ]),
    'unknown_account',
  ],
  [
    'counts past the largest number',
    `INSERT INTO journal (account, seq, source, kind, lines, at)
SELECT account, n + 1, 's' || n, 'k', '[["available","EUR",4611686018427387904],["external","EUR",-4611686018427387904]]', 0
FROM hold, (SELECT 1 AS n UNION ALL SELECT 2)`,
    'balance_overflow',
  ],
  ['changes a seal', 'UPDATE seal SET at = 1', 'append_only'],
  ['removes a seal', 'DELETE FROM seal', 'append_only'],
]

/** An account that holds 500, with an entry, a hold and a seal to lay hands on. */
export async function openVictim(fleet: Fleet): Promise<string> {
  const database = firstOf(fleet)
  const account = await openAccount(fleet, 3, 500)
  await database.run(
    `INSERT INTO hold (account, gid, branch, direction, currency, amount, at, changed_at) VALUES (?, 'g', 'b', 'in', 'EUR', 5, 0, 0)`,
    account,
  )
  await database.run('UPDATE hold SET released = 5')
  await database.run(
    'INSERT INTO seal (account, seq, hash, at) VALUES (?, 1, ?, 0)',
    account,
    'a'.repeat(64),
  )
  return account
}

/** Tries every attack. @throws the first that its rule did not stop */
export async function attackAll(fleet: Fleet): Promise<void> {
  const database = firstOf(fleet)
  const account = await openVictim(fleet)
  const opened = await purseOf(fleet, account)
  if (opened[0] !== 500) throw new Error('the opening was not counted')
  for (const [name, sql, rule] of attacks) {
    const answer = await database.run(sql).then(
      () => 'nothing',
      (error: unknown) => String(error),
    )
    if (!answer.includes(rule)) throw new Error(`who ${name} met ${answer}`)
  }
}
