import { warehouse } from '@stoa/contracts/warehouse'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { runStockBranch } from '../domain/branch.ts'

export function serveBranches(service: Service, deps: Deps): void {
  service.serve(warehouse.runStockBranch, ({ body }, { call }) => {
    const order = parseTypedId('ord', body.order)
    const product = parseTypedId('prd', body.product)
    return runStockBranch(deps, { ...body, order, product }, call)
  })
}
