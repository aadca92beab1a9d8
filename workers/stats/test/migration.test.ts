import { countingMigration } from '@stoa/counting'
import { expect, inject, test } from 'vitest'

import { kinds } from '../src/domain/kinds.ts'

/** A statement as a database keeps it: without what is said before it, and without its end. */
function kept(statement: string): string {
  return statement.slice(statement.indexOf('CREATE TABLE')).trim().replace(/;$/, '')
}

test('the tables of the kinds are those that the migrations leave', () => {
  const expected = countingMigration(kinds).split('--> statement-breakpoint').map(kept)

  expect(inject('countingTables')).toEqual(expected.toSorted())
})
