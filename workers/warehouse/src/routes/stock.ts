import { warehouse } from '@stoa/contracts/warehouse'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { available, type StockLevel, StockNotFoundError } from '../domain/stock.ts'

function present(level: StockLevel) {
  const { product, onHand, reserved } = level
  return { product: typedId('prd', product), onHand, reserved, available: available(level) }
}

export function serveStock(service: Service, deps: Deps): void {
  service.serve(warehouse.getStock, async ({ params }, { call }) => {
    const level = await deps.stock.get(parseTypedId('prd', params.product), call)
    if (level === undefined) throw new StockNotFoundError()
    return present(level)
  })
}
