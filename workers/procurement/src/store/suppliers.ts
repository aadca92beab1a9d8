import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { supplier as suppliers } from '@stoa/data/procurement'
import { prefixOf } from '@stoa/kernel'
import { eq } from 'drizzle-orm'

import type { SupplierStore } from '../domain/ports.ts'
import { db } from './builder.ts'

export function supplierStore({ router, once: runner }: KeyspaceAccess): SupplierStore {
  return {
    get: async (id, call) => {
      const query = db
        .select({
          id: suppliers.id,
          name: suppliers.name,
          email: suppliers.email,
          createdAt: suppliers.createdAt,
        })
        .from(suppliers)
        .where(eq(suppliers.id, id))
        .limit(1)
      const [row] = await rowsOf(query, await router.read(id, statement(query), call))
      return row
    },
    add: ({ once, supplier }, call) => {
      const key = prefixOf(supplier.id)
      const statements = [statement(db.insert(suppliers).values({ ...supplier, version: 1 }))]
      const work = { keys: [key], statements, events: [] }
      return runner.run(once, { key, work, reply: supplier }, call)
    },
  }
}
