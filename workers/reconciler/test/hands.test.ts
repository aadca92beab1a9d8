import { clientOf } from '@stoa/contracts'
import { stats } from '@stoa/contracts/stats'
import { boundFetchers } from '@stoa/http'
import { type Fetcher, systemClock, typedId } from '@stoa/kernel'
import { createReconciler, type Span } from '@stoa/reconciliation'
import { env as bindings } from 'cloudflare:workers'
import { afterEach, describe, expect, test } from 'vitest'

import { hotViewPlans } from '../src/store/comparisons/hot-view.ts'
import {
  ask,
  call,
  doubled,
  dump,
  env,
  hot,
  ids,
  keyspace,
  newId,
  select,
  spoil,
  startWorld,
  unspoil,
  type World,
  write,
} from './harness.ts'
import { breaks, type Injected } from './scenarios.ts'
import { insert, seedEvent, shownText } from './seed.ts'

function spanOf(key: string): Span {
  return { from: key, to: `${key}\0` }
}

const [secondMs, minuteMs, hourMs, dayMs] = [1_000, 60_000, 3_600_000, 86_400_000]
const bound = boundFetchers(bindings)
const owners = new Set(['users', 'social', 'catalog', 'warehouse', 'notifier', 'stats'])

/** What the services mend themselves. */
const comparisons = [
  'stock',
  'deliveries',
  'profile_followers',
  'profile_following',
  'profile_posts',
  'counted_posts',
  'handles',
  'emails',
  'skus',
  'hot_member',
  'hot_product',
  'hot_post',
]

afterEach(unspoil)

let lives = 0

/** A day of its own, so that none of its runs has finished before. */
function nextDay(): number {
  lives += 1
  return Date.now() + 3 * lives * dayMs
}

/** The services themselves behind a reconciler whose day is to come; `tamper` may stand between. */
function openWorld(tamper: (service: Fetcher, name: string) => Fetcher = (service) => service) {
  const services = (name: string) =>
    owners.has(name) ? tamper(bound(name as Parameters<typeof bound>[0]), name) : undefined
  return startWorld(nextDay(), { real: doubled, comparisons, services })
}

/** An author two of whose posts were not counted; of one the event is still on its way. */
async function uncounted(at: number): Promise<Injected & { readonly event: string }> {
  const key = newId()
  const posts = Array.from({ length: 3 }, () => ids.child(key))
  await write(
    'social',
    key,
    insert('profile', { member: key, posts: 3 }),
    ...posts.map((id) => insert('post', { id, author: key, text: 'x', created_at: at })),
  )
  await write('stats', key, insert('counter', { subject: key, metric: 'posts', n: 1 }))
  const [post = ''] = posts
  const event = await seedEvent('social', {
    key: post,
    type: 'post.created',
    data: { post, author: key },
    at,
  })
  return { comparison: 'counted_posts', class: 'counter_drift', key, action: 'recount', event }
}

/** A profile that counts what is not there. */
async function miscounted(column: 'following' | 'posts'): Promise<Injected> {
  const key = newId()
  await write('social', key, insert('profile', { member: key, [column]: 3 }))
  return { comparison: `profile_${column}`, class: 'counter_drift', key, action: 'recount' }
}

/** One break of each kind that mends itself, as it looks before. */
async function injectAll(world: World): Promise<readonly Injected[]> {
  const at = world.clock.now() - 15 * hourMs
  const injected: Injected[] = []
  for (const inject of Object.values(breaks)) {
    const one = await inject(at, world)
    if (comparisons.includes(one.comparison) && one.mend !== undefined) injected.push(one)
  }
  return injected
}

async function stateOf({ comparison, key }: Injected): Promise<unknown> {
  const sql = 'SELECT state, note FROM discrepancy WHERE comparison = ? AND key = ?'
  const [row] = await select('reconciler', sql, comparison, key)
  return row?.[0] === 'review' ? row : row?.[0]
}

async function statesOf(injected: readonly Injected[]): Promise<readonly unknown[]> {
  const states: unknown[] = []
  for (const each of injected) states.push(`${each.comparison} ${String(await stateOf(each))}`)
  return states
}

function all(injected: readonly Injected[], state: string): readonly string[] {
  return injected.map(({ comparison }) => `${comparison} ${state}`)
}

/** As if the attempts that were asked for had been made. */
async function deliverAll(injected: readonly Injected[]): Promise<void> {
  for (const { comparison, key } of injected) {
    if (comparison !== 'deliveries') continue
    const [member = '', event = '', endpoint = ''] = key.split(':')
    const sql = `UPDATE delivery SET state = 'delivered', done_at = 1 WHERE endpoint = ? AND event_id = ?`
    await write('notifier', member, { sql, args: [endpoint, event] })
  }
}

/** Ticks until all that was injected is repaired, then until it is seen to be gone. */
async function mendAll(world: World, injected: readonly Injected[]): Promise<void> {
  await world.settle()
  world.clock.advance(2 * minuteMs)
  await world.settle()
  for (let tries = 0; tries < 3; tries += 1) {
    world.clock.advance(10 * secondMs)
    await world.settle()
  }
  await deliverAll(injected)
}

describe('a deployment', () => {
  test('mends by its services what is safe, once, and a second run changes nothing', async () => {
    const world = await openWorld()
    const beganAt = world.clock.now()
    const author = await uncounted(beganAt - 15 * hourMs)
    const injected = [
      ...(await injectAll(world)),
      author,
      await miscounted('following'),
      await miscounted('posts'),
    ]

    await mendAll(world, injected)
    expect(await statesOf(injected)).toEqual(all(injected, 'repaired'))
    const [inboxed] = await select(
      'stats',
      'SELECT slot FROM inbox WHERE event_id = ?',
      author.event,
    )
    expect(inboxed).toEqual([author.key])
    const counted = 'SELECT n FROM counter WHERE subject = ?'
    expect(await select('stats', counted, author.key)).toEqual([[3]])

    world.clock.advance(2 * hourMs)
    await world.settle()
    expect(await statesOf(injected)).toEqual(all(injected, 'resolved'))

    const unavailable = `SELECT count(*) FROM discrepancy_journal WHERE note = 'repair_unavailable' AND at >= ?`
    expect((await select('reconciler', unavailable, beganAt)).flat()).toEqual([0, 0])
    const before = await dump(beganAt)
    for (const comparison of comparisons) {
      const body = { comparison }
      await ask(world, ['POST', '/v1/reconciliation-runs'], { body, key: `hands-${comparison}` })
    }
    expect(await dump(beganAt)).toBe(before)
  })

  test('mends once though each reply of a service is lost', async () => {
    const lost = new Set<string>()
    const world = await openWorld((service) => async (request) => {
      const named = `${new URL(request.url).pathname} ${await request.clone().text()}`
      const response = await service(request)
      if (lost.has(named)) return response
      lost.add(named)
      throw new TypeError('Network connection lost')
    })
    const injected = await injectAll(world)

    await mendAll(world, injected)

    expect(lost.size).toBeGreaterThanOrEqual(injected.length)
    world.clock.advance(2 * hourMs)
    await world.settle()
    expect(await statesOf(injected)).toEqual(all(injected, 'resolved'))
  })

  test('mends once though whoever asked died before he could write it down', async () => {
    let isAlive = true
    const world = await openWorld((service) => async (request) => {
      const response = await service(request)
      // Once: an answer that comes when the test has mended the network must not cut it again.
      if (isAlive) {
        isAlive = false
        await spoil({ action: 'partition', match: { path: 'reconciler' } })
      }
      return response
    })
    const key = newId()
    await write('stats', key, insert('counter', { subject: key, metric: 'posts', n: 4 }))
    await write('social', key, insert('profile', { member: key }))
    const about = { comparison: 'counted_posts', class: 'counter_drift', key, action: 'recount' }
    await world.settle()

    world.clock.advance(2 * minuteMs)
    await world.service.sweep().catch(() => undefined)
    const asked = world.asked.length
    await unspoil()
    world.restart()
    world.clock.advance(2 * minuteMs)
    await world.settle()

    expect(await stateOf(about)).toBe('resolved')
    expect([asked, world.asked.length]).toEqual([1, 1])
    expect(await select('stats', 'SELECT n FROM counter WHERE subject = ?', key)).toEqual([[0]])
  })

  test('counts again when the counter has counted on meanwhile', async () => {
    let isFirst = true
    const raise = `UPDATE counter SET n = n + 1 WHERE subject = ? AND metric = 'posts'`
    const world = await openWorld((service) => async (request) => {
      const isMine = isFirst && (await request.clone().text()).includes(key)
      if (isMine) await write('stats', key, { sql: raise, args: [key] })
      if (isMine) isFirst = false
      return service(request)
    })
    const author = await uncounted(world.clock.now() - 15 * hourMs)
    const { key } = author
    await world.settle()
    world.clock.advance(2 * minuteMs)
    await world.settle()

    expect(await stateOf(author)).toBe('repairing')
    world.clock.advance(10 * secondMs)
    await world.settle()

    expect(await stateOf(author)).toBe('repaired')
    expect(await select('stats', 'SELECT n FROM counter WHERE subject = ?', key)).toEqual([[3]])
  })

  test('leaves what has been shown anew since it was looked at', async () => {
    const later = shownText({ views: 4, seq: 49, at: Date.now() })
    const world = await openWorld((service) => async (request) => {
      const { subject } = (await request.clone().json()) as { subject?: string }
      const view = `product:${String(subject).slice(4)}`
      if (keys.has(view)) await hot.run(['SET', view, later], call, { idempotent: true })
      return service(request)
    })
    const inject = breaks['a view that has been behind for long']
    const one = await inject?.(world.clock.now(), world)
    const view = `product:${one?.key ?? ''}`
    const keys = new Set([view])
    await world.settle()

    world.clock.advance(2 * minuteMs)
    await world.settle()

    expect(await hot.run(['GET', view], call, { idempotent: true })).toBe(later)
  })
})

describe('what is shown of counts', () => {
  test('is never found wrong while the service counts, drains and shows', async () => {
    const client = clientOf(stats, bound('stats'))
    const objects = Array.from({ length: 12 }, newId)
    const authorization = `Bearer ${env['OPERATOR_TOKEN'] ?? ''}`
    const { router } = keyspace('stats')
    const plans = hotViewPlans({ readerOf: () => router, hot, clock: systemClock })
    const [, product] = plans
    if (product === undefined) throw new Error('Products are not compared')
    const reconciler = createReconciler({
      keyspace: keyspace('reconciler').router,
      clock: systemClock,
    })
    const found: unknown[] = []
    let compared = 0
    const count = async () => {
      for (let round = 0; round < 8; round += 1) {
        const events = objects.map((id, index) => ({
          kind: 'product' as const,
          subject: typedId('prd', id),
          by: 1 + ((index + round) % 3),
        }))
        await client.recordEvents({ body: { events } }, call)
        await client.drainCounts({ headers: { authorization } }, call)
      }
    }
    const look = async () => {
      for (let round = 0; round < 12; round += 1) {
        const run = await reconciler.dryRun(
          { comparison: product.comparison, spans: objects.toSorted().map(spanOf) },
          (finding) => found.push(finding),
          call,
        )
        compared += run.compared
      }
    }

    await Promise.all([count(), look()])
    await look()

    expect(found).toEqual([])
    expect(compared).toBeGreaterThan(12 * objects.length)
    const shown = ['EXISTS', ...objects.map((id) => `product:${id}`)]
    expect(await hot.run(shown, call, { idempotent: true })).toBe(objects.length)
  })
})

describe('two persons', () => {
  async function approve(world: World, about: Injected): Promise<void> {
    const sql = 'SELECT id, version FROM discrepancy WHERE comparison = ? AND key = ?'
    const found = async () => (await select('reconciler', sql, about.comparison, about.key))[0]
    const [id, version] = (await found()) ?? []
    const path = `/v1/discrepancies/dsc_${String(id)}`
    const first = { by: 'ada', note: 'looked', version: Number(version), action: about.action }
    const proposed = await ask(world, ['PUT', `${path}/proposal`], { body: first })
    expect(proposed.status).toBe(200)
    const second = { by: 'bob', note: 'checked', version: Number(version) + 1, approved: true }
    const decided = await ask(world, ['PUT', `${path}/decision`], { body: second })
    expect(decided.status).toBe(200)
  }

  test('free units that nobody has reserved, and take out an entry that leads nowhere', async () => {
    const world = await openWorld()
    const at = world.clock.now() - 15 * hourMs
    const stock = await breaks['a reserved count that is above its reservations']?.(at, world)
    const claims = await startWorld(nextDay(), {
      real: doubled,
      comparisons: ['email_claims'],
      services: (name) => (name === 'users' ? bound(name) : undefined),
    })
    const claim = await breaks['an address that leads to a member who has another']?.(at, claims)
    if (stock === undefined || claim === undefined) throw new Error('There are no such breaks')
    for (const each of [world, claims]) {
      await each.settle()
      each.clock.advance(2 * minuteMs)
      await each.settle()
    }

    await approve(world, { ...stock, action: 'rebuild_reserved' })
    await approve(claims, { ...claim, action: 'copy_twin' })
    for (const each of [world, claims]) await each.settle()

    expect(
      await select('warehouse', 'SELECT reserved FROM stock WHERE product = ?', stock.key),
    ).toEqual([[1]])
    const entry = 'SELECT owner_id FROM lookup WHERE text = ?'
    expect(await select('users', entry, claim.key.slice(4))).toEqual([])
  })
})
