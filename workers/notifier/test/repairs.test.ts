import { clientOf } from '@stoa/contracts'
import { notifier } from '@stoa/contracts/notifier'
import { rootCall, slotOfId, type SqlValue, typedId } from '@stoa/kernel'
import { exports } from 'cloudflare:workers'
import { afterAll, describe, expect, test } from 'vitest'

import { alarmOf } from '../src/domain/alarm.ts'
import { firstDue } from '../src/domain/plan-deliveries.ts'
import { rearm, type Rearm } from '../src/domain/rearm.ts'
import { rearmStatements } from '../src/store/rearm.ts'
import {
  access,
  ageDeliveries,
  deliver,
  deliveriesOf,
  due,
  dueOf,
  confirmed,
  heardBy,
  ids,
  merchant,
  newId,
  planned,
  rows,
  spoil,
} from './harness.ts'
import { openWorld } from './world.ts'

const call = rootCall('test')
const client = clientOf(notifier, (request) => exports.default.fetch(request))

type Merchant = Awaited<ReturnType<typeof merchant>>

async function change(member: string, sql: string, ...args: readonly SqlValue[]): Promise<void> {
  await access.router.write(slotOfId(member), [{ sql, args }], call)
}

async function newestEvent(member: string): Promise<string> {
  const sql = 'SELECT event_id FROM merchant_event WHERE member = ? ORDER BY seq DESC LIMIT 1'
  return String((await rows(member, sql, [member]))[0]?.[0])
}

async function debtOf({ member, endpoint }: Merchant) {
  return {
    member: typedId('usr', member),
    event: typedId('evt', await newestEvent(member)),
    endpoint,
  }
}

async function ask(who: Merchant, again = false): Promise<boolean> {
  return (await client.rearmDelivery({ body: { ...(await debtOf(who)), again } }, call)).isRearmed
}

/** As if a delivery had never been planned. */
async function forget(member: string): Promise<void> {
  await change(
    member,
    `DELETE FROM delivery WHERE endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)`,
    member,
  )
}

/** As if all attempts had failed. */
async function giveUp(member: string, id: string): Promise<void> {
  const sql = `UPDATE delivery SET state = 'failed', attempts = 19, done_at = 1, next_at = 0 WHERE id = ?`
  await change(member, sql, id)
}

describe('a rearm', () => {
  test('plans a delivery that was never planned, once, and it is made', async () => {
    const who = await merchant()
    await deliver([confirmed(who.member)])
    await forget(who.member)

    expect([await ask(who), await ask(who)]).toEqual([true, false])

    const [[id] = []] = await deliveriesOf(who.member)
    expect(await dueOf(who.member)).toEqual([id])
    await deliver([due(String(id))])
    expect(await deliveriesOf(who.member)).toEqual([[id, 'delivered', 1, 200]])
    expect(await heardBy(who.name)).toHaveLength(1)
  })

  test('plans one when it is asked many times at once', async () => {
    const who = await merchant()
    await deliver([confirmed(who.member)])
    await forget(who.member)

    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(who)))

    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await deliveriesOf(who.member)).toHaveLength(1)
    expect(await dueOf(who.member)).toHaveLength(1)
  })

  test('begins one anew that was given up, once; and once more where two persons have looked', async () => {
    const who = await merchant()
    const id = await planned(who.member)
    await giveUp(who.member, id)

    expect([await ask(who), await ask(who)]).toEqual([true, false])
    expect(await deliveriesOf(who.member)).toEqual([[id, 'pending', 19, null]])
    await giveUp(who.member, id)
    expect([await ask(who), await ask(who, true)]).toEqual([false, true])
    expect(await deliveriesOf(who.member)).toEqual([[id, 'pending', 19, null]])
  })

  test('asks for an attempt that nobody makes, and leaves alone what is on its way', async () => {
    const who = await merchant()
    const id = await planned(who.member)
    const asked = async () =>
      (await rows(who.member, 'SELECT asked FROM delivery WHERE id = ?', [id]))[0]

    expect([await ask(who), await asked()]).toEqual([false, [1]])
    await ageDeliveries(who.member, 3_600_000)
    expect([await ask(who), await ask(who), await asked()]).toEqual([true, false, [2]])
  })

  test('leaves alone what was delivered, and what is owed no more', async () => {
    const who = await merchant()
    const id = await planned(who.member)
    await deliver([due(id)])
    const other = await merchant('200', ['order.rejected'])
    await deliver([confirmed(other.member)])

    expect([await ask(who), await ask(other)]).toEqual([false, false])
    await giveUp(who.member, id)
    await change(
      who.member,
      `UPDATE webhook_endpoint SET state = 'gone' WHERE member = ?`,
      who.member,
    )
    expect(await ask(who)).toBe(false)
  })

  test('does not undo a delivery that is made between its look and its write', async () => {
    const who = await merchant()
    const id = await planned(who.member)
    await giveUp(who.member, id)
    const { deps } = openWorld(() => 200)
    const debt = { member: who.member, event: await newestEvent(who.member) }
    const endpoint = who.endpoint.slice(4)
    const late = {
      ...deps.deliveries,
      owed: async (...args: Parameters<typeof deps.deliveries.owed>) => {
        const owed = await deps.deliveries.owed(...args)
        await deps.deliveries.acknowledge({ id, member: who.member, at: Date.now() }, call)
        return owed
      },
    }

    const done = await rearm(
      { deliveries: late, ids: deps.ids, clock: deps.clock },
      { ...debt, endpoint, again: false },
      call,
    )

    expect(done).toBe(false)
    expect(await deliveriesOf(who.member)).toEqual([[id, 'delivered', 19, null]])
  })

  test.each([
    ['planned', forget, 'INSERT INTO "delivery"'],
    ['begun anew', giveUp, 'earlier = attempts'],
  ])('is %s once when the reply is lost', async (_what, spoilIt, contains) => {
    const who = await merchant()
    const id = await planned(who.member)
    await spoilIt(who.member, id)
    const before = (await dueOf(who.member)).length
    await spoil({ action: 'drop-reply', match: { contains } })

    await ask(who).catch(() => undefined)
    await ask(who)

    expect((await deliveriesOf(who.member)).map(([, state]) => state)).toEqual(['pending'])
    expect((await dueOf(who.member)).length - before).toBe(1)
  })

  test('owes nothing of an event that nobody has', async () => {
    const who = await merchant()
    const body = {
      member: typedId('usr', who.member),
      event: typedId('evt', newId()),
      endpoint: who.endpoint,
      again: true,
    }

    expect(await client.rearmDelivery({ body }, call)).toEqual({ isRearmed: false })
  })
})

const caught: string[] = []
afterAll(() => {
  process.stdout.write(`mutants caught, ${caught.length}:\n${caught.join('\n')}\n`)
})

describe('a mutant of it that', () => {
  /** What two plans of one debt and a new beginning that comes too late leave. */
  async function live([from, to]: readonly [string, string]) {
    let lived = 0
    const who = await merchant()
    const id = await planned(who.member)
    const eventId = await newestEvent(who.member)
    await forget(who.member)
    const run = async (work: Rearm) => {
      const statements = rearmStatements(work, Date.now()).map(({ sql, args }) => {
        if (sql.includes(from)) lived += 1
        return { sql: sql.replaceAll(from, to), args }
      })
      await access.router.write(slotOfId(who.member), statements, call)
    }
    const plan = (): Rearm => {
      const at = Date.now()
      const delivery = {
        id: ids.child(who.member),
        endpoint: who.endpoint.slice(4),
        type: 'order.confirmed',
        eventId,
        payload: '{}',
        createdAt: at,
      }
      return { kind: 'plan', delivery, alarm: { event: firstDue(delivery, eventId, ids), at } }
    }
    const events = async () =>
      (
        await rows(
          who.member,
          `SELECT count(*) AS n FROM outbox WHERE type = 'delivery.due' AND okey <> ? AND okey >= ? AND okey < ?`,
          [id, who.member.slice(0, 5), `${who.member.slice(0, 5)}~`],
        )
      )[0]?.[0]
    await run(plan())
    await run(plan())
    const outcomes: unknown[] = [await events()]
    const [[made = ''] = []] = await deliveriesOf(who.member)
    const again = alarmOf({ id: String(made), asked: 1 }, Date.now(), access)
    await change(
      who.member,
      `UPDATE delivery SET state = 'delivered', done_at = 1 WHERE id = ?`,
      made,
    )
    await run({ kind: 'anew', alarm: again })
    outcomes.push((await deliveriesOf(who.member)).map(([, state]) => state))
    return { outcomes, lived }
  }

  test.for<readonly [name: string, from: string, to: string]>([
    ['plans a second delivery', 'on conflict do nothing', ''],
    ['asks for what it did not plan', 'changes() = 1', 'true'],
    ['begins anew what was delivered', "state = 'failed' AND", ''],
  ])('%s is noticed', async ([name, from, to]) => {
    const right = await live(['\0', ''])

    const mutant = await live([from, to]).catch(() => ({ outcomes: ['failed'], lived: 1 }))

    expect(right.outcomes).toEqual([1, ['delivered']])
    expect(mutant.lived).toBeGreaterThan(0)
    expect(mutant.outcomes).not.toEqual(right.outcomes)
    caught.push(name)
  })
})
