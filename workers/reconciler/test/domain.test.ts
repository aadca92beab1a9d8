import type { Entry, Group, Look } from '@stoa/reconciliation'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { judgeStatement } from '../src/domain/money.ts'
import { repair, RepairUnavailableError } from '../src/domain/repairs.ts'
import { mergeSpans, spansOfKeys } from '../src/domain/tiers.ts'
import { call } from './harness.ts'

const text = fc.string({ unit: fc.constantFrom('0', 'A', 'Z', ':'), minLength: 1, maxLength: 6 })

function covers(spans: readonly { from: string; to: string }[], key: string): boolean {
  return spans.some(({ from, to }) => key >= from && key < to)
}

function areApart(spans: readonly { from: string; to: string }[]): boolean {
  return spans.every(({ from, to }, n) => from < to && (n === 0 || (spans[n - 1]?.to ?? '') < from))
}

test('covers all keys that begin as said, and those alone, in spans that are apart', () => {
  fc.assert(
    fc.property(fc.array(text), text, (beginnings, key) => {
      const spans = spansOfKeys(beginnings)

      const isWanted = beginnings.some((each) => key.startsWith(each))
      expect(covers(spans, key)).toBe(isWanted)
      expect(areApart(spans)).toBe(true)
    }),
  )
})

test('covers everything where single keys are too many', () => {
  const keys = Array.from({ length: 1_000 }, (_, n) => `0${n + 1_000}`)

  expect(covers(spansOfKeys(keys), 'ZZZ')).toBe(true)
})

test('merges spans that overlap or touch, and covers what they cover', () => {
  const span = fc
    .tuple(text, text)
    .map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: `${a}~` }))
  fc.assert(
    fc.property(fc.array(span), text, (spans, key) => {
      const merged = mergeSpans(spans)

      expect(covers(merged, key)).toBe(covers(spans, key))
      expect(areApart(merged)).toBe(true)
    }),
  )
})

const noon = 1_790_000_000_000 - (1_790_000_000_000 % 86_400_000) + 43_200_000
const look: Look = {
  horizon: noon + 86_400_000,
  watermarks: [noon + 86_400_000, noon + 86_400_000],
  now: noon + 86_400_000,
}

function told(fields: Entry['fields'] = {}): Entry {
  return {
    key: '00000:op',
    at: noon,
    fields: { payment: 'p', kind: 'capture', amount: 5, currency: 'EUR', ...fields },
  }
}

function actionsOf(ours: readonly Entry[], theirs: readonly Entry[]) {
  const group: Group = { key: '00000:op', entries: [ours, theirs] }
  return judgeStatement(group, look).map((each) => [each.class, each.action, each.amount])
}

test('finds nothing wrong with an operation that both tell of alike', () => {
  expect(actionsOf([told()], [told()])).toEqual([])
  expect(actionsOf([told()], [told({ payment: null })])).toEqual([])
})

test('tells money of our payments from money of nobody', () => {
  expect(actionsOf([], [told()])).toEqual([['missing_internal', 'replay_paid', 5]])
  expect(actionsOf([], [told({ payment: null })])).toEqual([
    ['missing_internal', 'refund_unknown', 5],
  ])
  expect(actionsOf([told()], [])).toEqual([['missing_external', 'suspend', 5]])
})

test.for([{ amount: 4 }, { currency: 'USD' }, { kind: 'refund' }])(
  'finds that the provider says %o',
  (other) => {
    expect(actionsOf([told()], [told(other)]).map(([name]) => name)).toEqual(['amount_mismatch'])
  },
)

test('refuses a repair that nobody does, and says which', async () => {
  const order = {
    idempotencyKey: 'k',
    class: 'stock_drift',
    key: 'x',
    action: 'adjust',
    amount: 0,
    detail: '{"of":"stock"}',
  } as const

  const refused = repair({}, order, call)

  await expect(refused).rejects.toThrow(RepairUnavailableError)
  await expect(refused).rejects.toThrow('nobody does "adjust" for what "stock" finds')
})
