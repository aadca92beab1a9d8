import { catalog } from '@stoa/contracts/catalog'
import type { Service } from '@stoa/http'
import { parseTypedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { mendClaim } from '../domain/mend-claim.ts'

/** What the reconciler asks for. */
export function serveRepairs(service: Service, deps: Deps): void {
  service.serve(catalog.mendProductClaim, async ({ body: { product, sku } }, { call }) => {
    await mendClaim(deps, { product: parseTypedId('prd', product), sku }, call)
    return undefined
  })
}
