import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type Once, scopeOf } from '../src/index.ts'
import { call } from './databases.ts'
import {
  type Bench,
  countIn,
  ids,
  insertThing,
  openBench,
  raise,
  registered,
  slotOf,
} from './harness.ts'

let bench: Bench

beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.close())

const keyed = (key: string, change: Partial<Once> = {}): Once => ({
  principal: 'guest',
  method: 'post',
  route: '/v1/things',
  key,
  fingerprint: 'print',
  ...change,
})

/** Makes a thing under a key, as a route would: each try has an id of its own. */
async function make(once: Once, note = 'reply') {
  const id = ids.root(scopeOf(once))
  const work = { keys: [slotOf(id)], statements: [insertThing(id)], events: [registered(id)] }
  return bench.once.run(once, { key: slotOf(id), work, reply: { id, note } }, call)
}

async function things(): Promise<number> {
  return Number(await countIn(bench.a, 'thing')) + Number(await countIn(bench.b, 'thing'))
}

describe('an Idempotency-Key', () => {
  test('does the work once, and repeats the first reply', async () => {
    const first = await make(keyed('k'), 'first')
    const second = await make(keyed('k'), 'second')

    expect(first).toMatchObject({ reply: { note: 'first' }, replayed: false })
    expect(second).toEqual({ reply: first.reply, replayed: true })
    expect(await things()).toBe(1)
  })

  test('costs one round trip, and two for a repeat', async () => {
    await make(keyed('k'))
    const { length } = [...bench.a.sent, ...bench.b.sent]
    await make(keyed('k'))

    expect(length).toBe(1)
    expect([...bench.a.sent, ...bench.b.sent]).toHaveLength(3)
  })

  test('does the work of twenty at the same time once, and gives all one reply', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => make(keyed('k'), `${n}`)),
    )

    expect(new Set(answers.map(({ reply }) => JSON.stringify(reply))).size).toBe(1)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(await things()).toBe(1)
  })

  test('refuses another request under the same key', async () => {
    await make(keyed('k'))

    await expect(make(keyed('k', { fingerprint: 'another' }))).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    })
    expect(await things()).toBe(1)
  })

  test.each(['principal', 'method', 'route', 'key'] as const)(
    'is another one with another %s',
    async (part) => {
      await make(keyed('k'))

      expect((await make(keyed('k', { [part]: 'other' }))).replayed).toBe(false)
    },
  )

  test.each(['reply', 'request'] as const)(
    'does the work once when the %s is lost',
    async (lost) => {
      for (const database of [bench.a, bench.b]) database.spoil(lost)

      const first = await make(keyed('k'))
      for (const database of [bench.a, bench.b]) database.spoil(lost)
      await make(keyed('k')).catch(() => undefined)
      const again = await make(keyed('k'))

      expect(again.reply).toEqual(first.reply)
      expect(await things()).toBe(1)
    },
  )

  test('does the work once when its caller gives up after two lost replies, and asks again', async () => {
    for (const database of [bench.a, bench.b]) database.spoil('reply', 'reply')

    await expect(make(keyed('k'))).rejects.toMatchObject({
      code: 'ambiguous_write',
      retryable: true,
    })
    const again = await make(keyed('k'))

    expect(again.replayed).toBe(true)
    expect(await things()).toBe(1)
  })

  test('keeps no reply of work that was refused', async () => {
    const once = keyed('k')
    const id = ids.root(scopeOf(once))
    const work = { keys: [slotOf(id)], statements: [insertThing(id), raise(id, 500)], events: [] }

    const refused = bench.once.run(once, { key: slotOf(id), work, reply: 'wrong' }, call)

    await expect(refused).rejects.toMatchObject({ code: 'sql_constraint' })
    expect(await bench.once.find(once, slotOf(id), call)).toBeUndefined()
    expect((await make(once)).replayed).toBe(false)
  })
})
