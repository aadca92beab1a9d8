import type { Call, Clock, Ids } from '@stoa/kernel'
import { type Answered, type Once, scopeOf } from '@stoa/messaging'

import type { SupplierStore } from './ports.ts'
import type { Supplier } from './supplier.ts'

type Deps = { readonly suppliers: SupplierStore; readonly ids: Ids; readonly clock: Clock }

/** Adds a supplier: at the place of the request's key, so that a retry finds it. @throws KeyReusedError */
export function addSupplier(
  { suppliers, ids, clock }: Deps,
  { once, details }: { readonly once: Once; readonly details: Pick<Supplier, 'name' | 'email'> },
  call: Call,
): Promise<Answered<Supplier>> {
  const { name, email } = details
  const supplier = { id: ids.root(scopeOf(once)), name, email, createdAt: clock.now() }
  return suppliers.add({ once, supplier }, call)
}
