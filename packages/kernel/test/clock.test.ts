import { expect, test } from 'vitest'

import { manualClock, sleep, systemClock, timeout } from '../src/index.ts'

const never = new AbortController().signal

test('the manual clock moves only when told to, also back', () => {
  const clock = manualClock(1000)

  clock.advance(5)
  clock.advance(-10)

  expect(clock.now()).toBe(995)
})

test('the manual clock wakes what is due, in order of time', async () => {
  const clock = manualClock()
  const woken: number[] = []
  for (const ms of [30, 10, 20, 40]) {
    clock.after(ms).addEventListener('abort', () => woken.push(ms))
  }

  clock.advance(30)

  expect(woken).toEqual([10, 20, 30])
})

test('sleep ends when the time has passed and not before', async () => {
  const clock = manualClock()
  let awake = false
  const sleeping = sleep(100, clock, never).then(() => (awake = true))

  clock.advance(99)
  await Promise.resolve()
  expect(awake).toBe(false)
  clock.advance(1)
  await sleeping

  expect(awake).toBe(true)
})

test('sleep ends with the reason of the signal', async () => {
  const clock = manualClock()
  const caller = new AbortController()
  const sleeping = sleep(100, clock, caller.signal)

  caller.abort(new Error('hung up'))

  await expect(sleeping).rejects.toThrow('hung up')
  await expect(sleep(100, clock, caller.signal)).rejects.toThrow('hung up')
})

test('the system clock sleeps and times out in real time', async () => {
  await expect(sleep(0, systemClock, never)).resolves.toBeUndefined()
  expect(timeout(60_000, systemClock).aborted).toBe(false)
})
