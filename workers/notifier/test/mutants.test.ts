import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { isFault, manualClock, rootCall, type Statement } from '@stoa/kernel'
import { describe, expect, test } from 'vitest'

import { alarmOf } from '../src/domain/alarm.ts'
import { attemptDeliveries } from '../src/domain/attempt-deliveries.ts'
import { attemptsAtOnce } from '../src/domain/health.ts'
import { deliveryStore } from '../src/store/deliveries.ts'
import { eventStore } from '../src/store/events.ts'
import {
  access,
  ask,
  confirmed,
  deliver,
  deliveriesOf,
  ids,
  merchant,
  newId,
  planned,
} from './harness.ts'
import { healthOf, openWorld, waitingAlarms } from './world.ts'

/** A safeguard taken out of the statements: `from` becomes `to` wherever it stands. */
type Mutant = {
  readonly name: string
  /** What does not go as it must without the safeguard. */
  readonly scene: (theatre: Theatre) => Promise<boolean>
  readonly from: string
  readonly to: string
}

const mutants: readonly Mutant[] = [
  {
    name: 'an attempt that somebody makes is taken again',
    scene: playRights,
    from: "d.state = 'pending' AND d.lease_until <= ?",
    to: "d.state = 'pending' AND ? > 0",
  },
  {
    name: 'an attempt is made before its time',
    scene: playSchedule,
    from: 'AND d.next_at <= ?',
    to: 'AND ? > 0',
  },
  {
    name: 'a dead endpoint takes all that is there',
    scene: playLimits,
    from: 'AND b.lease_until > ?)',
    to: 'AND b.lease_until > ? + 9e12)',
  },
  { name: 'an endpoint has no pace', scene: playLimits, from: '+ 100,\n', to: ',\n' },
  {
    name: 'a suspended endpoint is called',
    scene: playHealth,
    from: "WHEN e.health = 'suspended' AND e.probe_at > ? THEN 0",
    to: 'WHEN ? < 0 THEN 0',
  },
  {
    name: 'an attempt is not written down',
    scene: playSchedule,
    from: 'SELECT id, attempts + 1, ?, ?, ?, ?, ? FROM delivery WHERE',
    to: 'SELECT id, attempts + 1, ?, ?, ?, ?, ? FROM delivery WHERE false AND',
  },
  {
    name: 'a lease that was lost writes down an attempt',
    scene: playLate,
    from: 'FROM delivery WHERE id = ? AND lease = ?',
    to: 'FROM delivery WHERE id = ? AND ? IS NOT NULL',
  },
  {
    name: 'a failure has no alarm',
    scene: playSchedule,
    from: 'WHERE EXISTS (SELECT 1 FROM delivery WHERE id = ? AND lease = ?) RETURNING id',
    to: 'WHERE EXISTS (SELECT 1 FROM delivery WHERE id = ? AND lease = ? AND false) RETURNING id',
  },
  {
    name: 'an alarm rings after its attempt was made',
    scene: playSchedule,
    from: "AND type = 'delivery.due' AND EXISTS",
    to: "AND type = 'delivery.never' AND EXISTS",
  },
  {
    name: 'a success is lost with its lease',
    scene: playLate,
    from: "WHERE id = ? AND state <> 'delivered'",
    to: "WHERE id = ? AND state <> 'delivered' AND lease IS NOT NULL",
  },
  {
    name: 'a late failure takes a success back',
    scene: playLate,
    from: "WHERE id = ? AND state = 'pending' AND lease = ?",
    to: 'WHERE id = ? AND ? IS NOT NULL',
  },
  {
    name: 'failures do not degrade',
    scene: playSchedule,
    from: "THEN 'degraded' ELSE health END",
    to: 'THEN health ELSE health END',
  },
  {
    name: 'a success does not mend',
    scene: playHealth,
    from: "SET health = 'healthy', failures = 0",
    to: 'SET failures = failures',
  },
  {
    name: '410 does not end',
    scene: playHealth,
    from: "THEN 'gone' ELSE state END",
    to: 'THEN state ELSE state END',
  },
  {
    name: 'an attempt that is under way is put off',
    scene: playRights,
    from: 'AND (lease_until <= ? OR lease = ?)',
    to: 'AND (? > 0 OR ? IS NOT NULL)',
  },
  {
    name: 'anybody acknowledges',
    scene: playRights,
    from: 'endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)',
    to: '? IS NOT NULL',
  },
  {
    name: 'a new round remembers the old one',
    scene: playRights,
    from: ', earlier = attempts',
    to: '',
  },
  {
    name: 'an event has the number of another',
    scene: playNumbers,
    from: 'SET last = merchant_sequence.last + 1',
    to: 'SET last = merchant_sequence.last',
  },
]

/** The databases, with a mutant in each statement that is written. One that is no SQL any more would die of that. */
function mutated(mutant: Mutant | undefined) {
  const seen = { changed: 0, broken: 0 }
  const mutate = (statement: Statement): Statement => {
    if (mutant === undefined || !statement.sql.includes(mutant.from)) return statement
    seen.changed += 1
    return { ...statement, sql: statement.sql.replaceAll(mutant.from, mutant.to) }
  }
  const commit: KeyspaceAccess['committer']['commit'] = (work, each) =>
    access.committer
      .commit({ ...work, statements: work.statements.map(mutate) }, each)
      .catch((error: unknown) => {
        if (!isFault(error)) seen.broken += 1
        throw error
      })
  return { access: { ...access, committer: { commit } }, seen }
}

type Theatre = ReturnType<typeof mutated>
type Answer = Parameters<typeof openWorld>[0]

const call = rootCall('mutants')

function worldOf(theatre: Theatre, answer: Answer) {
  const world = openWorld(answer)
  const deliveries = deliveryStore({ ...theatre.access, clock: world.clock })
  const deps = { ...world.deps, deliveries }
  const attempt = (...due: string[]) => attemptDeliveries(deps, due, call).catch(() => undefined)
  return { ...world, deliveries, attempt }
}

/** Nineteen attempts in their time, each in the log; then nothing rings. */
async function playSchedule(theatre: Theatre): Promise<boolean> {
  const { member } = await merchant()
  const id = await planned(member)
  const world = worldOf(theatre, () => 500)
  await world.attempt(id)
  await world.attempt(id)
  const isOnce = world.calls.length === 1
  const alarms = [(await waitingAlarms(id)).length]
  for (let n = 0; n < 5; n += 1) {
    world.clock.advance(3_600_000)
    await world.attempt(id)
    alarms.push((await waitingAlarms(id)).length)
  }
  const [row = []] = await deliveriesOf(member)
  const log = await ask(member, `/v1/webhook-deliveries/whd_${id}/attempts`)
  const { health } = await healthOf(member)
  const isDegraded = health === 'degraded'
  return (
    isOnce &&
    alarms.every((count) => count === 1) &&
    row[2] === 6 &&
    (log.body['items'] as unknown[]).length === 6 &&
    isDegraded
  )
}

/** What hangs is called by as many as its health allows, and slower than it could be. */
async function playLimits(theatre: Theatre): Promise<boolean> {
  const { member } = await merchant()
  for (let n = 0; n < 26; n += 1) await deliver([confirmed(member)])
  const due = (await deliveriesOf(member)).map(([id]) => String(id))
  const { promise, resolve } = Promise.withResolvers<number>()
  const world = worldOf(theatre, () => promise)
  const first = due.slice(0, 6).map((id) => world.attempt(id))
  await expect
    .poll(() => world.calls.length, { timeout: 20_000 })
    .toBeGreaterThanOrEqual(attemptsAtOnce.healthy)
  await Promise.all(due.slice(4, 6).map((id) => world.attempt(id)))
  const isBound = world.calls.length === attemptsAtOnce.healthy
  resolve(200)
  await Promise.all(first)
  const paced = worldOf(theatre, () => 200)
  await paced.attempt(...due.slice(6))
  return isBound && paced.calls.length < 20
}

/** A suspended endpoint is left alone, then mended; one that is gone is called no more. */
async function playHealth(theatre: Theatre): Promise<boolean> {
  const { member } = await merchant()
  const [one, two, three] = [await planned(member), await planned(member), await planned(member)]
  const world = worldOf(theatre, (_webhook, nth) => (nth < 3 ? 500 : nth === 3 ? 200 : 410))
  await world.attempt(one)
  world.clock.advance(5 * 24 * 3_600_000 + 1_000)
  await world.attempt(one)
  await world.attempt(two)
  const isLeftAlone = world.calls.length === 2
  world.clock.advance(7 * 3_600_000)
  await world.attempt(one)
  const { health } = await healthOf(member)
  await world.attempt(three)
  const { state } = await healthOf(member)
  return isLeftAlone && health === 'healthy' && state === 'gone'
}

/** Somebody who comes late, after his lease: his success counts, his failure does not. */
async function playLate(theatre: Theatre): Promise<boolean> {
  const { member } = await merchant()
  const id = await planned(member)
  const { promise, resolve } = Promise.withResolvers<number>()
  const late = worldOf(theatre, () => promise)
  const attempt = late.attempt(id)
  await expect.poll(() => late.calls.length, { timeout: 20_000 }).toBe(1)
  const world = worldOf(theatre, () => 500)
  world.clock.advance(60_000)
  await world.attempt(id)
  resolve(200)
  await attempt
  const [success = []] = await deliveriesOf(member)

  const other = await planned(member)
  const failing = Promise.withResolvers<number>()
  const slow = worldOf(theatre, () => failing.promise)
  slow.clock.advance(120_000)
  const failed = slow.attempt(other)
  await expect.poll(() => slow.calls.length, { timeout: 20_000 }).toBe(1)
  const quick = worldOf(theatre, () => 200)
  quick.clock.advance(240_000)
  await quick.attempt(other)
  failing.resolve(500)
  await failed
  const log = await ask(member, `/v1/webhook-deliveries/whd_${other}/attempts`)
  const states = (await deliveriesOf(member)).map(([, state]) => state)
  return (
    success[1] === 'delivered' &&
    states.every((state) => state === 'delivered') &&
    (log.body['items'] as unknown[]).length === 1
  )
}

/** What is put off, acknowledged and sent anew by whom it may be. */
async function playRights(theatre: Theatre): Promise<boolean> {
  const { member } = await merchant()
  const id = await planned(member)
  const clock = manualClock(Date.now() + 60_000)
  const store = deliveryStore({ ...theatre.access, clock })
  const lease = { name: 'one', now: clock.now() }
  const [mine] = await store.claim([id], lease, call)
  if (mine === undefined) return false
  const stranger = { ...mine, lease: 'two' }
  const alarm = alarmOf(stranger, clock.now(), { ids, clock })
  await store.postpone([{ delivery: stranger, alarm }], call)
  const [held] = await store.claim([id], { ...lease, name: 'three' }, call)
  const isHeld = held?.turn === 'held'
  const foreign = await store.acknowledge({ id, member: newId(), at: 1 }, call)
  const isPending = (await deliveriesOf(member))[0]?.[1] === 'pending'
  await store.acknowledge({ id, member, at: clock.now() }, call)

  const again = await planned(member)
  const world = worldOf(theatre, () => 500)
  world.clock.advance(600_000)
  await world.attempt(again)
  const once = { principal: member, method: 'post', route: 'x', key: again, fingerprint: '' }
  const resend = { id: again, asked: 2 }
  const { event } = alarmOf(resend, world.clock.now(), { ids, clock: world.clock })
  const { access: there } = theatre
  const work: Statement[] = []
  const runner: KeyspaceAccess['once'] = {
    ...access.once,
    run: async (_once, job) => {
      work.push(...job.work.statements)
      return { reply: job.reply, replayed: false }
    },
  }
  const resending = deliveryStore({ ...there, clock: world.clock, once: runner })
  await resending.resend(once, { resend, event }, call)
  await there.committer.commit({ keys: [again], statements: work, events: [] }, call)
  const [next] = await store.claim([again], { name: 'four', now: world.clock.now() }, call)
  return isHeld && !foreign && isPending && next?.earlier === 1
}

/** Two events of one merchant have two numbers. */
async function playNumbers(theatre: Theatre): Promise<boolean> {
  const member = newId()
  const events = eventStore(theatre.access)
  for (const event of [confirmed(member), confirmed(member)]) {
    const merchantEvent = { member, type: event.type, eventId: event.id, payload: '{}', at: 1 }
    const { statements } = events.effectOf(event, {
      merchant: merchantEvent,
      deliveries: [],
      due: [],
    })
    await theatre.access.committer.commit({ keys: [member], statements, events: [] }, call)
  }
  const { latest } = (await ask(member, '/v1/events?limit=1&since=2030-01-01T00:00:00Z')).body
  return latest === 2
}

const scenes = [playSchedule, playLimits, playHealth, playLate, playRights, playNumbers]

async function play(mutant: Mutant) {
  const theatre = mutated(mutant)
  const right = await mutant.scene(theatre).catch(() => false)
  return { right, ...theatre.seen }
}

describe('the statements of deliveries', () => {
  test.each(scenes.map((scene) => [scene.name, scene] as const))(
    'are right in %s',
    async (_name, scene) => {
      expect(await scene(mutated(undefined))).toBe(true)
    },
  )

  test.each(mutants)('are not right when $name', async (mutant) => {
    const { right, changed, broken } = await play(mutant)

    expect(changed).toBeGreaterThan(0)
    expect([right, broken]).toEqual([false, 0])
  })
})
