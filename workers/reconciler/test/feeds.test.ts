import { seededRandom } from '@stoa/kernel'
import { differingSpans, digestsOf } from '@stoa/reconciliation'
import { expect, test } from 'vitest'

import { dayOf, keyOfOperation, type MoneyEntry } from '../src/domain/money.ts'
import { feedStore } from '../src/store/feeds.ts'
import { call, ids, keyspace, newId, select, spoil, unspoil } from './harness.ts'

const access = keyspace('reconciler')
const feeds = feedStore(access)
const dayMs = 86_400_000

let day = 0

/** Entries of a day that nobody else has. */
function entriesOf(count: number): readonly MoneyEntry[] {
  day += 1
  const at = day * dayMs + 5_000
  return Array.from({ length: count }, (_, n) => {
    const operation = `op_${newId()}`
    return { operation, payment: ids.root('p'), kind: 'capture', amount: n, currency: 'EUR', at }
  })
}

async function differing(at: number) {
  const [ledger, provider] = [
    digestsOf(access.router, { entity: 'ledger', day: dayOf(at) }),
    digestsOf(access.router, { entity: 'provider', day: dayOf(at) }),
  ]
  return differingSpans([ledger, provider], call)
}

test('looks at two digests of a day on which both sides are equal, however many there are', async () => {
  const entries = entriesOf(400)
  const [first = entries[0]] = entries
  await feeds.keep('ledger', entries, call)
  await feeds.keep('provider', entries.toReversed(), call)

  expect(await differing(first?.at ?? 0)).toEqual({ spans: [], looked: 2 })
})

test('leads to the slots in which something differs, and to no other', async () => {
  const entries = entriesOf(200)
  const [lost, changed, ...same] = entries
  if (lost === undefined || changed === undefined) throw new Error('There are no entries')
  await feeds.keep('ledger', entries, call)
  await feeds.keep('provider', [{ ...changed, amount: 999 }, ...same], call)

  const { spans } = await differing(lost.at)

  const slots = new Set(
    [lost, changed].map(({ operation }) => keyOfOperation(operation).slice(0, 3)),
  )
  const covered = (slot: string) => spans.some(({ from, to }) => slot >= from && slot < to)
  expect([...slots].every(covered)).toBe(true)
  expect(spans.length).toBeLessThanOrEqual(slots.size)
})

test('keeps an entry once, with its digest, however often and in whatever parts it comes', async () => {
  const entries = entriesOf(150)
  const random = seededRandom(7)
  await feeds.keep('ledger', entries, call)
  for (let n = 0; n < 6; n += 1) {
    const start = random.uint32() % entries.length
    const part = entries.slice(start, start + 60)
    await spoil({
      action: n % 2 === 0 ? 'drop-reply' : 'drop-request',
      match: { contains: 'money_entry' },
    })
    await feeds.keep('provider', [...part, ...part], call).catch(() => undefined)
  }
  await unspoil()
  await feeds.keep('provider', entries, call)

  const at = entries[0]?.at ?? 0
  expect((await differing(at)).looked).toBe(2)
  const sql = 'SELECT count(*) FROM money_entry WHERE at = ? GROUP BY source'
  const counts = await select('reconciler', sql, at)
  expect(counts.reduce((sum, [count]) => sum + Number(count), 0)).toBe(300)
})

test('moves on for one of two that go on at once', async () => {
  const before = await feeds.read('provider', call)
  const after = {
    position: '1',
    completeTo: 1,
    version: (before?.version ?? 0) + 1,
  }

  const moved = await Promise.all([
    feeds.advance('provider', { before, after }, call),
    feeds.advance('provider', { before, after }, call),
  ])

  expect(moved.toSorted()).toEqual([false, true])
  expect(await feeds.read('provider', call)).toEqual(after)
})
