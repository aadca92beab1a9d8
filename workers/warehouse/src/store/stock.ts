import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import { stock } from '@stoa/data/warehouse'
import { type Call } from '@stoa/kernel'
import type { Effect } from '@stoa/messaging'
import { eq } from 'drizzle-orm'

import type { StockChange } from '../domain/change.ts'
import type { StockStore } from '../domain/ports.ts'
import type { StockLevel } from '../domain/stock.ts'
import { db } from './builder.ts'
import { statementsOf } from './statements.ts'

/** The most changes of one batch: a thousand statements, far from the 5 s after which a write loses its lock. */
const changesAtOnce = 200

function effectOf(change: StockChange, now: number): Effect {
  return {
    event: change.cause,
    key: change.product,
    scope: change.product,
    statements: statementsOf(change, now),
    events: [],
    conditional: change.kind === 'reserve' ? [change.reserved, change.refused] : [],
  }
}

async function getLevel(
  { router }: KeyspaceAccess,
  product: string,
  call: Call,
): Promise<StockLevel | undefined> {
  const query = db
    .select({ product: stock.product, onHand: stock.onHand, reserved: stock.reserved })
    .from(stock)
    .where(eq(stock.product, product))
    .limit(1)
  const rows = await router.read(product, statement(query), call)
  const [row] = await rowsOf(query, rows)
  return row
}

export function stockStore(access: KeyspaceAccess): StockStore {
  return {
    get: (product, call) => getLevel(access, product, call),
    apply: async (changes, call) => {
      const now = access.clock.now()
      const failures: unknown[] = []
      for (let start = 0; start < changes.length; start += changesAtOnce) {
        const effects = changes
          .slice(start, start + changesAtOnce)
          .map((change) => effectOf(change, now))
        await access.inbox.apply(effects, call).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
