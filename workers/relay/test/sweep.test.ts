import type { Links } from '@stoa/contracts'
import { afterEach, describe, expect, test } from 'vitest'

import { createRelay } from '../src/app.ts'
import worker from '../src/index.ts'
import {
  asked,
  env,
  leaveReady,
  links,
  meta,
  publishedTo,
  run,
  shardOf,
  spoilDatabase,
  spoilQueue,
  stateOf,
  timesPublished,
} from './harness.ts'

const { sweep } = createRelay(env, links)

const sent = { state: 'sent', attempts: 1, error: null }

/** As if the time of every lease and of every wait had passed. */
async function letTimePass(): Promise<void> {
  const sql = "UPDATE outbox SET lease_until = 0, next_at = 1 WHERE state = 'ready'"
  for (const name of ['users-0', 'orders-0'] as const) await run(await shardOf(name), sql)
}

describe('a sweep', () => {
  test('publishes what was left in any database, once, and marks it', async () => {
    const [one] = await leaveReady('users-0')
    const [other] = await leaveReady('orders-0')

    const report = await sweep()
    const again = await sweep()

    expect(report).toEqual({ published: 2, failed: 0 })
    expect(again).toEqual({ published: 0, failed: 0 })
    expect(await stateOf('users-0', one)).toEqual(sent)
    expect(await stateOf('orders-0', other)).toEqual(sent)
    expect([await timesPublished(one), await timesPublished(other)]).toEqual([1, 1])
  })

  test('leaves to the fast path what is not due yet', async () => {
    const [id] = await leaveReady('users-0')
    await run(
      await shardOf('users-0'),
      'UPDATE outbox SET next_at = ? WHERE id = ?',
      Date.now() + 9_000,
      id ?? '',
    )

    expect(await sweep()).toEqual({ published: 0, failed: 0 })
    expect(await stateOf('users-0', id)).toMatchObject({ state: 'ready', attempts: 0 })
    await letTimePass()
    await sweep()
  })

  test('takes more than a message holds, a hundred events a message', async () => {
    const ids = await leaveReady('users-0', { count: 250 })

    expect(await sweep()).toEqual({ published: 250, failed: 0 })

    const messages = (await publishedTo('social')).filter((each) =>
      each.some((id) => ids.includes(id)),
    )
    expect(messages.map((each) => each.length).toSorted((a, b) => a - b)).toEqual([50, 100, 100])
    expect(messages.flat().toSorted()).toEqual(ids.toSorted())
  })

  test('is one of two at the same time: each event is published once', async () => {
    const ids = await leaveReady('users-0', { count: 150 })

    const [one, two] = await Promise.all([sweep(), sweep()])

    expect(one.published + two.published).toBe(150)
    const messages = await publishedTo('social')
    expect(messages.flat().filter((id) => ids.includes(id))).toHaveLength(150)
  })

  test('that dies between publishing and marking is repeated when its lease has ended', async () => {
    const [id] = await leaveReady('users-0')
    await spoilDatabase({
      action: 'drop-request',
      match: { database: 'users-0', contains: 'sent_at' },
    })

    expect(await sweep()).toEqual({ published: 0, failed: 0 })
    expect(await timesPublished(id)).toBe(1)
    expect(await stateOf('users-0', id)).toMatchObject({ state: 'ready', attempts: 1 })
    expect(await sweep()).toEqual({ published: 0, failed: 0 })
    await letTimePass()
    expect(await sweep()).toEqual({ published: 1, failed: 0 })

    // The queue knows the parcel again and drops it; where it does not, the inbox does.
    expect(await timesPublished(id)).toBe(1)
    expect(await stateOf('users-0', id)).toMatchObject({ state: 'sent', attempts: 2 })
  })

  test('whose claim got no reply loses nothing', async () => {
    const [id] = await leaveReady('users-0')
    await spoilDatabase({
      action: 'drop-reply',
      match: { database: 'users-0', contains: 'lease_epoch' },
    })

    expect(await sweep()).toEqual({ published: 0, failed: 0 })
    await letTimePass()
    expect(await sweep()).toEqual({ published: 1, failed: 0 })

    expect(await stateOf('users-0', id)).toMatchObject({ state: 'sent', attempts: 2 })
  })

  test.each([
    ['refuses', 'error'],
    ['is not there', 'drop-request'],
    ['took it and answered nothing', 'drop-reply'],
  ])('loses nothing when the queue %s', async (_what, action) => {
    const [id] = await leaveReady('users-0')
    await spoilQueue({ action, match: { path: '/v2/batch' } })

    await sweep()
    expect(await stateOf('users-0', id)).toMatchObject({ state: 'ready' })
    await letTimePass()
    await sweep()

    expect(await stateOf('users-0', id)).toMatchObject({ state: 'sent' })
    expect(await timesPublished(id)).toBe(1)
  })

  test('keeps an event of a type that only a newer version knows, and stops for it no other', async () => {
    const [unknown] = await leaveReady('users-0', { type: 'member.ascended', slot: 8 })
    const [known] = await leaveReady('users-0')

    expect(await sweep()).toEqual({ published: 1, failed: 1 })

    expect(await stateOf('users-0', known)).toEqual(sent)
    expect(await stateOf('users-0', unknown)).toEqual({
      state: 'ready',
      attempts: 1,
      error: 'no event is of type "member.ascended" here',
    })
    await run(await shardOf('users-0'), 'DELETE FROM outbox WHERE id = ?', unknown ?? '')
  })

  test('runs on the timetable', async () => {
    const [id] = await leaveReady('users-0')

    await worker.scheduled({}, env)

    expect(await stateOf('users-0', id)).toEqual(sent)
  })
})

describe('a slot that is frozen or handed off', () => {
  afterEach(async () => {
    const sql = "UPDATE _slot_owner SET state = 'serving', peer = NULL WHERE lo = '009'"
    await run(await shardOf('users-0'), sql)
  })

  test.each(['frozen', 'handed_off', 'importing'])(
    '(%s) keeps its events, and stops no other',
    async (state) => {
      const shard = await shardOf('users-0')
      const [kept] = await leaveReady('users-0', { slot: 9 })
      const sql = "UPDATE _slot_owner SET state = ?, peer = 'users-1' WHERE lo = '009'"
      await run(shard, sql, state)
      const [free] = await leaveReady('users-0', { slot: 10 })

      await sweep()

      expect(await stateOf('users-0', kept)).toEqual({ state: 'ready', attempts: 0, error: null })
      expect(await stateOf('users-0', free)).toEqual(sent)
      await run(shard, "UPDATE _slot_owner SET state = 'serving', peer = NULL WHERE lo = '009'")
      await sweep()
      expect(await stateOf('users-0', kept)).toEqual(sent)
    },
  )
})

describe('a topology that has grown since the relay began', () => {
  test('is swept, and its dead, nameless and missing databases stop no other', async () => {
    await sweep()
    const [[document] = []] = await run(meta, 'SELECT document FROM topology WHERE id = 1')
    const known = JSON.parse(String(document)) as Record<
      string,
      { readonly shards: readonly { readonly name: string; readonly url: string }[] }
    >
    const orders = known['orders']?.shards.find(({ name }) => name === 'orders-0')
    const urls = [
      'http://127.0.0.1:1/',
      'not a URL',
      '',
      `${new URL(env['META_URL'] ?? '').origin}/nobody`,
    ]
    const ghosts = urls.map((url, index) => ({ name: `ghost-${index}`, url, incarnation: 'x' }))
    const grown = { aghast: { shards: ghosts, slots: [] }, orders: { shards: [orders], slots: [] } }
    const sql = 'UPDATE topology SET document = ?, version = version + 1'
    const [id] = await leaveReady('orders-0')

    await run(meta, sql, JSON.stringify(grown))
    const report = await sweep()
    await run(meta, sql, String(document))

    expect(report).toEqual({ published: 1, failed: 0 })
    expect(await stateOf('orders-0', id)).toEqual(sent)
  })

  test('is swept as it was when the meta database does not answer', async () => {
    await sweep()
    const [id] = await leaveReady('users-0')
    await spoilDatabase({ action: 'drop-request', match: { database: 'meta' } })

    await sweep()

    expect(await stateOf('users-0', id)).toEqual(sent)
  })
})

describe('a tick', () => {
  test('has every service go on with what it left, and one that fails stops no other', async () => {
    asked.length = 0
    const withFailure: Links = {
      ...links,
      fetcher: (name) =>
        name === 'orders' ? () => Promise.reject(new Error('it is away')) : links.fetcher(name),
    }

    await createRelay(env, withFailure).sweep()

    expect(asked.toSorted()).toEqual([
      'notifier /internal/notifier/sweeps',
      'payments /internal/payments/sweeps',
      'reconciler /internal/reconciler/sweeps',
      'stats /internal/stats/sweeps',
    ])
  })
})
