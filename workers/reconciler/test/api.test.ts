import { typedId } from '@stoa/kernel'
import { beforeAll, expect, test } from 'vitest'

import {
  ask,
  dump,
  env,
  momentOf,
  newId,
  select,
  spoil,
  startWorld,
  unspoil,
  type World,
} from './harness.ts'
import { seedOrder, seedPayment } from './seed.ts'

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000]
const at = momentOf('api', 13.5)

let world: World
beforeAll(async () => {
  world = await startWorld(at, { comparisons: ['orders', 'handles'] })
})

const runs = '/v1/reconciliation-runs'

/** An order and a payment that disagree about the amount: for a person. */
async function disagree(): Promise<string> {
  const order = await seedOrder({ at: at - dayMs, total: 400 })
  await seedPayment({ order, at: at - dayMs })
  return order
}

async function run(key: string = crypto.randomUUID()) {
  return ask(world, ['POST', runs], { body: { comparison: 'orders' }, key })
}

/** Finds a break, and answers its path and what it is at. */
async function found(): Promise<{ path: string; version: number; order: string }> {
  const order = await disagree()
  await run()
  const [row] = await select(
    'reconciler',
    'SELECT id, version FROM discrepancy WHERE key = ?',
    order,
  )
  const path = `/v1/discrepancies/${typedId('dsc', String(row?.[0]))}`
  return { path, version: Number(row?.[1]), order }
}

function deed(version: number, by: string, rest: object) {
  return { body: { version, by, note: 'looked at', ...rest } }
}

test('lets nobody in but operators', async () => {
  const member = `${newId()}.${'0'.repeat(64)}`
  const routes = [
    ['GET', runs],
    ['GET', '/v1/discrepancies'],
    ['GET', '/v1/discrepancy-ageing'],
    ['GET', `/v1/discrepancies/${typedId('dsc', newId())}`],
    ['GET', `${runs}/${typedId('rcn', newId())}`],
  ] as const

  for (const route of routes) {
    expect((await ask(world, route, { token: member })).status).toBe(403)
    expect((await ask(world, route, { token: 'forged-token-000000000' })).status).toBe(401)
  }
  for (const path of [runs, '/v1/reconciliation-trials']) {
    const options = { body: { comparison: 'orders' }, key: 'k', token: member }
    expect((await ask(world, ['POST', path], options)).status).toBe(403)
  }
})

test('begins one run for a key, whatever replies are lost', async () => {
  const key = crypto.randomUUID()
  await spoil({ action: 'drop-reply', match: { contains: 'idempotency' } })
  await run(key).catch(() => undefined)
  await unspoil()

  const first = await run(key)
  const again = await run(key)
  const other = await ask(world, ['POST', runs], { body: { comparison: 'handles' }, key })

  expect(first.status).toBe(202)
  expect(first.body).toMatchObject({ comparison: 'orders', state: 'finished' })
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect([other.status, other.body['code']]).toEqual([422, 'idempotency_key_reused'])
  const { body } = await ask(world, ['GET', `${runs}/${String(first.body['id'])}`])
  expect(body).toEqual(first.body)
})

test('refuses what it does not know, and writes nothing', async () => {
  const before = await dump(at)
  const unknown = newId()
  const cases = [
    [['POST', runs], { body: { comparison: 'nothing' }, key: crypto.randomUUID() }, 400],
    [['POST', runs], { body: { comparison: 'orders' } }, 400],
    [['POST', runs], { body: {}, key: 'k' }, 400],
    [['GET', `${runs}/${typedId('rcn', unknown)}`], {}, 404],
    [['GET', `${runs}/${unknown}`], {}, 400],
    [['GET', `${runs}?cursor=AAAA`], {}, 400],
    [['GET', '/v1/discrepancies?class=odd'], {}, 400],
    [['GET', '/v1/discrepancies?limit=0'], {}, 400],
    [['GET', `/v1/discrepancies/${typedId('dsc', unknown)}`], {}, 404],
    [
      ['PUT', `/v1/discrepancies/${typedId('dsc', unknown)}/proposal`],
      deed(1, 'ada', { action: 'adjust' }),
      404,
    ],
    [['PUT', `/v1/discrepancies/${typedId('dsc', unknown)}/proposal`], deed(1, '', {}), 400],
  ] as const

  for (const [route, options, status] of cases)
    expect([route, (await ask(world, route, options)).status]).toEqual([route, status])
  expect(await dump(at)).toBe(before)
})

test('tries without writing anything, also of a part of the keys', async () => {
  const [order, other] = [await disagree(), await disagree()]
  const before = await dump(at)

  const trial = (under: string) =>
    ask(world, ['POST', '/v1/reconciliation-trials'], { body: { comparison: 'orders', under } })
  const one = await trial(order)
  const all = await trial('')

  expect(one.body).toMatchObject({ compared: 1, found: { amount_mismatch: 1 } })
  expect(one.body['items']).toEqual([
    expect.objectContaining({
      key: order,
      class: 'amount_mismatch',
      action: 'adjust',
      amountMinor: 100,
    }),
  ])
  expect(JSON.stringify(all.body)).toContain(other)
  expect(await dump(at)).toBe(before)
})

test('lists runs newest first, page by page', async () => {
  for (let n = 0; n < 3; n += 1) {
    world.clock.advance(1_000)
    await run()
  }

  const first = await ask(world, ['GET', `${runs}?limit=2`])
  const next = await ask(world, ['GET', `${runs}?limit=2&cursor=${String(first.body['next'])}`])

  const items = [first, next].flatMap(({ body }) => body['items'] as { startedAt: string }[])
  const times = items.map(({ startedAt }) => startedAt)
  expect(times).toEqual(times.toSorted().toReversed())
  expect(new Set(items.map((item) => JSON.stringify(item))).size).toBe(4)
})

test('lists what is open by class, state, age and person, page by page', async () => {
  const { path, version } = await found()
  await found()
  const somebody = crypto.randomUUID()
  await ask(world, ['PUT', `${path}/assignee`], deed(version, 'ada', { assignee: somebody }))

  const list = async (query: string) => {
    const { body } = await ask(world, ['GET', `/v1/discrepancies?${query}`])
    return body as { items: { id: string; firstSeenAt: string; assignee: string }[]; next?: string }
  }
  const mine = await list(`assignee=${somebody}`)
  const first = await list('class=amount_mismatch&state=review&limit=1')
  const second = await list(`class=amount_mismatch&limit=1&cursor=${first.next ?? ''}`)

  expect(mine.items).toEqual([expect.objectContaining({ assignee: somebody, state: 'review' })])
  expect(first.items[0]?.id).not.toBe(second.items[0]?.id)
  expect((await list(`assignee=${somebody}&class=stock_drift`)).items).toEqual([])
  expect((await list(`assignee=${somebody}&olderThanHours=1`)).items).toEqual([])
})

test('counts what waits by class, state and age', async () => {
  await found()

  const { body } = await ask(world, ['GET', '/v1/discrepancy-ageing'])

  const [open] = await select(
    'reconciler',
    `SELECT count(*) FROM (SELECT 1 FROM discrepancy WHERE closed_at IS NULL)`,
  )
  expect(open).toBeDefined()
  expect(body['items']).toContainEqual(
    expect.objectContaining({ class: 'amount_mismatch', state: 'review', age: 'hour' }),
  )
})

test('does what one person has proposed and another has checked, and says who it was', async () => {
  const { path, version, order } = await found()

  const proposed = await ask(
    world,
    ['PUT', `${path}/proposal`],
    deed(version, 'ada', { action: 'redrive_payment' }),
  )
  const self = await ask(
    world,
    ['PUT', `${path}/decision`],
    deed(version + 1, 'ada', { approved: true }),
  )
  const checked = await ask(
    world,
    ['PUT', `${path}/decision`],
    deed(version + 1, 'bob', { approved: true }),
  )
  await world.settle()

  expect(proposed.body).toMatchObject({
    state: 'proposed',
    maker: 'ada',
    proposed: 'redrive_payment',
  })
  expect([self.status, self.body['code']]).toEqual([403, 'same_person'])
  expect(checked.body).toMatchObject({ state: 'approved', checker: 'bob' })
  const orders = world.mended.filter((each) => each.key === order)
  expect(orders).toEqual([
    expect.objectContaining({
      action: 'redrive_payment',
      ordered: { maker: 'ada', checker: 'bob' },
    }),
  ])
  const { body } = await ask(world, ['GET', path])
  expect((body['journal'] as { state: string }[]).map(({ state }) => state)).toEqual([
    'review',
    'proposed',
    'approved',
    'repairing',
    'repaired',
  ])
})

test('answers a deed again whose reply was lost, and refuses one that is overtaken', async () => {
  const { path, version } = await found()
  const proposal = deed(version, 'ada', { action: 'dismiss' })

  const first = await ask(world, ['PUT', `${path}/proposal`], proposal)
  const again = await ask(world, ['PUT', `${path}/proposal`], proposal)
  const other = await ask(
    world,
    ['PUT', `${path}/proposal`],
    deed(version, 'bob', { action: 'adjust' }),
  )
  const back = deed(version + 1, 'bob', { approved: false })
  const sent = await ask(world, ['PUT', `${path}/decision`], back)
  const sentAgain = await ask(world, ['PUT', `${path}/decision`], back)

  expect(again.body).toEqual(first.body)
  expect([other.status, other.body['code']]).toEqual([409, 'stale_discrepancy'])
  expect(sent.body).toMatchObject({ state: 'review', proposed: null })
  expect(sentAgain.body).toEqual(sent.body)
})

test('leaves a repair to a person that nobody does', async () => {
  const { path, version } = await found()
  await ask(world, ['PUT', `${path}/proposal`], deed(version, 'ada', { action: 'adjust' }))
  await ask(world, ['PUT', `${path}/decision`], deed(version + 1, 'bob', { approved: true }))

  world.clock.advance(minuteMs)
  await world.settle()

  const { body } = await ask(world, ['GET', path])
  expect(body).toMatchObject({ state: 'review', note: 'repair_unavailable' })
})

test('is the same service when it is a Worker of its own', async () => {
  const { exports } = await import('cloudflare:workers')
  const headers = { authorization: `Bearer ${env['OPERATOR_TOKEN'] ?? ''}` }
  const request = new Request(`http://reconciler${runs}`, { headers })

  expect((await exports.default.fetch(request)).status).toBe(200)
})

test('does its part of a minute when whoever has the timetable asks', async () => {
  const { path } = await found()
  world.clock.advance(7 * hourMs)
  const request = new Request('http://reconciler/internal/reconciler/sweeps', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  const { body: before } = await ask(world, ['GET', path])

  const response = await world.service.fetch(request)

  expect(response.status).toBe(204)
  const { body: after } = await ask(world, ['GET', path])
  expect(Date.parse(String(after['dueAt']))).toBeGreaterThan(Date.parse(String(before['dueAt'])))
})
