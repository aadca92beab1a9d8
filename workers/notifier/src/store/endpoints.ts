import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { webhookEndpoint } from '@stoa/data/notifier'
import { SqlConstraintError } from '@stoa/kernel'
import { and, eq } from 'drizzle-orm'

import { EndpointsFullError, type ListedEndpoint } from '../domain/endpoint.ts'
import type { EndpointStore } from '../domain/ports.ts'
import { db } from './builder.ts'

const { id, member: owner, url, types, ack, secret, createdAt, state, health } = webhookEndpoint
const columns = { id, member: owner, url, types, acknowledgement: ack, secret, createdAt }

function selectActive(member: string) {
  return db
    .select(columns)
    .from(webhookEndpoint)
    .where(and(eq(owner, member), eq(state, 'active')))
}

/** More than twenty only when some are gone. */
const listedMax = 100

function selectListed(where: ReturnType<typeof eq>) {
  return db
    .select({ ...columns, state, health })
    .from(webhookEndpoint)
    .where(where)
    .orderBy(id)
    .limit(listedMax)
}

type Row = Omit<ListedEndpoint, 'isActive'> & { readonly state: string }

function listed({ state: its, ...row }: Row): ListedEndpoint {
  return { ...row, isActive: its === 'active' }
}

export function endpointStore(access: KeyspaceAccess): EndpointStore {
  const { router, once: runner } = access
  return {
    add: async ({ once, endpoint }, call) => {
      const key = endpoint.member
      const { acknowledgement, ...row } = endpoint
      const values = { ...row, ack: acknowledgement }
      const statements = [statement(db.insert(webhookEndpoint).values(values))]
      const work = { keys: [key], statements, events: [] }
      try {
        return await runner.run(once, { key, work, reply: endpoint }, call)
      } catch (error) {
        if (error instanceof SqlConstraintError && error.constraint === 'webhook_endpoints_full') {
          throw new EndpointsFullError({ cause: error })
        }
        throw error
      }
    },
    ofMember: async (member, call) => {
      const query = selectListed(eq(owner, member))
      const rows = await rowsOf(query, await router.read(member, statement(query), call))
      return rows.map(listed)
    },
    find: async (endpoint, call) => {
      const query = selectListed(eq(id, endpoint))
      const rows = await rowsOf(query, await router.read(endpoint, statement(query), call))
      return rows.map(listed)[0]
    },
    activeOf: async (members, call) => {
      const queries = members.map((member) => ({ member, query: selectActive(member) }))
      const answers = await router.readMany(
        queries.map(({ member, query }) => ({
          key: member,
          statement: statement(query),
        })),
        call,
      )
      const lists = queries.map(async ({ member, query }, index) => {
        const rows = answers[index]
        return [member, rows === undefined ? [] : await rowsOf(query, rows)] as const
      })
      return new Map(await Promise.all(lists))
    },
    rotate: (once, rotation, call) => {
      const { endpoint, member, previousUntil } = rotation
      const statements = [
        {
          // The right sides see the row as it was.
          sql: `UPDATE webhook_endpoint SET secret_before = secret, secret_before_until = ?, secret = ?
WHERE id = ? AND member = ?`,
          args: [previousUntil, rotation.secret, endpoint, member],
        },
      ]
      const work = { keys: [endpoint], statements, events: [] }
      return runner.run(once, { key: endpoint, work, reply: rotation }, call)
    },
    askReplay: async (once, event, call) => {
      const work = { keys: [event.key], statements: [], events: [event] }
      const job = { key: event.data.endpoint, work, reply: null }
      return (await runner.run(once, job, call)).replayed
    },
  }
}
