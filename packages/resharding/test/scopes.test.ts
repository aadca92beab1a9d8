import { slotCount } from '@stoa/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { defaultLimits, scopesOf } from '../src/index.ts'

const slots = fc.uniqueArray(fc.nat(slotCount - 1), { maxLength: 5_000 })

test('the scopes of many slots are each of them once, in order, in as few moves as can be', () => {
  fc.assert(
    fc.property(slots, fc.constantFrom(1, 64, 1_024), (asked, size) => {
      const scopes = scopesOf(asked, size)

      const taken = scopes.map((scope) => (scope.kind === 'slots' ? scope.slots : []))
      expect(taken.flat()).toEqual(asked.toSorted((one, other) => one - other))
      expect(taken.every((list) => list.length <= size)).toBe(true)
      expect(scopes).toHaveLength(Math.ceil(asked.length / size))
    }),
    { numRuns: 30 },
  )
})

test('the scopes of all slots hold whole groups of any power of two up to what one move takes', () => {
  const groups = Array.from({ length: 100 }, (_, group) => group * 3)
  for (const unit of [1, 64, defaultLimits.slots]) {
    const whole = groups
      .filter((group) => group < slotCount / unit)
      .flatMap((group) => Array.from({ length: unit }, (_, at) => group * unit + at))

    for (const scope of scopesOf(whole)) {
      const counts = Map.groupBy(scope.kind === 'slots' ? scope.slots : [], (slot) =>
        Math.floor(slot / unit),
      )
      expect([...counts.values()].every((list) => list.length === unit)).toBe(true)
    }
  }
})
