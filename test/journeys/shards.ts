import { createClient, type InValue } from '@libsql/client'
import { devTokens } from '@stoa/local'
import type { System } from '@stoa/testing'

/** Runs one SELECT in every database of a keyspace and answers all rows: what no service could know. */
export async function everywhere(
  { local }: System,
  keyspace: string,
  query: { readonly sql: string; readonly args?: readonly InValue[] },
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const origin = `http://127.0.0.1:${local.ports.libsql}`
  const response = await fetch(`${origin}/_local/databases`)
  const { databases } = (await response.json()) as { databases: { name: string; url: string }[] }
  const own = databases.filter(({ name }) => new RegExp(`^${keyspace}-\\d+$`).test(name))
  if (own.length === 0) throw new Error(`keyspace ${keyspace} has no database`)
  const found = await Promise.all(
    own.map(async ({ url }) => {
      const client = createClient({ url, authToken: devTokens.libsql })
      try {
        const { rows } = await client.execute({ sql: query.sql, args: [...(query.args ?? [])] })
        return rows.map((row) => ({ ...row }))
      } finally {
        client.close()
      }
    }),
  )
  return found.flat()
}
