import { countingMigration } from '@stoa/counting'
import { expect, inject, test } from 'vitest'

import { kinds } from '../src/domain/kinds.ts'

test('the tables of the kinds are those of the migrations', () => {
  expect(inject('countingSql')).toBe(countingMigration(kinds))
})
