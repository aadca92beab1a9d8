import { expect, test } from 'vitest'

import { Fault, InvalidIdError, isFault } from '../src/index.ts'

class TestError extends Fault {
  override readonly name = 'TestError'
  override readonly code = 'test'
  override readonly kind = 'aborted'
}

test('a fault is known as one, and nothing else is', () => {
  expect(isFault(new TestError('x'))).toBe(true)
  expect(isFault(new InvalidIdError())).toBe(true)
  for (const other of [new Error('x'), { code: 'test', kind: 'aborted' }, null, undefined, 'x']) {
    expect(isFault(other)).toBe(false)
  }
})

test('a fault is known across copies of the kernel', async () => {
  const copy = '../src/fault.ts?copy'
  const other = (await import(/* @vite-ignore */ copy)) as { Fault: typeof Fault }
  class Foreign extends other.Fault {
    override readonly code = 'foreign'
    override readonly kind = 'not_found'
  }

  const foreign = new Foreign('x')

  expect(foreign instanceof Fault).toBe(false)
  expect(isFault(foreign)).toBe(true)
})

test('a fault keeps its cause and is not retryable unless it says so', () => {
  const cause = new Error('why')

  const fault = new TestError('x', { cause })

  expect(fault).toMatchObject({ cause, retryable: false, retryAfterMs: undefined })
})
