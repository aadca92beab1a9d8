import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { webhookEndpoint } from '@stoa/data/notifier'
import { SqlConstraintError } from '@stoa/kernel'
import { and, eq } from 'drizzle-orm'

import { EndpointsFullError } from '../domain/endpoint.ts'
import type { EndpointStore } from '../domain/ports.ts'
import { db } from './builder.ts'

function selectActive(member: string) {
  const { id, url, types, secret, createdAt } = webhookEndpoint
  return db
    .select({ id, member: webhookEndpoint.member, url, types, secret, createdAt })
    .from(webhookEndpoint)
    .where(and(eq(webhookEndpoint.member, member), eq(webhookEndpoint.state, 'active')))
}

export function endpointStore({ router, once: runner }: KeyspaceAccess): EndpointStore {
  return {
    add: async ({ once, endpoint }, call) => {
      const key = endpoint.member
      const statements = [statement(db.insert(webhookEndpoint).values(endpoint))]
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
  }
}
