import { warehouse } from '@stoa/contracts/warehouse'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, { stock }: Pick<Deps, 'stock'>): void {
  service.serve(warehouse.rebuildReserved, async ({ body: { cell, mayFree } }, { call }) => ({
    isChanged: await stock.rebuild(parseTypedId('prd', cell), { mayFree }, call),
  }))
}
