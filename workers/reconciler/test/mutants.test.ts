import { createReconciler, everything } from '@stoa/reconciliation'
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Reader } from '../src/store/pages.ts'
import { plansOf } from '../src/store/plans.ts'
import { call, hot, keyspace, momentOf, newId, startWorld, type World, write } from './harness.ts'
import { breaks, seedClean, seedNear } from './scenarios.ts'
import { seedEdge, seedEvent } from './seed.ts'

const hourMs = 3_600_000

/** A reader whose every statement has `from` replaced, and how often it did. */
function mutated(reader: Reader, [from, to]: readonly [string, string], count: () => void): Reader {
  const change = <T extends { readonly sql: string }>(statement: T): T => {
    if (!statement.sql.includes(from)) return statement
    count()
    return { ...statement, sql: statement.sql.replaceAll(from, to) }
  }
  return {
    readMany: (queries, each) =>
      reader.readMany(
        queries.map(({ key, statement }) => ({ key, statement: change(statement) })),
        each,
      ),
    readRange: (range, select, each) =>
      reader.readRange(range, (part) => change(select(part)), each),
    scatter: (query, each) =>
      reader.scatter({ ...query, select: (isOwned) => change(query.select(isOwned)) }, each),
  }
}

let world: World

/** What is found of one comparison, or of all, as `class key action`. */
async function findings(name: string | undefined, swap: readonly [string, string] = ['\0', '']) {
  let lived = 0
  const count = () => {
    lived += 1
  }
  const readerOf = (each: string) => mutated(keyspace(each).router, swap, count)
  const own = mutated(keyspace('reconciler').router, swap, count)
  const { clock } = world
  const plans = plansOf({ readerOf, own, hot, clock, completeTo: async () => clock.now() })
  const reconciler = createReconciler({ keyspace: keyspace('reconciler').router, clock })
  const found: string[] = []
  for (const { comparison } of plans.filter(
    (each) => name === undefined || each.comparison.name === name,
  ))
    await reconciler.dryRun(
      { comparison, spans: [everything] },
      (each) => found.push([each.class, each.key, each.action].join(' ')),
      call,
    )
  return { found: found.toSorted(), lived }
}

/** What is wrong of rows that have no time is wrong at all times, and would be found by the worlds before. */
const timeless = new Set([
  'a balance that its postings do not come to',
  'a profile that counts a follower too many',
])

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

beforeAll(async () => {
  world = await startWorld(momentOf('mutants', 3), { comparisons: ['statement'] })
  const at = world.clock.now() - 15 * hourMs
  await seedClean(at, world)
  await seedNear(at, world)
  for (const [name, inject] of Object.entries(breaks))
    if (!timeless.has(name)) await inject(at, world)
  const { follower, followee } = await seedEdge({ at })
  const newer = 'UPDATE follow SET version = 2 WHERE follower = ? AND followee = ?'
  await write('social', follower, { sql: newer, args: [follower, followee] })
  await seedEvent('social', { type: 'post.created', data: { author: newId() }, at })
  await world.service.sweep()
}, 60_000)

test('finds the same twice, where nothing is mutated', async () => {
  const { found } = await findings(undefined)

  expect(found.length).toBeGreaterThan(20)
  expect((await findings(undefined)).found).toEqual(found)
})

test.for<readonly [comparison: string, name: string, from: string, to: string]>([
  [
    'orders',
    'takes what is promised for bound',
    "'pending' ELSE 'captured'",
    "'captured' ELSE 'captured'",
  ],
  ['orders', 'forgets what was given back', ' - p.voided_minor', ''],
  ['orders', 'takes a rejected order for paid', "THEN 'cancelled'", "THEN 'paid'"],
  ['orders', 'lets a cancelled order keep its money', 'OR (c.saga IS NOT NULL', 'OR (FALSE'],
  ['orders', 'waits for a saga that is nowhere', 's.id IS NULL OR', ''],
  ['orders', 'wants money back that is on its way', 's.finished_at IS NOT NULL', 'TRUE'],
  ['orders', 'takes a wish for a cancellation', "c.state = 'cancelled'", "c.state = 'pending'"],
  ['orders', 'wants back what the bank has taken back', ' - p.charged_back_minor', ''],
  [
    'orders',
    'looks at bound money alone',
    'p.bound_at IS NOT NULL OR',
    'p.bound_at IS NOT NULL AND',
  ],
  ['payments_to_orders', 'takes any operation for this one', 'm.operation = ?', 'm.operation <> ?'],
  [
    'payments_to_orders',
    'takes nothing for a trace',
    'count(*) FROM order_money',
    '1 FROM order_money',
  ],
  ['payments_to_orders', 'does not look at amounts', 'm.amount_minor = ?', 'm.amount_minor <> ?'],
  ['payments_to_orders', 'wants a trace of what is of no order', 'count(*) = 0', 'count(*) < 0'],
  ['payments_to_orders', 'takes every order for none', 'count(*) = 0', 'count(*) >= 0'],
  ['orders_to_notifier', 'takes any event for this one', 'event_id = ?', 'event_id <> ?'],
  ['orders_to_stats', 'takes any event for this one', 'event_id = ?', 'event_id <> ?'],
  ['orders', 'asks money for what is free', 'CASE WHEN o.total_minor > 0 THEN o.id END', 'o.id'],
  ['orders', 'does not look at amounts', 'p.authorised_minor AS amount', '400 AS amount'],
  ['payment_tries', 'forgets what was given back', ' - p.voided_minor', ''],
  ['payment_tries', 'takes what is bound for open', 'p.bound_at IS NULL', 'TRUE'],
  ['payment_tries', 'does not ask how its saga ended', 'SELECT state,', "SELECT 'trying',"],
  ['orders_deadlines', 'gives every saga all the time', 's.deadline AS', '9e15 AS'],
  ['stock_tries', 'takes what is confirmed for open', 'r.confirmed_at IS NULL', 'TRUE'],
  ['stock_tries', 'takes what is released for open', "r.state = 'reserved'", 'TRUE'],
  ['orders_deadlines', 'takes what has ended for open', 's.finished_at IS NULL', 'TRUE'],
  ['ledger', 'counts what was given back as taken', '1, -1', '1, 1'],
  ['ledger', 'counts what was refused', "f.phase = 'succeeded' AND", ''],
  ['ledger', 'does not count entries', 'count(*) FROM journal AS j', '1 FROM journal AS j'],
  ['balances', 'adds up other books', ' AND e.book = b.book', ''],
  ['stock', 'counts what was promised as come', "m.type IN ('opening', 'receipt')", 'TRUE'],
  ['stock', 'counts what was released as open', "r.state = 'reserved'", 'TRUE'],
  ['posts_to_stats', 'takes any event for this one', 'event_id = ?', 'event_id <> ?'],
  ['posts_to_stats', 'takes nothing for a trace', 'count(*) AS n', 'count(*) + 1 AS n'],
  ['deliveries', 'owes an endpoint what was before it', 'w.created_at < m.at', 'TRUE'],
  ['deliveries', 'owes an endpoint what it did not want', 't.value = m.type', 'TRUE'],
  ['deliveries', 'owes what is gone', "w.state = 'active'", 'TRUE'],
  [
    'deliveries',
    'takes what was given up for delivered',
    'd.state AS state',
    "'delivered' AS state",
  ],
  ['twins', 'does not look at versions', 'f.version AS version', '1 AS version'],
  [
    'orphan_twins',
    'looks for originals the wrong way round',
    'follower = ? AND followee = ?',
    'followee = ? AND follower = ?',
  ],
  ['profile_followers', 'counts edges that have ended', 'f.active = 1', 'TRUE'],
  ['counted_posts', 'counts everything', "c.metric = 'posts'", 'TRUE'],
  ['handles', 'asks another index', 'kind = ?', 'kind <> ?'],
  ['handle_claims', 'takes what is pending for confirmed', "l.state = 'confirmed'", 'TRUE'],
  ['email_claims', 'does not compare the text', 'email = ?', "email <> '' || substr(?, 1, 0)"],
  ['skus', 'asks another index', 'kind = ?', 'kind <> ?'],
  ['hot_product', 'forgets a metric', "c.views || ',' || c.shares", 'c.views'],
  ['hot_post', 'reads other counts', 'c.views ||', '(c.views + 1) ||'],
  ['hot_member', 'takes each bucket for one that counted on', 'b.seq FROM', 'b.seq + 1 FROM'],
  ['hot_product', 'takes a part for the whole', 'AND NOT EXISTS', 'OR EXISTS'],
  ['hot_product', 'looks at no leaders', 'FROM count_top WHERE', 'FROM count_top WHERE 0 AND'],
  ['hot_post', 'looks at leaders alone', 'FROM count_post WHERE', 'FROM count_post WHERE 0 AND'],
  ['statement', 'lets the provider agree with itself', 'm.amount AS amount', '1 AS amount'],
  ['statement', 'reads one side for both', 'm.source = ?', "m.source = 'ledger' AND ? <> ''"],
])('%s notices a mutant that %s', async ([comparison, name, from, to]) => {
  const right = await findings(comparison)

  const mutant = await findings(comparison, [from, to]).catch(() => ({
    found: ['failed'],
    lived: 1,
  }))

  expect(mutant.lived).toBeGreaterThan(0)
  expect(mutant.found).not.toEqual(right.found)
  caught.push(`${comparison} ${name}`)
})
