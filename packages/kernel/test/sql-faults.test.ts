import { expect, test } from 'vitest'

import { readConstraint, ShardUnavailableError } from '../src/index.ts'

test.for<[string, string, string]>([
  ['SQLite error: UNIQUE constraint failed: a.x, a.y', 'unique', 'a.x, a.y'],
  ['SQLITE_CONSTRAINT: SQLite error: NOT NULL constraint failed: a.x', 'not_null', 'a.x'],
  ['CHECK constraint failed: positive', 'check', 'positive'],
  ['FOREIGN KEY constraint failed', 'foreign_key', 'FOREIGN KEY'],
  ['SQLITE_CONSTRAINT: SQLite error: ledger is append-only', 'trigger', 'ledger is append-only'],
])('a constraint is read from %j', ([message, type, constraint]) => {
  expect(readConstraint(message)).toEqual({ type, constraint })
})

test('only what may pass by itself is worth another try', () => {
  const retryable = (
    ['network', 'server', 'blocked', 'unknown_database', 'unauthorized'] as const
  ).filter((reason) => new ShardUnavailableError('s', reason).retryable)

  expect(retryable).toEqual(['network', 'server'])
})
