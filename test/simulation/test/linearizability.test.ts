import { describe, expect, test } from 'vitest'

import { checkLinearizable, type Model, type Operation } from '../src/checkers/linearizability.ts'
import { createChance } from '../src/core/chance.ts'

type Input = { readonly write: number } | { readonly expect: number; readonly set: number } | 'read'

/** A register with compare-and-set, as the etcd and Consul histories of Jepsen are judged. */
const register: Model<number, Input, number | boolean> = {
  initial: 0,
  step: (state, input, output) => {
    if (input === 'read') return output === undefined || output === state ? state : undefined
    if ('write' in input) return input.write
    const isSet = state === input.expect
    if (output !== undefined && output !== isSet) return undefined
    return isSet ? input.set : state
  },
  keyOf: String,
}

type Op = Operation<Input, number | boolean>

/** One operation: from when to when, what, and what it answered; without an answer its outcome is unknown. */
function op(calledAt: number, returnedAt: number, input: Input, output?: number | boolean): Op {
  const isCertain = output !== undefined || returnedAt !== Infinity
  return { calledAt, returnedAt, input, output, isCertain }
}

const unknown = (calledAt: number, input: Input): Op => op(calledAt, Infinity, input)

/** Each with the reason for which it is good or bad. */
const good: Record<string, readonly Op[]> = {
  'nothing happened': [],
  'a read sees the write before it': [op(1, 2, { write: 1 }), op(3, 4, 'read', 1)],
  'a read beside a write sees the old value': [op(1, 4, { write: 1 }), op(2, 3, 'read', 0)],
  'a read beside a write sees the new value': [op(1, 4, { write: 1 }), op(2, 3, 'read', 1)],
  'of two writes at once either is last': [
    op(1, 4, { write: 1 }),
    op(2, 3, { write: 2 }),
    op(5, 6, 'read', 1),
  ],
  'an unknown write took effect late': [
    unknown(1, { write: 1 }),
    op(2, 3, 'read', 0),
    op(4, 5, 'read', 1),
  ],
  'an unknown write never took effect': [unknown(1, { write: 1 }), op(2, 3, 'read', 0)],
  'a compare-and-set that failed found another value': [
    op(1, 2, { write: 1 }),
    op(3, 4, { expect: 0, set: 5 }, false),
    op(5, 6, 'read', 1),
  ],
  'the order that ends first is not the order that works': [
    op(1, 10, { write: 1 }),
    op(2, 9, { write: 2 }),
    op(3, 8, { expect: 2, set: 3 }, true),
    op(4, 7, { expect: 3, set: 4 }, true),
    op(11, 12, 'read', 1),
  ],
}

const bad: Record<string, readonly Op[]> = {
  'a read misses a write that was acknowledged before it': [
    op(1, 2, { write: 1 }),
    op(3, 4, 'read', 0),
  ],
  'a value that nobody wrote': [op(1, 2, { write: 1 }), op(3, 4, 'read', 7)],
  'the value goes back': [op(1, 6, { write: 1 }), op(2, 3, 'read', 1), op(4, 5, 'read', 0)],
  'two compare-and-sets of one value both won': [
    op(1, 4, { expect: 0, set: 1 }, true),
    op(2, 3, { expect: 0, set: 2 }, true),
  ],
  'an unknown write was seen before it was called': [op(1, 2, 'read', 1), unknown(3, { write: 1 })],
  'an unknown write is seen, then not': [
    unknown(1, { write: 1 }),
    op(2, 3, 'read', 1),
    op(4, 5, 'read', 0),
  ],
  'a write that surely happened was never seen': [
    { ...unknown(1, { expect: 0, set: 1 }), isCertain: true, output: true },
    op(2, 3, { write: 5 }, true),
    op(4, 5, 'read', 5),
    { ...op(6, 7, { expect: 0, set: 1 }, true) },
  ],
}

describe('the checker', () => {
  test.each(Object.entries(good))('accepts that %s', (_, history) => {
    expect(checkLinearizable(register, history)).toBe('linearizable')
  })

  test.each(Object.entries(bad))('refuses that %s', (_, history) => {
    expect(checkLinearizable(register, history)).toBe('not_linearizable')
  })

  test('agrees with trying every order', () => {
    for (let seed = 1; seed <= 2_000; seed += 1) {
      const history = randomHistory(seed)
      const verdict = checkLinearizable(register, history)

      expect([seed, verdict]).toEqual([
        seed,
        hasOrder(history) ? 'linearizable' : 'not_linearizable',
      ])
    }
  })

  test('judges a thousand operations of eight clients in a moment', () => {
    const history = longHistory(1_000)

    expect(checkLinearizable(register, history)).toBe('linearizable')
    const [first, ...others] = history.toReversed()
    if (first === undefined) throw new Error('Cannot happen: the history is not empty')
    const spoilt = [...others.toReversed(), { ...first, input: 'read' as const, output: -1 }]
    expect(checkLinearizable(register, spoilt)).toBe('not_linearizable')
  })

  test('gives up rather than think for ever', () => {
    const writes = Array.from({ length: 40 }, (_, value) =>
      unknown(0, { expect: value, set: 99 - value }),
    )
    const many = Array.from({ length: 30 }, (_, value) => op(0, 100, { write: value }, true))

    expect(checkLinearizable(register, [...writes, ...many, op(101, 102, 'read', -1)])).toBe(
      'undecided',
    )
  })
})

/** Up to five operations with random times, kinds and answers: about half of them make no sense. */
function randomHistory(seed: number): readonly Op[] {
  const chance = createChance(seed)
  return Array.from({ length: 2 + chance.whole(4) }, () => {
    const from = chance.whole(12)
    const to = chance.happens(0.15) ? Infinity : from + 1 + chance.whole(6)
    const input = chance.pick<Input>([
      'read',
      { write: chance.whole(3) },
      { expect: chance.whole(3), set: chance.whole(3) },
    ])
    if (to === Infinity) return unknown(from, input)
    if (input === 'read') return op(from, to, input, chance.whole(3))
    return op(from, to, input, 'write' in input ? true : chance.happens(0.5))
  })
}

/** The definition, tried out: some order of some of the operations agrees with time and with the register. */
function hasOrder(history: readonly Op[], state = 0): boolean {
  if (history.every(({ isCertain }) => !isCertain)) return true
  return history.some((operation, index) => {
    const others = history.filter((_, other) => other !== index)
    if (others.some(({ returnedAt }) => returnedAt < operation.calledAt)) return false
    const next = register.step(state, operation.input, operation.output)
    return next !== undefined && hasOrder(others, next)
  })
}

/** Eight clients at a real register: each operation takes effect at a random moment between its call and its return. */
function longHistory(length: number): readonly Op[] {
  const chance = createChance(7)
  const freeAt = Array.from({ length: 8 }, () => 0)
  const planned = Array.from({ length }, () => {
    const client = chance.whole(8)
    const calledAt = (freeAt[client] ?? 0) + chance.fraction()
    const takesEffectAt = calledAt + chance.fraction()
    const returnedAt = takesEffectAt + chance.fraction()
    freeAt[client] = returnedAt
    const input = chance.pick<Input>([
      'read',
      { write: chance.whole(5) },
      { expect: chance.whole(5), set: chance.whole(5) },
    ])
    return { calledAt, takesEffectAt, returnedAt, input }
  })
  let state = 0
  const answered = planned
    .toSorted((a, b) => a.takesEffectAt - b.takesEffectAt)
    .map((each) => {
      const { calledAt, returnedAt, input } = each
      const output = input === 'read' ? state : 'write' in input ? true : state === input.expect
      state = register.step(state, input, output) ?? state
      return op(calledAt, returnedAt, input, output)
    })
  return answered.toSorted((a, b) => a.returnedAt - b.returnedAt)
}
