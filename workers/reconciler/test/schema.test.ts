import { digestDdl, reconciliationDdl } from '@stoa/reconciliation'
import { expect, test } from 'vitest'

import { select } from './harness.ts'

/** What SQLite keeps of a statement: from its first word, without the semicolon behind it. */
function keptOf(statement: string): string {
  return statement
    .trim()
    .replace(/^(?:--.*\n)*/, '')
    .replace(/;$/, '')
}

test('has the tables of the package to the letter', async () => {
  const rows = await select('reconciler', 'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL')
  const kept = new Set(rows.map(([sql]) => String(sql)))

  const wanted = [reconciliationDdl, digestDdl].flatMap((ddl) =>
    ddl.split('--> statement-breakpoint').map(keptOf),
  )

  expect(wanted.length).toBeGreaterThan(10)
  expect(wanted.filter((sql) => !kept.has(sql))).toEqual([])
})
