import { clientOf, type Links } from '@stoa/contracts'
import { stats } from '@stoa/contracts/stats'
import { warehouse } from '@stoa/contracts/warehouse'
import { typedId } from '@stoa/kernel'

import type { Neighbours } from '../domain/ports.ts'

/** The warehouse and the stats over their typed clients: bindings, or apps in this process. */
export function neighboursOf({ fetcher }: Pick<Links, 'fetcher'>): Neighbours {
  const stock = clientOf(warehouse, fetcher('warehouse'))
  const counts = clientOf(stats, fetcher('stats'))
  return {
    available: async (product, call) => {
      const params = { product: typedId('prd', product) }
      return (await stock.getStock({ params }, call)).available
    },
    sold: async (product, call) => {
      const params = { kind: 'product', subject: typedId('prd', product) } as const
      // Nothing counted is a count of nothing.
      return (await counts.getStats({ params }, call)).counts['sold'] ?? 0
    },
  }
}
