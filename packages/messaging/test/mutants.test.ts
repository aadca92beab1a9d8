import { AmbiguousPublishError, type QueuePort } from '@stoa/kernel'
import { afterAll, describe, expect, test } from 'vitest'

import type { Rewrite } from './databases.ts'
import { killEverywhere, scenarios } from './kills.ts'
import { orderRules, pruneRules, sweepRules } from './rules.ts'
import { runSchedule } from './schedule.ts'
import type { Mutation } from './world.ts'

type Suite = (mutation: Mutation) => Promise<void>

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

/** Runs `suite` against a mutant: it must throw, and the mutant must have lived. */
async function caughtBy(name: string, suite: Suite, mutation: Mutation): Promise<unknown> {
  let lived = mutation.rewrite === undefined ? 1 : 0
  const rewrite: Rewrite = (sql) => {
    const mutated = mutation.rewrite?.(sql) ?? sql
    if (mutated !== sql) lived += 1
    return mutated
  }
  const error = await suite({ ...mutation, rewrite }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (lived === 0) throw new Error(`The mutant that ${name} never lived`)
  if (error instanceof Error)
    caught.push(`  ${name}: ${error.message.slice(0, 140).replaceAll(/\s+/g, ' ')}`)
  return error
}

const rules: Suite = ({ rewrite = (sql) => sql }) => sweepRules(rewrite)
const order: Suite = ({ rewrite = (sql) => sql }) => orderRules(rewrite)
const cleaning: Suite = ({ rewrite = (sql) => sql }) => pruneRules(rewrite)

/** Lives until one notices, so that an unlucky seed hides nothing. */
const lives: Suite = async (mutation) => {
  for (let seed = 1; seed <= 10; seed += 1) await runSchedule({ seed, commits: 24, mutation })
}

const kills =
  (index: number): Suite =>
  async (mutation) => {
    const scenario = scenarios[index]
    if (scenario !== undefined) await killEverywhere(scenario, mutation)
  }

function replace(from: string | RegExp, to: string): Mutation {
  return { rewrite: (sql) => sql.replaceAll(from, to) }
}

const takesRefusals = (inner: QueuePort): QueuePort => ({
  publish: async (messages, call) =>
    (await inner.publish(messages, call)).map(() => ({ messageId: 'm', deduplicated: false })),
})

const hopes = (inner: QueuePort): QueuePort => ({
  publish: (messages, call) =>
    inner.publish(messages, call).catch((error: unknown) => {
      if (!(error instanceof AmbiguousPublishError)) throw error
      return messages.map(() => ({ messageId: 'm', deduplicated: false }))
    }),
})

describe('the suite notices a mutant that', { timeout: 120_000 }, () => {
  test.for<[string, Suite, Mutation]>([
    [
      'writes no inbox row',
      lives,
      replace(/(INSERT INTO inbox \([^?]*\? FROM json_each\(\?\))/g, '$1 WHERE 0'),
    ],
    ['acknowledges before the commit', lives, { acksFirst: true }],
    ['ignores the order number', lives, { isUnordered: true }],
    [
      'lets every run through the gate',
      lives,
      replace(
        "CASE WHEN seq = (span.value ->> 'from') - 1 THEN span.value ->> 'to' END",
        "span.value ->> 'to'",
      ),
    ],
    [
      'has no cursor to move',
      lives,
      replace(
        'FROM json_each(?) WHERE TRUE ON CONFLICT',
        'FROM json_each(?) WHERE FALSE ON CONFLICT',
      ),
    ],
    ['reads no error of a message in a batch', lives, { queue: takesRefusals }],
    ['takes a lost reply of the queue for a yes', lives, { queue: hopes }],
    ['forgets what the queue gave up', lives, { forgets: true }],
    [
      'looks at nothing that was parked meanwhile',
      order,
      replace('parked.seq = (span.value', '0 = (span.value'),
    ],
    ['forgets all that is parked', order, replace(" AND parked.seq <= span.value ->> 'to'", '')],
    [
      'leaves a dead sweeper its rows',
      lives,
      replace('AND lease_until <= ? AND', 'AND (lease_until = 0 OR ? < 0) AND'),
    ],
    [
      'keeps what was applied meanwhile',
      order,
      replace(/WHERE NOT EXISTS \(SELECT 1 FROM inbox_cursor[^)]*\)/g, 'WHERE ? IS NOT NULL'),
    ],
    [
      'sends nothing that a consumer lacks',
      kills(5),
      replace('early.parked_at <= ?', 'early.parked_at < ? - 1e15'),
    ],
    ['drops the epoch of a lease', rules, replace("AND lease_epoch = item.value ->> 'epoch'", '')],
    [
      'drops the owner of a lease',
      rules,
      replace("item.value ->> 'id' AND lease_owner = ?", "item.value ->> 'id' AND ? <> ''"),
    ],
    ['takes what is leased', rules, replace('AND lease_until <= ? AND', 'AND ? > 0 AND')],
    [
      'sorts the outbox by time alone',
      rules,
      replace(
        / AND NOT EXISTS \(\s+SELECT 1 FROM outbox AS head[\s\S]*?head\.lease_until > \?\)\)/g,
        ' AND ? > 0',
      ),
    ],
    ['waits as long each time', rules, replace('? << min(attempts - 1, 20)', '? << 0')],
    ['gives nothing up', rules, replace('AND attempts >= ?', 'AND ? < 0')],
    ['gives up what it does not know', rules, replace("item.value ->> 'isRefused' = 1 AND", '')],
    [
      'sweeps what another serves',
      rules,
      replace(/IN \('serving', 'migrating'\)/g, "IN ('serving', 'migrating', 'frozen')"),
    ],
    [
      'cleans what another serves',
      cleaning,
      replace(/IN \('serving', 'migrating'\)/g, "IN ('serving', 'migrating', 'frozen')"),
    ],
    [
      'forgets what money has heard',
      cleaning,
      replace(/AND consumer <> 'payments' AND consumer NOT GLOB 'payments:\*'/g, ''),
    ],
    [
      'forgets one half of what money has heard',
      cleaning,
      replace(" AND consumer NOT GLOB 'payments:*'", ''),
    ],
    [
      'deletes events that were given up',
      cleaning,
      replace("state = 'sent' AND sent_at <= ?", 'coalesce(sent_at, created_at) <= ?'),
    ],
    [
      'deletes what is parked by its age',
      cleaning,
      replace('parked.seq <= inbox_cursor.seq', 'TRUE'),
    ],
    [
      'deletes sagas that have not ended',
      cleaning,
      replace('finished_at <= ?', 'coalesce(finished_at, 0) <= ?'),
    ],
    [
      'deletes barrier rows by their age',
      cleaning,
      replace('gid IN (SELECT value FROM json_each(?))', '? IS NOT NULL'),
    ],
    [
      'cuts through the rows of a branch',
      cleaning,
      replace(
        'DELETE FROM barrier WHERE (slot, gid) IN (\n  SELECT slot, gid FROM (SELECT slot, gid FROM',
        'DELETE FROM barrier WHERE (slot, gid, branch) IN (\n  SELECT slot, gid, branch FROM (SELECT slot, gid, branch FROM',
      ),
    ],
    ['deletes keys before they expire', cleaning, replace('expires_at <= ? AND', '? > 0 AND')],
  ])('%s', async ([name, suite, mutation]) => {
    expect(await caughtBy(name, suite, mutation)).toBeInstanceOf(Error)
  })

  test('is none', async () => {
    for (const suite of [rules, cleaning, order, kills(5)])
      await expect(suite({})).resolves.toBeUndefined()
  })
})
