import { slotText } from '@stoa/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { insertEventWhen } from '../src/index.ts'
import { call } from './databases.ts'
import {
  type Bench,
  clock,
  countIn,
  idIn,
  idsIn,
  insertThing,
  openBench,
  raise,
  registered,
  slotOf,
  versionOf,
} from './harness.ts'

let bench: Bench

beforeEach(async () => {
  bench = await openBench()
})
afterEach(() => bench.close())

function workOf(id: string, seq = 1) {
  const event = registered(id, seq)
  return { keys: [slotOf(id)], statements: [insertThing(id)], events: [event], event }
}

describe('a commit', () => {
  test('writes rows and events in one round trip, and publishes after the answer', async () => {
    const id = idIn(5)
    const work = workOf(id)

    const { rows } = await bench.committer.commit(work, call)

    expect(rows).toHaveLength(1)
    expect(rows?.[0]?.rowsAffected).toBe(1)
    expect(bench.a.sent).toHaveLength(1)
    await bench.settle()
    expect(idsIn(bench.queue.messages[0])).toEqual([work.event.id])
    const [row] = await bench.a.run(
      'SELECT id, topic, type, okey, seq, payload, causation, state, next_at FROM outbox',
    )
    expect(row).toEqual([
      work.event.id,
      'member',
      'member.registered',
      id,
      1,
      JSON.stringify(work.event.data),
      't',
      'ready',
      clock.now() + 1_000,
    ])
  })

  test('marks what it has published with the next batch to the same shard, for free', async () => {
    await bench.committer.commit(workOf(idIn(5)), call)
    await bench.settle()
    await bench.committer.commit(workOf(idIn(16_000)), call)
    await bench.settle()
    expect(await countIn(bench.a, "outbox WHERE state = 'sent'")).toBe(0)

    await bench.committer.commit(workOf(idIn(6)), call)

    expect(await countIn(bench.a, "outbox WHERE state = 'sent'")).toBe(1)
    expect(await countIn(bench.b, "outbox WHERE state = 'sent'")).toBe(0)
    expect(bench.a.sent).toHaveLength(2)
  })

  test('writes neither rows nor events when a statement is refused', async () => {
    const id = idIn(5)

    const committing = bench.committer.commit(
      { ...workOf(id), statements: [insertThing(id), raise(id, 500)] },
      call,
    )

    await expect(committing).rejects.toMatchObject({ code: 'sql_constraint', type: 'check' })
    expect([await countIn(bench.a, 'thing'), await countIn(bench.a, 'outbox')]).toEqual([0, 0])
    await bench.settle()
    expect(bench.queue.messages).toEqual([])
  })

  test('succeeds when the queue is gone, and tells of it', async () => {
    bench.queue.next.push('request')

    await bench.committer.commit(workOf(idIn(5)), call)
    await bench.settle()

    expect(bench.reported).toMatchObject([{ code: 'ambiguous_publish' }])
    expect(await countIn(bench.a, "outbox WHERE state = 'ready'")).toBe(1)
  })

  test('publishes a conditional event only when its condition held', async () => {
    const id = idIn(5)
    await bench.committer.commit({ keys: [5], statements: [insertThing(id)], events: [] }, call)
    const [yes, no] = [registered(id, 1), registered(id, 2)]
    const when = (event: typeof yes, version: number) =>
      insertEventWhen(event, clock.now(), {
        sql: '(SELECT version FROM thing WHERE id = ?) = ?',
        args: [id, version],
      })

    await bench.committer.commit(
      {
        keys: [5],
        statements: [raise(id), when(yes, 2), when(no, 3)],
        events: [],
        conditional: [yes, no],
      },
      call,
    )
    await bench.settle()

    expect(bench.queue.messages.flatMap(idsIn)).toEqual([yes.id])
    expect(await bench.a.run('SELECT id FROM outbox')).toEqual([[yes.id]])
  })
})

describe('a commit whose reply is lost', () => {
  test('after the effect finds its own event, and happens once', async () => {
    const id = idIn(5)
    bench.a.spoil('reply')

    const { rows } = await bench.committer.commit(workOf(id), call)

    expect(rows).toBeUndefined()
    expect([await countIn(bench.a, 'thing'), await countIn(bench.a, 'outbox')]).toEqual([1, 1])
    await bench.settle()
    expect(bench.queue.messages).toHaveLength(1)
  })

  test('before the effect is sent again, and happens', async () => {
    const id = idIn(5)
    bench.a.spoil('request')

    const { rows } = await bench.committer.commit(workOf(id), call)

    expect(rows?.[0]?.rowsAffected).toBe(1)
    expect(await countIn(bench.a, 'thing')).toBe(1)
  })

  test('raises a row once: a statement that may run twice is not run twice', async () => {
    const id = idIn(5)
    await bench.committer.commit(workOf(id), call)
    bench.a.spoil('reply')

    await bench.committer.commit(
      { keys: [5], statements: [raise(id)], events: [registered(id, 2)] },
      call,
    )

    expect(await versionOf(bench.a, id)).toBe(2)
  })

  test('finds its own event behind a statement that aborts the repeat', async () => {
    const id = idIn(5)
    await bench.committer.commit(workOf(id), call)
    bench.a.spoil('reply')
    const expectOne = {
      sql: "SELECT json_extract('{}', 'EXPECT|stale_version') WHERE changes() <> 1",
      args: [],
    }
    const compareAndSet = {
      sql: 'UPDATE thing SET version = 2 WHERE id = ? AND version = 1',
      args: [id],
    }

    const { rows } = await bench.committer.commit(
      { keys: [5], statements: [compareAndSet, expectOne], events: [registered(id, 2)] },
      call,
    )

    expect(rows).toBeUndefined()
    expect(await versionOf(bench.a, id)).toBe(2)
  })

  test('never takes the event of a competitor, which has its order number, for its own', async () => {
    const id = idIn(5)
    await bench.committer.commit(workOf(id), call)
    const competitor = registered(id, 2)
    bench.a.spoil('request')
    let isFirst = true
    bench.a.before = async () => {
      if (isFirst) {
        isFirst = false
        return
      }
      // The competitor commits between the lost request and its repeat.
      bench.a.before = async () => undefined
      await bench.committer.commit(
        { keys: [5], statements: [raise(id, 10)], events: [competitor] },
        call,
      )
    }

    const losing = bench.committer.commit(
      { keys: [5], statements: [raise(id)], events: [registered(id, 2)] },
      call,
    )

    await expect(losing).rejects.toMatchObject({ code: 'sql_constraint', type: 'unique' })
    expect(await versionOf(bench.a, id)).toBe(11)
  })

  test.each(['reply', 'request', 'refused'] as const)(
    'is called unknown when the second try gets none either (%s)',
    async (second) => {
      bench.a.spoil('reply', second)

      await expect(bench.committer.commit(workOf(idIn(5)), call)).rejects.toMatchObject({
        code: 'ambiguous_write',
      })
    },
  )

  test('is called unknown when the slot froze before the second try', async () => {
    bench.a.spoil('reply')
    let sends = 0
    bench.a.before = async () => {
      sends += 1
      if (sends < 2) return
      await bench.a.run("UPDATE _slot_owner SET state = 'frozen' WHERE lo = ?", slotText(5))
    }

    await expect(bench.committer.commit(workOf(idIn(5)), call)).rejects.toMatchObject({
      code: 'ambiguous_write',
    })
  })

  test('is called unknown at once when nothing in it is unique', async () => {
    const id = idIn(5)
    await bench.committer.commit(workOf(id), call)
    bench.a.spoil('reply')

    const raising = bench.committer.commit({ keys: [5], statements: [raise(id)], events: [] }, call)

    await expect(raising).rejects.toMatchObject({ code: 'ambiguous_write' })
    expect(await versionOf(bench.a, id)).toBe(2)
  })
})
