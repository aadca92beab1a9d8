import { expect, test } from 'vitest'

import { isCurrency } from '../src/domain/product.ts'

test.each(['EUR', 'USD', 'JPY', 'KWD', 'CHF'])('%s is a currency', (code) => {
  expect(isCurrency(code)).toBe(true)
})

test.each(['QQQ', 'eur', 'EURO', ''])('%j is none', (code) => {
  expect(isCurrency(code)).toBe(false)
})
