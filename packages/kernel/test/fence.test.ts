import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseFence, slotCount, slotStates, slotText } from '../src/index.ts'

const fences = fc.record({
  slot: fc.integer({ min: 0, max: slotCount - 1 }),
  epoch: fc.nat(),
  state: fc.constantFrom(...slotStates, 'unknown', 'clone', 'unfenced'),
  rest: fc.stringMatching(/^[0-9A-Z.]{0,20}$/),
  peer: fc.option(fc.stringMatching(/^[a-z0-9.-]{1,20}$/), { nil: undefined }),
})

test('a fence is found wherever a server puts it in its message', () => {
  fc.assert(
    fc.property(
      fences,
      fc.constantFrom('', "bad JSON path: '", 'SQLite error: x: "'),
      ({ rest, ...fence }, lead) => {
        const token = `SHARD_FENCED|${slotText(fence.slot)}${rest}|${fence.epoch}|${fence.state}|${fence.peer ?? ''}`
        const closing = lead.at(-1) === '"' || lead.at(-1) === "'" ? lead.at(-1) : ''

        expect(parseFence(`${lead}${token}${closing}`)).toEqual({
          ...fence,
          key: `${slotText(fence.slot)}${rest}`,
        })
      },
    ),
  )
})

test.for([
  '',
  'UNIQUE constraint failed: orders.id',
  'SHARD_FENCED',
  'SHARD_FENCED|000|x|frozen|',
  'SHARD_FENCED|000|1|asleep|',
  'SHARD_FENCED|00|1|frozen|',
])('there is no fence in %j', (message) => {
  expect(parseFence(message)).toBeUndefined()
})
