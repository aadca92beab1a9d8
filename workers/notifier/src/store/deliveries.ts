import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { attempt, delivery as deliveries, webhookEndpoint } from '@stoa/data/notifier'
import type { Call, Statement } from '@stoa/kernel'
import { and, desc, eq, lt } from 'drizzle-orm'

import type { Alarm, DueDelivery } from '../domain/delivery.ts'
import type { DeliveryStore, Stretch } from '../domain/ports.ts'
import { ask, beginAnew, isFree, silence } from './asking.ts'
import { db } from './builder.ts'
import { claimStatements, readClaim } from './claim.ts'
import { inFives } from './in-fives.ts'
import { owedQuery, readOwed, rearmStatements } from './rearm.ts'
import { giveUpStatements, recordStatements } from './record.ts'
import { overdueQuery, readOverdue, readReplay, replayQuery } from './replay.ts'

/** Attempts shown of one delivery. */
const attemptsShown = 100

function selectOwner(endpoint: string) {
  return db
    .select({ member: webhookEndpoint.member })
    .from(webhookEndpoint)
    .where(eq(webhookEndpoint.id, endpoint))
    .limit(1)
}

/** Deliveries of one endpoint have one prefix, so that their ids sort by time. */
function selectNewest(endpoint: string, { before, limit }: Stretch) {
  const { id, type, state, attempts, lastStatus, nextAt, createdAt } = deliveries
  const ofEndpoint = eq(deliveries.endpoint, endpoint)
  return db
    .select({ id, type, state, attempts, lastStatus, nextAt, createdAt })
    .from(deliveries)
    .where(before === undefined ? ofEndpoint : and(ofEndpoint, lt(id, before)))
    .orderBy(desc(id))
    .limit(limit)
}

function selectStanding(id: string) {
  return db
    .select({
      member: webhookEndpoint.member,
      state: webhookEndpoint.state,
      asked: deliveries.asked,
    })
    .from(deliveries)
    .innerJoin(webhookEndpoint, eq(webhookEndpoint.id, deliveries.endpoint))
    .where(eq(deliveries.id, id))
    .limit(1)
}

function selectAttempts(delivery: string) {
  const { number, at, durationMs, status, error, answer } = attempt
  return db
    .select({ number, at, durationMs, status, error, answer })
    .from(attempt)
    .where(eq(attempt.delivery, delivery))
    .orderBy(desc(number))
    .limit(attemptsShown)
}

/** What is of one shard, in one batch that does the same when it is sent twice. */
type Commit = (
  keys: readonly string[],
  statements: readonly Statement[],
  call: Call,
) => Promise<void>

function committing({ committer }: KeyspaceAccess): Commit {
  return async (keys, statements, call) => {
    await committer.commit({ keys, statements, events: [], eventsOf: () => [] }, call)
  }
}

function reads({ router }: KeyspaceAccess): Pick<DeliveryStore, 'list' | 'find' | 'replayItems'> {
  return {
    list: async (endpoint, stretch, call) => {
      const key = endpoint
      const owner = selectOwner(endpoint)
      const newest = selectNewest(endpoint, stretch)
      const [ownerRows, rows] = await router.readMany(
        [owner, newest].map((query) => ({ key, statement: statement(query) })),
        call,
      )
      if (ownerRows === undefined || rows === undefined) return undefined
      const [found] = await rowsOf(owner, ownerRows)
      if (found === undefined) return undefined
      return { member: found.member, deliveries: await rowsOf(newest, rows) }
    },
    find: async (id, call) => {
      const standing = selectStanding(id)
      const attempts = selectAttempts(id)
      const [standingRows, rows] = await router.readMany(
        [standing, attempts].map((query) => ({ key: id, statement: statement(query) })),
        call,
      )
      if (standingRows === undefined || rows === undefined) return undefined
      const [found] = await rowsOf(standing, standingRows)
      if (found === undefined) return undefined
      const { state, ...rest } = found
      return { ...rest, isActive: state === 'active', attempts: await rowsOf(attempts, rows) }
    },
    replayItems: async (from, call) =>
      readReplay(await router.read(from.endpoint.id, replayQuery(from), call)),
  }
}

function attempting(
  access: KeyspaceAccess,
): Pick<DeliveryStore, 'claim' | 'record' | 'giveUp' | 'postpone'> {
  const { router, committer, clock } = access
  const commit = committing(access)
  return {
    claim: async (ids, lease, call) => {
      const groups = await router.groups(ids, (id) => id, call)
      const found: DueDelivery[] = []
      await inFives(groups, async (keys) => {
        const statements = claimStatements({ ids: keys, lease })
        const work = { keys, statements, events: [], eventsOf: () => [] }
        const { rows } = await committer.commit(work, call)
        found.push(...readClaim(rows, lease.name))
      })
      return found
    },
    record: (delivery, made, call) =>
      commit([delivery.id], recordStatements({ delivery, ...made }), call),
    giveUp: (delivery, at, call) => commit([delivery.id], giveUpStatements(delivery, at), call),
    postpone: async (entries, call) => {
      const statements = entries.flatMap(({ delivery, alarm }) =>
        ask(alarm, isFree(clock.now(), delivery.lease)),
      )
      await commit(
        entries.map(({ delivery }) => delivery.id),
        statements,
        call,
      )
    },
  }
}

function acknowledging({ committer }: KeyspaceAccess): Pick<DeliveryStore, 'acknowledge'> {
  return {
    acknowledge: async ({ id, member, at }, call) => {
      const owned = 'endpoint IN (SELECT id FROM webhook_endpoint WHERE member = ?)'
      const statements = [
        silence(id, at, { sql: `id = ? AND ${owned}`, args: [id, member] }),
        {
          sql: `UPDATE delivery SET state = 'delivered', done_at = ?, lease = NULL, lease_until = 0
WHERE id = ? AND state <> 'delivered' AND ${owned}`,
          args: [at, id, member],
        },
        { sql: `SELECT 1 AS known FROM delivery WHERE id = ? AND ${owned}`, args: [id, member] },
      ]
      const work = { keys: [id], statements, events: [], eventsOf: () => [] }
      const { rows } = await committer.commit(work, call)
      return rows?.at(-1)?.rows.length === 1
    },
  }
}

function rearming({
  router,
  committer,
  clock,
}: KeyspaceAccess): Pick<DeliveryStore, 'owed' | 'rearm'> {
  return {
    owed: async (debt, call) => readOwed(await router.read(debt.endpoint, owedQuery(debt), call)),
    rearm: async (rearm, call) => {
      const { event } = rearm.alarm
      const statements = rearmStatements(rearm, clock.now())
      const conditional = [event]
      const work = { keys: [event.key], statements, events: [], conditional, eventsOf: () => [] }
      const { rows = [] } = await committer.commit(work, call)
      return rows.some((each) => each.rows.some(([id]) => id === event.id))
    },
  }
}

export function deliveryStore(access: KeyspaceAccess): DeliveryStore {
  const { router, committer, once: runner, clock } = access
  return {
    ...reads(access),
    ...attempting(access),
    ...acknowledging(access),
    ...rearming(access),
    resend: async (once, { resend, event }, call) => {
      const now = clock.now()
      const alarm = { event, at: now }
      const statements = [
        ...beginAnew(alarm, now),
        // Whoever wants it sent now wants to know whether the endpoint is back.
        {
          sql: `UPDATE webhook_endpoint SET probe_at = 0 WHERE id = (SELECT endpoint FROM delivery WHERE id = ?)`,
          args: [resend.id],
        },
      ]
      const work = { keys: [resend.id], statements, events: [], conditional: [event] }
      const job = { key: resend.id, work, reply: { id: resend.id } }
      return (await runner.run(once, job, call)).replayed
    },
    overdue: async (before, call) => readOverdue(await router.scatter(overdueQuery(before), call)),
    askAgain: async (alarms, call) => {
      const now = clock.now()
      const groups = await router.groups(alarms, ({ event }) => event.key, call)
      await inFives(groups, async (group: readonly Alarm[]) => {
        const statements = group.flatMap((alarm) => ask(alarm, isFree(now)))
        const conditional = group.map(({ event }) => event)
        const keys = conditional.map(({ key }) => key)
        await committer.commit(
          { keys, statements, events: [], conditional, eventsOf: () => [] },
          call,
        )
      })
    },
  }
}
