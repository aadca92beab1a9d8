import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { delivery as deliveries, webhookEndpoint } from '@stoa/data/notifier'
import { and, desc, eq, lt, ne, sql } from 'drizzle-orm'

import type { DeliveryStore, Stretch } from '../domain/ports.ts'
import { db } from './builder.ts'

function selectDue(id: string) {
  const { state, attempts, payload, endpoint } = deliveries
  const { url, secret } = webhookEndpoint
  return db
    .select({
      id: deliveries.id,
      state,
      attempts,
      payload,
      endpoint,
      url,
      secret,
      endpointState: sql<string>`${webhookEndpoint.state}`.as('endpoint_state'),
    })
    .from(deliveries)
    .innerJoin(webhookEndpoint, eq(webhookEndpoint.id, deliveries.endpoint))
    .where(eq(deliveries.id, id))
    .limit(1)
}

function selectOwner(endpoint: string) {
  return db
    .select({ member: webhookEndpoint.member })
    .from(webhookEndpoint)
    .where(eq(webhookEndpoint.id, endpoint))
    .limit(1)
}

/** Deliveries of one endpoint have one prefix, so that their ids sort by time. */
function selectNewest(endpoint: string, { before, limit }: Stretch) {
  const { id, type, state, attempts, lastStatus, createdAt } = deliveries
  const ofEndpoint = eq(deliveries.endpoint, endpoint)
  return db
    .select({ id, type, state, attempts, lastStatus, createdAt })
    .from(deliveries)
    .where(before === undefined ? ofEndpoint : and(ofEndpoint, lt(id, before)))
    .orderBy(desc(id))
    .limit(limit)
}

export function deliveryStore({ router, committer }: KeyspaceAccess): DeliveryStore {
  return {
    effectOf: (event, { member, deliveries: made, due }) => ({
      event,
      key: member,
      scope: member,
      statements: [statement(db.insert(deliveries).values([...made]))],
      events: due,
    }),
    due: async (ids, call) => {
      const queries = ids.map((id) => ({ id, query: selectDue(id) }))
      const answers = await router.readMany(
        queries.map(({ id, query }) => ({ key: id, statement: statement(query) })),
        call,
      )
      const found = queries.map(async ({ query }, index) => {
        const rows = answers[index]
        return rows === undefined ? [] : rowsOf(query, rows)
      })
      return (await Promise.all(found)).flat().map(({ endpointState, ...row }) => {
        return { ...row, isActive: endpointState === 'active' }
      })
    },
    record: async ({ id, endpoint }, { state, status, isGone, at }, call) => {
      const change = db
        .update(deliveries)
        .set({
          attempts: sql`${deliveries.attempts} + 1`,
          lastStatus: status ?? null,
          state,
          doneAt: state === 'pending' ? null : at,
        })
        // A success is the truth even when another attempt has given up; nothing takes a success back.
        .where(
          and(
            eq(deliveries.id, id),
            state === 'delivered'
              ? ne(deliveries.state, 'delivered')
              : eq(deliveries.state, 'pending'),
          ),
        )
      const close = db
        .update(webhookEndpoint)
        .set({ state: 'gone' })
        .where(eq(webhookEndpoint.id, endpoint))
      const statements = [statement(change), ...(isGone ? [statement(close)] : [])]
      await committer.commit({ keys: [id], statements, events: [] }, call)
    },
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
  }
}
