import { evenSlots } from '@stoa/sharding'
import { expect, test } from 'vitest'

import { type Wish, wavesOf } from '../../src/stoa/wish.ts'

const shards = ['stats-0', 'stats-1', 'stats-2'].map((name) => ({
  name,
  url: 'http://127.0.0.1:1',
  incarnation: 'i',
}))
const keyspace = { shards, slots: evenSlots(['stats-0', 'stats-1'], 64), unit: 64 }

function planned(wish: Partial<Wish>) {
  const whole = { verb: 'move', keyspace: 'stats', to: ['stats-1'], weights: [], ...wish } as const
  return wavesOf(whole, keyspace, { findCuts: async () => [], isBegun: false })
}

test('slots that are whole groups move', async () => {
  const [[step] = []] = await planned({ slots: '64-127,192-255' })

  expect(step).toMatchObject({ from: 'stats-0', to: 'stats-1', scope: { kind: 'slots' } })
})

test.each([
  ['part of a group', { slots: '0-99' }, 'slots 64-99'],
  ['one slot', { slots: '5' }, 'slots 5'],
  ['a slot that gets a database of its own', { verb: 'isolate', slots: '5', to: ['stats-2'] }, '5'],
  ['an owner', { owner: '00501' }, '00501'],
  ['a range of keys', { range: '00501..00502' }, '00501'],
] as const)('%s is refused where slots lie in groups', async (_what, wish, named) => {
  await expect(planned(wish)).rejects.toMatchObject({
    code: 'bad_command',
    message: expect.stringContaining(named) as unknown,
  })
})

test('half of a database, and all of it, are whole groups', async () => {
  for (const wish of [
    { verb: 'split', from: 'stats-0', to: ['stats-2'] },
    { verb: 'drain', from: 'stats-0', to: [] },
    { verb: 'rebalance', to: ['stats-2'] },
  ] as const) {
    const steps = (await planned(wish)).flat()
    const sizes = steps.map(({ scope }) => (scope.kind === 'slots' ? scope.slots.length % 64 : 1))

    expect(steps.length).toBeGreaterThan(0)
    expect(new Set(sizes)).toEqual(new Set([0]))
  }
})
