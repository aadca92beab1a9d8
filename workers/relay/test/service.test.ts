import { openServiceKeyspace } from '@stoa/adapters/keyspace'
import { createIds, rootCall, secureRandom, slotText, systemClock } from '@stoa/kernel'
import { createCircuits, newEvent } from '@stoa/messaging'
import { deliveryOf, signDelivery } from '@stoa/testing/deliver'
import { describe, expect, test, vi } from 'vitest'

import { createRelay } from '../src/app.ts'
import { databasesMax } from '../src/domain/fan-out.ts'
import { runTick, type TickDeps } from '../src/domain/tick.ts'
import worker from '../src/index.ts'
import { givenUpOf } from '../src/store/given-up.ts'
import { env, leaveReady, links, publishedTo, run, shardOf, stateOf } from './harness.ts'

const call = rootCall('service-test')
const publicUrl = env['PUBLIC_URL'] ?? ''
const operator = { authorization: `Bearer ${env['OPERATOR_TOKEN'] ?? ''}` }

type Asked = {
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

async function ask(path: string, init: Asked = {}) {
  const headers = { ...operator, 'content-type': 'application/json', ...init.headers }
  const response = await worker.fetch(
    new Request(`https://relay${path}`, { ...init, headers }),
    env,
  )
  const body: unknown = await response.json()
  return { status: response.status, body: body as Record<string, unknown> }
}

const post = (path: string, body: unknown) =>
  ask(path, { method: 'POST', body: JSON.stringify(body) })

async function wakeUp(wake: unknown, signedFor = `${publicUrl}/_inbox/relay`) {
  const body = JSON.stringify({ wake })
  const headers = { 'upstash-signature': await signDelivery(signedFor, body) }
  return worker.fetch(
    new Request('https://relay/_inbox/relay', { method: 'POST', body, headers }),
    env,
  )
}

describe('a wake-up', () => {
  test('sweeps the databases of its range, and no other', async () => {
    const [users] = await leaveReady('users-0')
    const [orders] = await leaveReady('orders-0')

    const response = await wakeUp({ from: 'users', to: null })

    expect([response.status, await response.json()]).toEqual([200, { published: 1, failed: 0 }])
    expect(await stateOf('users-0', users)).toMatchObject({ state: 'sent' })
    expect(await stateOf('orders-0', orders)).toMatchObject({ state: 'ready' })
    await wakeUp({ from: null, to: 'users' })
    expect(await stateOf('orders-0', orders)).toMatchObject({ state: 'sent' })
  })

  test('is refused when it was signed for another address, or not at all', async () => {
    const [id] = await leaveReady('users-0')

    const other = await wakeUp({ from: null, to: null }, `${publicUrl}/_inbox/orders`)
    const bare = await worker.fetch(
      new Request('https://relay/_inbox/relay', { method: 'POST', body: '{}' }),
      env,
    )

    expect([other.status, bare.status]).toEqual([401, 401])
    expect(await stateOf('users-0', id)).toMatchObject({ state: 'ready' })
    await createRelay(env, links).sweep()
  })

  test('goes to each range of 200 databases when there are more', async () => {
    const published: string[] = []
    const shards = Array.from({ length: 450 }, (_, index) => ({
      name: `s${String(index).padStart(3, '0')}`,
      batch: () => Promise.reject(new Error('is not asked')),
    }))
    const deps = (count: number): TickDeps => ({
      shards: async () => shards.slice(0, count),
      sweep: async () => ({ published: 1, failed: 0, dead: [], hasMore: false }),
      tend: async () => undefined,
      mirror: () => Promise.reject(new Error('the queue is down')),
      abandoned: async () => [],
      advance: async () => undefined,
      circuits: createCircuits(systemClock),
      clock: systemClock,
      publicUrl,
      queue: {
        publish: async (messages) => {
          published.push(...messages.map(({ url, body }) => `${url} ${body}`))
          return messages.map(() => ({ messageId: 'm', deduplicated: false }))
        },
      },
      report: vi.fn<(error: unknown, requestId: string) => void>(),
    })

    expect(await runTick(deps(databasesMax), call)).toEqual({ published: 200, failed: 0 })
    expect(published).toEqual([])
    await runTick(deps(450), call)

    const ranges = published.map((text) => {
      const [url = '', body = ''] = text.split(' ')
      return [url, (JSON.parse(body) as { readonly wake: unknown }).wake]
    })
    const inbox = `${publicUrl}/_inbox/relay`
    expect(ranges).toEqual([
      [inbox, { from: null, to: 's200' }],
      [inbox, { from: 's200', to: 's400' }],
      [inbox, { from: 's400', to: null }],
    ])
  })
})

describe('dead letters', () => {
  test('come from the queue, are listed with their reason, and are sent again', async () => {
    // Nobody is at home at the public address: one try, and the queue gives up.
    const [id = ''] = await leaveReady('users-0')
    const [row = []] = await run(
      await shardOf('users-0'),
      'SELECT okey, seq FROM outbox WHERE id = ?',
      id,
    )
    const [key, seq] = row
    const data = { member: key, handle: 'ada', name: 'Ada' }
    const event = { id, type: 'member.registered', key, seq, at: 1, cause: 'test', data }
    const request = await deliveryOf('social', [event], publicUrl)
    const sent = await fetch(`${env['QSTASH_URL'] ?? ''}/v2/publish/${request.url}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${env['QSTASH_TOKEN'] ?? ''}`, 'upstash-retries': '0' },
      body: await request.text(),
    })
    await sent.body?.cancel()
    const port = givenUpOf({ url: env['QSTASH_URL'] ?? '', token: env['QSTASH_TOKEN'] ?? '' })
    await vi.waitFor(async () => {
      const { messages } = await port.list(undefined, call)
      expect(messages.some(({ body }) => body.includes(id))).toBe(true)
    })

    await createRelay(env, links).sweep()

    const { messages } = await port.list(undefined, call)
    expect(messages.some(({ body }) => body.includes(id))).toBe(false)
    const { status, body } = await ask('/v1/dead-letters?consumer=social')
    expect(status).toBe(200)
    expect(body['letters']).toMatchObject([{ consumer: 'social', key, seq, item: { id } }])
    const before = (await publishedTo('social')).flat().filter((each) => each === id).length
    expect(await post('/v1/dead-letters/replay', { consumer: 'social', key, seq })).toEqual({
      status: 202,
      body: { outcome: 'sent' },
    })
    expect((await publishedTo('social')).flat().filter((each) => each === id)).toHaveLength(
      before + 1,
    )
    expect((await ask('/v1/dead-letters?consumer=social')).body['letters']).toEqual([])
    expect(await post('/v1/dead-letters/replay', { consumer: 'social', key, seq })).toMatchObject({
      body: { outcome: 'absent' },
    })
  })

  test('are for operators, and of services that listen', async () => {
    const stranger = await ask('/v1/dead-letters?consumer=social', {
      headers: { authorization: '' },
    })
    const unknown = await ask('/v1/dead-letters?consumer=nobody')

    expect(stranger.status).toBe(401)
    expect([unknown.status, unknown.body['code']]).toEqual([400, 'unknown_consumer'])
  })
})

describe('the outbox', () => {
  test('gives a range of an aggregate to one service again', async () => {
    const ids = await leaveReady('users-0', { count: 4, slot: 11 })
    await createRelay(env, links).sweep()
    const [[aggregate] = []] = await run(
      await shardOf('users-0'),
      'SELECT okey FROM outbox WHERE id = ?',
      ids[0] ?? '',
    )

    const { status, body } = await post('/v1/outbox/resend', {
      consumer: 'social',
      aggregate,
      from: 2,
      to: 3,
    })

    expect([status, body]).toEqual([202, { sent: 2 }])
    expect((await publishedTo('social')).at(-1)).toEqual(ids.slice(1, 3))
  })

  test('makes an event ready again that was given up', async () => {
    const [id = ''] = await leaveReady('orders-0')
    const shard = await shardOf('orders-0')
    await run(shard, "UPDATE outbox SET state = 'dead', attempts = 20 WHERE id = ?", id)

    expect((await post('/v1/outbox/revive', { events: [id] })).body).toEqual({ revived: 1 })
    await createRelay(env, links).sweep()

    expect(await stateOf('orders-0', id)).toMatchObject({ state: 'sent', attempts: 1 })
    expect((await post('/v1/outbox/revive', { events: [id] })).body).toEqual({ revived: 0 })
  })
})

describe('the budget', () => {
  test('is at most 1.2 requests to the shard for each business commit, sweeps and marks included', async () => {
    const meter = `${new URL(env['META_URL'] ?? '').origin}/_local/meter`
    const ids = createIds({ clock: systemClock, random: secureRandom })
    const deferred: Promise<unknown>[] = []
    const { committer } = openServiceKeyspace('users', env as never, {
      defer: (work) => deferred.push(work),
      report: (error) => {
        throw error
      },
    })
    const commits = 200
    const commit = async () => {
      const member = ids.rootAt(`${slotText(21)}00`)
      const data = { member, handle: 'ada', name: 'Ada' }
      const source = { key: member, seq: 1, at: systemClock.now(), cause: 'test', data }
      const sql =
        'INSERT INTO password_reset (id, member, secret_hash, created_at, expires_at) VALUES (?, ?, ?, 1, 2)'
      await committer.commit(
        {
          keys: [member],
          statements: [{ sql, args: [member, member, member] }],
          events: [newEvent(ids, 'member.registered', source)],
        },
        call,
      )
      // The publication comes after the answer, and before the next request here.
      await Promise.all(deferred.splice(0))
    }
    await commit()
    await fetch(meter, { method: 'DELETE' })

    for (let count = 0; count < commits; count += 1) await commit()
    await createRelay(env, links).sweep()

    const response = await fetch(meter)
    const { databases } = (await response.json()) as {
      readonly databases: Readonly<Record<string, { readonly roundTrips: number }>>
    }
    const spent = databases['users-0']?.roundTrips ?? 0
    expect(spent).toBeGreaterThanOrEqual(commits)
    expect(spent / commits).toBeLessThanOrEqual(1.2)
    const shard = await shardOf('users-0')
    const [[left] = []] = await run(
      shard,
      "SELECT count(*) FROM outbox WHERE state = 'ready' AND okey >= ? AND okey < ?",
      slotText(21),
      slotText(22),
    )
    // The last one's mark waits for the next commit.
    expect(left).toBe(1)
    await run(shard, "UPDATE outbox SET next_at = 1 WHERE state = 'ready'")
    await createRelay(env, links).sweep()
  })
})
