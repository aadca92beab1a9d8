import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { type Call, manualClock, remainingMs, rootCall, systemClock, within } from '../src/index.ts'

test('within narrows and never widens, however often it is applied', () => {
  const steps = fc.array(
    fc.record({ ms: fc.integer({ min: -10, max: 500 }), pass: fc.integer({ min: 0, max: 100 }) }),
    { minLength: 1, maxLength: 20 },
  )
  fc.assert(
    fc.property(steps, (list) => {
      const clock = manualClock(1_000)
      const chain: Call[] = [rootCall('r')]
      for (const { ms, pass } of list) {
        const outer = chain.at(-1) ?? rootCall('r')
        const inner = within(outer, ms, clock)
        expect(inner.deadline).toBeLessThanOrEqual(outer.deadline ?? Infinity)
        expect(inner.deadline).toBeLessThanOrEqual(clock.now() + Math.max(0, ms))
        expect(remainingMs(inner, clock)).toBeLessThanOrEqual(remainingMs(outer, clock))
        chain.push(inner)
        clock.advance(pass)
      }
      for (const call of chain) {
        expect(call.signal.aborted).toBe(clock.now() >= (call.deadline ?? Infinity))
      }
    }),
  )
})

test('a call that is late aborts with a fault that says so', () => {
  const clock = manualClock()
  const call = within(rootCall('r1'), 50, clock)

  clock.advance(50)

  expect(call.signal.reason).toMatchObject({ code: 'deadline_exceeded', requestId: 'r1' })
  expect(remainingMs(call, clock)).toBe(0)
})

test('a narrowed call still ends when its caller hangs up', () => {
  const caller = new AbortController()
  const call = within({ requestId: 'r', signal: caller.signal }, 50, systemClock)

  caller.abort(new Error('hung up'))

  expect(call.signal.reason).toEqual(new Error('hung up'))
})

test('a call without a deadline has for ever', () => {
  expect(remainingMs(rootCall('r'), manualClock())).toBe(Infinity)
})
