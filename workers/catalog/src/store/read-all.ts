import type { KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { type Call } from '@stoa/kernel'

type Select = Parameters<typeof rowsOf>[0] & Parameters<typeof statement>[0]

/**
 * The rows of the same query for many ids, in the order of the ids; nothing when there is no id. One round trip for
 * each shard touched.
 */
export async function readAll<Q extends Select>(
  { router }: Pick<KeyspaceAccess, 'router'>,
  { ids, select }: { readonly ids: readonly string[]; readonly select: (id: string) => Q },
  call: Call,
): Promise<Q['_']['result'] | undefined> {
  const queries = ids.map((id) => ({ key: id, query: select(id) }))
  const [first] = queries
  if (first === undefined) return undefined
  const asked = queries.map(({ key, query }) => ({ key, statement: statement(query) }))
  const answers = await router.readMany(asked, call)
  const columns = answers[0]?.columns ?? []
  const rows = answers.flatMap((answer) => answer.rows)
  return rowsOf(first.query, { columns, rows, rowsAffected: 0 })
}
