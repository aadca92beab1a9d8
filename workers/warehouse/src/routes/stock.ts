import { warehouse } from '@stoa/contracts/warehouse'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { spreadStock } from '../domain/spread.ts'
import { available, StockNotFoundError, totalOf } from '../domain/stock.ts'

export function serveStock(service: Service, deps: Deps): void {
  service.serve(warehouse.getStock, async ({ params }, { call }) => {
    const levels = await deps.stock.levels(parseTypedId('prd', params.product), call)
    if (levels.length === 0) throw new StockNotFoundError()
    const total = totalOf(levels)
    return { product: params.product, ...total, available: available(total) }
  })

  service.serve(warehouse.spreadStock, async ({ params, body }, { call, principal }) => {
    await principal()
    const product = parseTypedId('prd', params.product)
    const moving = await spreadStock(deps, { product, count: body.cells }, call)
    return { product: typedId('prd', product), cells: body.cells, moving }
  })
}
