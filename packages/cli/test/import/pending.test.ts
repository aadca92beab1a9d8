import { manualClock } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import type { Batch } from '../../src/import/batch.ts'
import { pending } from '../../src/import/pending.ts'

async function* batches(count: number): AsyncGenerator<Batch, void> {
  for (let index = 0; index < count; index += 1) {
    const range = { kind: 'bytes', from: index, to: index + 1 } as const
    yield { id: `${index}`, index, rows: 100, line: 1, part: 0, range }
  }
}

/** Long enough for everything that waits for nothing. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('pending', () => {
  test('gives a batch when the rows before it may be written, and not before', async () => {
    const clock = manualClock()
    const given: string[] = []
    const pace = {
      isDone: () => false,
      maxRate: 1_000,
      signal: new AbortController().signal,
      clock,
    }
    const all = (async () => {
      for await (const { id } of pending(batches(3), pace)) given.push(id)
    })()

    const seen: number[] = []
    for (const ms of [0, 99, 1, 99, 1]) {
      clock.advance(ms)
      await settled()
      seen.push(given.length)
    }
    await all

    expect(seen).toEqual([1, 1, 2, 2, 3])
  })

  test('leaves out what is done, and waits for none of it', async () => {
    const isDone = ({ index }: Batch) => index < 8
    const signal = new AbortController().signal
    const given: string[] = []
    const pace = { isDone, maxRate: undefined, signal, clock: manualClock() }

    for await (const { id } of pending(batches(10), pace)) given.push(id)

    expect(given).toEqual(['8', '9'])
  })

  test('ends at once when it is stopped, also while it waits', async () => {
    const stop = new AbortController()
    const clock = manualClock()
    const pace = { isDone: () => false, maxRate: 1, signal: stop.signal, clock }
    const rest = pending(batches(3), pace)
    await rest.next()
    const waiting = rest.next()
    await settled()

    stop.abort()

    expect((await waiting).done).toBe(true)
  })
})
