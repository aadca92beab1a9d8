import { procurement } from '@stoa/contracts/procurement'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { addSupplier } from '../domain/add-supplier.ts'
import { SupplierNotFoundError } from '../domain/supplier.ts'
import { presentSupplier } from './present.ts'

export function serveSuppliers(service: Service, deps: Deps): void {
  service.serve(procurement.createSupplier, async ({ body }, context) => {
    const once = await context.once()
    const { reply, replayed } = await addSupplier(deps, { once, details: body }, context.call)
    if (replayed) context.replayed()
    return presentSupplier(reply)
  })

  service.serve(procurement.getSupplier, async ({ params }, { principal, call }) => {
    // Whether it exists is told only to who may know.
    const [, supplier] = await Promise.all([
      principal(),
      deps.suppliers.get(parseTypedId('sup', params.supplier), call),
    ])
    if (supplier === undefined) throw new SupplierNotFoundError()
    return presentSupplier(supplier)
  })
}
